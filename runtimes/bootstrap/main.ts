/**
 * Runs a custom runtime: the author's `bootstrap`, an executable in any language that asks for invocations over the
 * AWS Lambda Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). See child/shim.ts.
 */
import { dirname, join } from 'node:path';
import type { BootMessage } from '../../src/model/frames.ts';
import { callerText } from '../child/calls-api.ts';
import { describeEnd, Shim } from '../child/shim.ts';
import { RuntimeFailure } from '../node/failure.ts';
import type { Handler } from '../node/handler.ts';
import { createHttpEvent } from '../node/lambda-event.ts';
import { withWholeBody } from '../node/whole-body.ts';
import { RuntimeApi } from './runtime-api.ts';
import { xrayTraceId } from '../node/trace-id.ts';

function arnOf({ function: name }: BootMessage): string {
  return `arn:aws:lambda:${process.env.AWS_REGION ?? 'local'}:000000000000:function:${name}`;
}

async function boot(message: BootMessage, shim: Shim): Promise<Handler> {
  const api = new RuntimeApi({
    concurrencyMax: Number(message.env.AWS_LAMBDA_MAX_CONCURRENCY ?? 1),
    functionArn: arnOf(message),
    calls: shim.calls,
    invocations: shim.invocations,
    outputRead: () => program.outputRead(),
  });
  const address = await api.listen();
  const file = join(message.codeDir, message.entry);
  const program = shim.start(
    {
      command: [file],
      cwd: dirname(file),
      env: {
        ...message.env,
        AWS_LAMBDA_RUNTIME_API: address,
        LAMBENT_CALLS: `http://${address}/lambent/calls/`,
      },
    },
    (end) => {
      const said = program.lastLines.length === 0 ? '' : `; its last lines: ${program.lastLines.join(' | ')}`;
      const hint = end.error?.code === 'EACCES' ? '; make it executable: chmod +x' : '';
      api.failInit(
        new RuntimeFailure(
          'E_BOOT_FAILED',
          'Runtime.ExitError',
          `${message.entry} ${describeEnd(end)} before it asked for an invocation${hint}${said}`,
        ),
      );
    },
  );
  await api.initialised;
  return createHandler(message, api, shim);
}

function createHandler(message: BootMessage, api: RuntimeApi, shim: Shim): Handler {
  return {
    kind: 'lambda',
    onHttp: (invocation) =>
      withWholeBody(invocation, shim, (body) => {
        const head = invocation.http;
        const traceparent = head.headers.find((line) => line.startsWith('traceparent: '))?.slice(13);
        api.offer({
          invocation,
          requestId: head.requestId,
          deadlineMs: head.deadlineMs,
          traceId: xrayTraceId(head.requestId, traceparent),
          clientContext: undefined,
          caller: undefined,
          event: Buffer.from(JSON.stringify(createHttpEvent(head, body, message.function, Date.now()))),
        });
      }),
    onEvent: (invocation) =>
      withWholeBody(invocation, shim, (body) => {
        const { requestId, deadlineMs, traceparent, clientContext, caller } = invocation.event;
        api.offer({
          invocation,
          requestId,
          deadlineMs,
          traceId: xrayTraceId(requestId, traceparent),
          clientContext,
          caller: callerText(caller),
          event: body.length === 0 ? Buffer.from('{}') : body,
        });
      }),
  };
}

new Shim(boot).wait();
