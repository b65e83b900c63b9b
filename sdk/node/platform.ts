/**
 * Calls of the platform from a function's code. They go over the instance's own connection: no address, no key, no
 * network. The platform knows by itself who calls.
 */

const PLATFORM = Symbol.for('lambent.platform');

interface Platform {
  call(operation: string, args: Readonly<Record<string, unknown>>, payload: Uint8Array): Promise<Uint8Array>;
}

/** A call that did not succeed. */
export interface CallError extends Error {
  /** Stable code: `E_FUNCTION_ERROR` where the function that was called threw; see docs/errors.md for the others. */
  readonly code: string;
  /** Name of the error's class in the function that was called, as `TypeError`; otherwise the code. */
  readonly errorType: string;
  /** The stack in the function that was called, its author's own lines first. */
  readonly stackTrace: readonly string[];
  /** Whether the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What to do next. */
  readonly hint: string;
}

/** Performs an operation with a JSON value. Rejects with a `CallError`. */
export async function callPlatform(
  operation: string,
  args: Readonly<Record<string, unknown>>,
  value: unknown,
): Promise<unknown> {
  const platform = (globalThis as Record<symbol, unknown>)[PLATFORM] as Platform | undefined;
  if (platform === undefined)
    throw new Error(
      `${operation} works in a function that runs on Lambent; this process has no connection to one`,
    );
  const text = value === undefined ? '' : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`${operation} takes a value that JSON can hold`);
  const result = await platform.call(operation, args, new TextEncoder().encode(text));
  const answer = new TextDecoder().decode(result);
  return answer === '' ? undefined : JSON.parse(answer);
}
