import type { HotExecution } from './hot-execution.ts';

/** Calls that executions make at this moment, so that they can be withdrawn when nobody waits for them any more. */
export class RunningCalls {
  readonly #calls = new Map<HotExecution, Map<number, AbortController>>();

  /** The signal aborts when the call is withdrawn. */
  enter(hot: HotExecution, op: number): AbortSignal {
    const own = this.#calls.get(hot) ?? new Map<number, AbortController>();
    const controller = new AbortController();
    this.#calls.set(hot, own.set(op, controller));
    return controller.signal;
  }

  leave(hot: HotExecution, op: number): void {
    const own = this.#calls.get(hot);
    own?.delete(op);
    if (own?.size === 0) this.#calls.delete(hot);
  }

  withdraw(hot: HotExecution, op: number): void {
    this.#calls.get(hot)?.get(op)?.abort();
    this.leave(hot, op);
  }

  withdrawAll(hot: HotExecution): void {
    for (const controller of this.#calls.get(hot)?.values() ?? []) controller.abort();
    this.#calls.delete(hot);
  }
}
