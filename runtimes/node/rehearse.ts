import type { Channel } from './channel.ts';
import { createFetchHandler } from './fetch-handler.ts';
import type { Handler, HandlerDeps } from './handler.ts';
import { Invocations } from './invocations.ts';
import { createLambdaHandler } from './lambda-handler.ts';

/** What a request brings: the fixed lines, and headers as clients send them. */
const HEAD = [
  '00000000-0000-7000-8000-000000000000',
  '0',
  '127.0.0.1',
  'http',
  'GET /',
  '',
  'GET /?a=b',
  'host: localhost',
  'user-agent: rehearsal',
  'accept: */*',
].join('\n');

/**
 * Goes through what the first calls of an instance go through, before there is any code of an author: V8 compiles a
 * function when it is first called, which would otherwise happen while a caller waits. What it answers is thrown away.
 * A failure here is nobody's: the real call shows it.
 */
export async function rehearse(channel: Channel): Promise<void> {
  const invocations = new Invocations(channel);
  const deps: HandlerDeps = {
    invocations,
    fail(invocation) {
      invocation.end();
    },
    logFailure() {},
  };
  const module = await import('./rehearsal-module.ts');
  const handlers = [
    createFetchHandler(() => module.default.fetch(), {}, deps),
    createLambdaHandler('lambda', module.handler as never, FACTS, deps),
  ];
  for (const handler of handlers) await play(handler, invocations, channel);
}

const FACTS = {
  app: '',
  function: '',
  version: '',
  deployment: 0,
  codeDir: '/',
  entry: '',
  protocol: 0,
  env: {},
  memoryMb: 0,
  timeoutMs: 0,
};

async function play(handler: Handler, invocations: Invocations, channel: Channel): Promise<void> {
  const payload = Buffer.alloc(4 + HEAD.length);
  payload.writeUInt32LE(HEAD.length, 0);
  payload.write(HEAD, 4, 'latin1');
  const invocation = invocations.start(1, true, payload, true);
  await new Promise<void>((resolve) => {
    invocation.onEnd = resolve;
    handler.onHttp(invocation);
  });
  channel.discard();
}
