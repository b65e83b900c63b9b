import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { type ErrorCode, LambentError } from '../base/errors.ts';
import type { InvocationId, MintUuid } from '../base/ids.ts';
import { jsonProblem } from '../base/request-body.ts';
import { APP_NAME, type AppName, FUNCTION_NAME, type FunctionName } from '../model/function.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import { EVENT_BYTES_MAX, type EventOutcome, type Invoker } from '../ports/invoker.ts';
import type { LiveApps, ResolvedFunction } from '../ports/live-apps.ts';
import {
  CALL_DEPTH_MAX,
  type CalledBy,
  type CallerIdentity,
  CallFailed,
  type OperationHandler,
} from '../ports/platform-calls.ts';

/**
 * The operation `invoke`: a function calls another one, of its own app or of one that allows it (`callers`).
 *
 * The call carries who calls and the trace on. A chain of calls from function to function has an end: at
 * CALL_DEPTH_MAX calls it fails, waited for or not. A call that would wait for itself fails at once (see the pool).
 * Deliberately absent: a retry. The one who calls knows whether a second attempt is safe.
 */
export interface InvokeCallOptions {
  readonly liveApps: LiveApps;
  readonly invoker: Invoker;
  readonly asyncQueue: AsyncQueue;
  readonly clock: Clock;
  readonly mintUuid: MintUuid;
  /** Told after each accepted asynchronous invocation. */
  onAsyncAccepted(): void;
}

const argsSchema = z.strictObject({
  /** `name`, or `app/name`. */
  function: z.string().max(256),
  mode: z.enum(['sync', 'async']).default('sync'),
});

export function createInvokeCall(options: InvokeCallOptions): OperationHandler {
  const { liveApps, invoker, asyncQueue, clock, mintUuid } = options;
  return async (caller, args, payload) => {
    const parsed = argsSchema.safeParse(args);
    if (!parsed.success)
      throw new LambentError(
        'E_BAD_REQUEST',
        'invoke takes the name of a function, and a mode: sync or async',
      );
    const target = resolveTarget(liveApps, caller, parsed.data.function);
    const event = eventOf(payload);
    const calledBy = calledByOf(caller, target, parsed.data.mode === 'sync');
    const id = mintUuid() as InvocationId;
    const { traceparent } = caller;
    if (parsed.data.mode === 'async') {
      const { app, name } = target.version;
      const acceptedMs = clock.nowMs();
      await asyncQueue.enqueue({
        id,
        app,
        function: name,
        payload: event,
        traceparent,
        caller: calledBy,
        acceptedMs,
      });
      options.onAsyncAccepted();
      return Buffer.from(JSON.stringify({ id }));
    }
    const outcome = await invoker.invoke({
      id,
      version: target.version,
      deployment: target.deployment,
      trigger: 'invoke',
      payload: event,
      traceparent,
      clientContext: undefined,
      attempt: 0,
      caller: calledBy,
      signal: caller.signal,
    });
    return resultOf(outcome);
  };
}

function resolveTarget(liveApps: LiveApps, caller: CallerIdentity, name: string): ResolvedFunction {
  const slash = name.indexOf('/');
  const app = slash < 0 ? caller.app : name.slice(0, slash);
  const inner = name.slice(slash + 1);
  if (!APP_NAME.test(app) || !FUNCTION_NAME.test(inner))
    throw new LambentError('E_BAD_REQUEST', `${JSON.stringify(name)} is not the name of a function`);
  const resolved = liveApps.resolve(app as AppName, inner as FunctionName);
  // Whether it is there at all is told to those only who may call it.
  if (app !== caller.app && resolved?.version.config.callers?.includes(caller.app) !== true)
    throw new LambentError('E_FORBIDDEN', `app ${caller.app} may not call ${app}/${inner}`, {
      hint: `The manifest of ${app} can allow it: \`callers: [${caller.app}]\` at the function.`,
    });
  if (resolved !== undefined) return resolved;
  const names = liveApps.find(app as AppName)?.deployments.flatMap(({ functions }) => functions) ?? [];
  throw new LambentError('E_NOT_FOUND', `app ${app} has no live function named ${inner}`, {
    hint: `It has: ${[...new Set(names.map((each) => each.name))].slice(0, 20).join(', ')}.`,
  });
}

/** The event as JSON text; nothing is `{}`, as for every other way to call. */
function eventOf(payload: Buffer): Buffer {
  if (payload.length === 0) return Buffer.from('{}');
  if (payload.length > EVENT_BYTES_MAX)
    throw new LambentError(
      'E_PAYLOAD_TOO_LARGE',
      `the event has ${payload.length} bytes; at most ${EVENT_BYTES_MAX} are allowed`,
    );
  const problem = jsonProblem(payload);
  if (problem !== undefined) throw new LambentError('E_BAD_REQUEST', `the event is not JSON: ${problem}`);
  return payload;
}

function calledByOf(caller: CallerIdentity, { version }: ResolvedFunction, waits: boolean): CalledBy {
  const { app, function: name, invocation, chain } = caller;
  if (chain.depth >= CALL_DEPTH_MAX) {
    const message = `function ${name} calls ${version.name} in a chain of more than ${CALL_DEPTH_MAX} calls`;
    throw new LambentError('E_CALL_DEPTH', message);
  }
  // Code outside an invocation holds no place in its instance.
  const holds = invocation === undefined ? [] : [{ version: caller.version, invocation }];
  const waiting = waits ? [...chain.waiting, ...holds] : [];
  return { app, function: name, invocation, chain: { depth: chain.depth + 1, waiting } };
}

/** Failures of the call itself rather than of the function's code: they keep their code and its hint. */
const OWN_ERROR: ReadonlySet<string> = new Set<ErrorCode>([
  'E_CALL_DEADLOCK',
  'E_CONCURRENCY_LIMIT',
  'E_OVERLOADED',
  'E_SHUTTING_DOWN',
  'E_START_FAILED',
]);

function resultOf(outcome: EventOutcome): Uint8Array {
  if (outcome.status === 'ok') return outcome.payload.length === 0 ? Buffer.from('null') : outcome.payload;
  const { code, errorType, errorMessage, stackTrace } = outcome.error;
  if (OWN_ERROR.has(code)) throw new LambentError(code, errorMessage);
  throw new CallFailed(code, errorType, errorMessage, stackTrace, outcome.retryable);
}
