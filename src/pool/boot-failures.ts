import type { Clock } from '../base/clock.ts';
import { type ErrorCode, LambentError } from '../base/errors.ts';
import type { FailureMessage } from '../model/frames.ts';

/** After code that cannot be loaded, the next start waits this long, doubling up to the maximum. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/** Whether a version's code can be loaded, as far as its starts have shown, and when the next may be tried. */
export class BootFailures {
  readonly #clock: Clock;
  #last: LambentError | undefined;
  #backoffMs = 0;
  #blockedUntilMs = 0;
  /** The last start was interrupted from outside, and another was made in its place: the next such end counts. */
  #isRepeated = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why it cannot be loaded; `undefined`: nothing is known against it. */
  get last(): LambentError | undefined {
    return this.#last;
  }

  /** No start is made just now. */
  get areBlocking(): boolean {
    return this.#clock.monotonicMs() < this.#blockedUntilMs;
  }

  failed(error: LambentError): void {
    this.#last = error;
    this.#isRepeated = false;
    this.#backoffMs = Math.min(BACKOFF_MAX_MS, Math.max(BACKOFF_FIRST_MS, this.#backoffMs * 2));
    this.#blockedUntilMs = this.#clock.monotonicMs() + this.#backoffMs;
  }

  /** The process ended while it loaded the code. `interrupted`: somebody else ended it, which is forgiven once. */
  ended(reason: LambentError, interrupted: boolean): void {
    if (interrupted && !this.#isRepeated) this.#isRepeated = true;
    else this.failed(reason);
  }

  succeeded(): void {
    this.#backoffMs = 0;
    this.#last = undefined;
    this.#isRepeated = false;
  }

  /** The time to wait is over: it may be tried once more. */
  retry(): void {
    this.#last = undefined;
  }

  /** What was known is of another time: it is tried at once. */
  forget(): void {
    this.#last = undefined;
    this.#blockedUntilMs = 0;
  }
}

/** What calls hear of code that says it cannot be loaded. */
export function cannotBeLoaded(name: string, failure: FailureMessage): LambentError {
  // What an instance says of itself is taken from a list, never as it is.
  const code: ErrorCode = failure.code === 'E_HANDLER_MISSING' ? failure.code : 'E_BOOT_FAILED';
  const { errorType, errorMessage, stackTrace } = failure;
  const cause = code === 'E_HANDLER_MISSING' ? errorMessage : `${errorType}: ${errorMessage}`;
  return new LambentError(code, `function ${name} cannot be loaded: ${cause}`, { details: { stackTrace } });
}
