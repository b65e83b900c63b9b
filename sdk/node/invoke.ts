import { callPlatform } from './platform.ts';

/**
 * The functions of this app, by name: what each takes and gives. `lambent types` writes it, so that `invoke` knows
 * them; without it every name is allowed and gives `unknown`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be merged with
export interface AppFunctions {}

/** What a function takes and gives, as JSON. */
export interface FunctionSignature {
  readonly event: unknown;
  readonly result: unknown;
}

type Name = keyof AppFunctions extends never ? string : keyof AppFunctions & string;
type EventOf<Called> = Called extends keyof AppFunctions
  ? AppFunctions[Called] extends { readonly event: infer Event }
    ? Event
    : unknown
  : unknown;
type ResultOf<Called> = Called extends keyof AppFunctions
  ? AppFunctions[Called] extends { readonly result: infer Result }
    ? Result
    : unknown
  : unknown;

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
  event: EventOf<Called>,
  options: InvokeOptions & { readonly async: true },
): Promise<{ readonly id: string }>;
export function invoke<const Called extends Name>(
  name: Called,
  event?: EventOf<Called>,
  options?: InvokeOptions & { readonly async?: false },
): Promise<ResultOf<Called>>;
export function invoke(name: string, event?: unknown, options: InvokeOptions = {}): Promise<unknown> {
  return callPlatform('invoke', { function: name, mode: options.async === true ? 'async' : 'sync' }, event);
}
