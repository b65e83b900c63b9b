import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BootMessage } from '../../src/model/frames.ts';
import { importCached } from './cached-module.ts';
import type { Channel } from './channel.ts';
import { RuntimeFailure, setCodeDir } from './failure.ts';
import { createFetchHandler } from './fetch-handler.ts';
import type { Handler, HandlerDeps } from './handler.ts';
import { cheapenHttpImport } from './http-import.ts';
import { createLambdaHandler } from './lambda-handler.ts';
import { installAwsLambda } from './lambda-stream.ts';
import { ListenCapture } from './listen-capture.ts';
import { CREATED, type Found, handlerMissing, recognise, recogniseCreated } from './recognise.ts';
import { rehearse } from './rehearse.ts';
import { installWeb } from './web-globals.ts';
import { WebHeaders } from './web-headers.ts';
import { WebRequest } from './web-request.ts';
import { WebResponse } from './web-response.ts';
import { WebSocketPair } from './websocket-pair.ts';

/**
 * Code that exports nothing may still begin to listen a little later (`await connect(); app.listen()`). It is
 * waited for as long as the process has something to do, at most this long; less when there is an app already.
 */
const LISTEN_WAIT_MS = 10_000;
const CREATED_WAIT_MS = 1_000;

const { setImmediate, setTimeout, clearTimeout } = globalThis;

/**
 * What does not depend on the author's code: done before there is any. `isAwaited`: whether the code is here already, so
 * that somebody waits for it and what is only done ahead of need is left out.
 */
export async function prepare(channel: Channel, isAwaited: () => boolean): Promise<void> {
  process.setSourceMapsEnabled(true);
  installGlobals();
  cheapenHttpImport();
  // What has arrived is read in this turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  if (!isAwaited()) await rehearse(channel);
}

/** Loads the author's code and prepares it for calls. Rejects with what the code threw, or E_HANDLER_MISSING. */
export async function boot(message: BootMessage, channel: Channel, deps: HandlerDeps): Promise<Handler> {
  const codeDir = realpathSync(message.codeDir);
  setCodeDir(codeDir);
  // Setting the time zone makes V8 look it up anew, also where it stays the same.
  for (const [name, value] of Object.entries(message.env))
    if (process.env[name] !== value) process.env[name] = value;
  process.chdir(codeDir);
  const capture = new ListenCapture();
  capture.install();
  const entry = join(codeDir, message.entry);
  process.argv[1] = entry;
  const module = await load(codeDir, message.entry, channel);
  const found =
    recognise(module, message.handler, capture) ??
    (await recogniseLater(module, message.handler, capture, channel));
  capture.stopNoting();
  return createHandler(found, message, deps);
}

function installGlobals(): void {
  (globalThis as Record<symbol, unknown>)[CREATED] = [];
  installWeb({
    Headers: WebHeaders,
    Response: WebResponse,
    Request: WebRequest,
    isRequest: WebRequest.is,
    toFetch: (request) => WebRequest.toFetch(request as WebRequest),
  });
  installAwsLambda();
  (globalThis as { WebSocketPair?: unknown }).WebSocketPair = WebSocketPair;
}

async function load(codeDir: string, entry: string, channel: Channel): Promise<Record<string, unknown>> {
  const idle = untilIdle(channel);
  const importPlain = () => import(pathToFileURL(join(codeDir, entry)).href);
  const imported: Promise<Record<string, unknown>> = importCached(codeDir, entry).then(
    (module) => module ?? importPlain(),
  );
  try {
    const module = await Promise.race([imported, idle.promise]);
    if (module !== undefined) return module;
    throw new RuntimeFailure(
      'E_BOOT_FAILED',
      'LoadNeverEnds',
      'the module waits at its top level (`await`) for something that never happens',
    );
  } finally {
    idle.stop();
  }
}

/**
 * Resolves when the author's code has nothing left to do: no timer, no connection, no file being read. While it is
 * awaited, the channel alone does not keep the process at work.
 */
function untilIdle(channel: Channel): { promise: Promise<undefined>; stop: () => void } {
  channel.keepAlive(false);
  let stop = (): void => {};
  const promise = new Promise<undefined>((resolve) => {
    const onIdle = (): void => {
      channel.keepAlive(true);
      resolve(undefined);
    };
    process.once('beforeExit', onIdle);
    stop = () => {
      process.off('beforeExit', onIdle);
      channel.keepAlive(true);
    };
  });
  return { promise, stop };
}

async function recogniseLater(
  module: Record<string, unknown>,
  handlerName: string | undefined,
  capture: ListenCapture,
  channel: Channel,
): Promise<Found> {
  const idle = untilIdle(channel);
  const waitMs = recogniseCreated(capture) === undefined ? LISTEN_WAIT_MS : CREATED_WAIT_MS;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    timer.unref();
    const go = (): void => {
      clearTimeout(timer);
      resolve();
    };
    capture.onListen = go;
    idle.promise.then(go);
  });
  capture.onListen = undefined;
  idle.stop();
  const found = recognise(module, handlerName, capture) ?? recogniseCreated(capture);
  if (found === undefined) throw handlerMissing(module);
  return found;
}

async function createHandler(found: Found, message: BootMessage, deps: HandlerDeps): Promise<Handler> {
  if (found.kind === 'fetch') return createFetchHandler(found.fetch, { ...message.env }, deps);
  if (found.kind === 'workflow') {
    const { createWorkflowHandler } = await import('./workflow/workflow-handler.ts');
    return createWorkflowHandler(found.handler, deps);
  }
  if (found.kind !== 'server') return createLambdaHandler(found.kind, found.handler, message, deps);
  const { createServerHandler } = await import('./server-handler.ts');
  return createServerHandler(found.target, deps);
}
