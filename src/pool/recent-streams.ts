import type { InvocationId } from '../base/ids.ts';
import type { CallOrigin } from '../ports/platform-calls.ts';

/** How many of an instance's latest streams are remembered. */
const RECENT = 1_024;

/**
 * Which invocations an instance's latest streams belong to: log lines and calls may come after their end. Three
 * rings beside each other rather than one of objects, because every request writes here.
 */
export class RecentStreams {
  readonly #streams: number[] = [];
  readonly #invocations: InvocationId[] = [];
  readonly #origins: CallOrigin[] = [];

  note(stream: number, invocation: InvocationId, origin: CallOrigin): void {
    const at = stream % RECENT;
    this.#streams[at] = stream;
    this.#invocations[at] = invocation;
    this.#origins[at] = origin;
  }

  invocationOf(stream: number): InvocationId | undefined {
    const at = stream % RECENT;
    return stream !== 0 && this.#streams[at] === stream ? this.#invocations[at] : undefined;
  }

  originOf(stream: number): CallOrigin | undefined {
    const at = stream % RECENT;
    return stream !== 0 && this.#streams[at] === stream ? this.#origins[at] : undefined;
  }
}
