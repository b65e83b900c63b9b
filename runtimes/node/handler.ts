import type { ReadyMessage } from '../../src/model/frames.ts';
import type { Invocation, Invocations } from './invocations.ts';

/** The author's code, in the one shape in which the runtime calls it. */
export interface Handler {
  readonly kind: ReadyMessage['handlerKind'];
  /** Invocations at the same time, unless the manifest says otherwise; left out: by `kind`. */
  readonly concurrency?: number;
  onHttp(invocation: Invocation): void;
  onEvent(invocation: Invocation): void;
}

/** What handlers need of the runtime. */
export interface HandlerDeps {
  readonly invocations: Invocations;
  /** Ends an invocation with an error of the author's code, and logs it with its source line. */
  fail(invocation: Invocation, thrown: unknown): void;
  /** Logs an error that no longer changes the answer. */
  logFailure(thrown: unknown, invocation: Invocation | undefined): void;
}
