import type { AppFunctions, EventOf, ResultOf } from './app-functions.ts';
import { callPlatform } from './platform.ts';

type Name = keyof AppFunctions extends never ? string : keyof AppFunctions & string;
type EventFor<Called> = Called extends keyof AppFunctions ? EventOf<AppFunctions[Called]> : unknown;
type ResultFor<Called> = Called extends keyof AppFunctions ? ResultOf<AppFunctions[Called]> : unknown;

export interface InvokeOptions {
  /**
   * True: do not wait for the function. The promise resolves with the id of the invocation once the call is stored;
   * it then happens at least once, with retries.
   */
  readonly async?: boolean;
}

/**
 * Calls another function of this app with a JSON event of at most 6 MiB and resolves with its result. Trace context
 * goes along; the function sees who called in `context.caller`.
 *
 * Rejects with a `CallError`: `E_FUNCTION_ERROR` with the function's own `errorType` and message, `E_NOT_FOUND`,
 * `E_FUNCTION_TIMEOUT`, `E_CONCURRENCY_LIMIT`, `E_CALL_DEPTH` after 16 calls from function to function,
 * `E_CALL_DEADLOCK` for a call that would wait for itself, `E_PAYLOAD_TOO_LARGE`.
 */
export function invoke<const Called extends Name>(
  name: Called,
  event: EventFor<Called>,
  options: InvokeOptions & { readonly async: true },
): Promise<{ readonly id: string }>;
export function invoke<const Called extends Name>(
  name: Called,
  event?: EventFor<Called>,
  options?: InvokeOptions & { readonly async?: false },
): Promise<ResultFor<Called>>;
export function invoke(name: string, event?: unknown, options: InvokeOptions = {}): Promise<unknown> {
  return callPlatform('invoke', { function: name, mode: options.async === true ? 'async' : 'sync' }, event);
}
