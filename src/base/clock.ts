/**
 * Time enters the platform here and nowhere else, so that a simulator can own it.
 * `tools/tidy.test.ts` refuses `Date.now`, `performance.now` and `setTimeout` in every other file of `src/`.
 */

/** A pending timer. Cancelling one that already fired does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch (wall clock; may jump when the machine's clock is set). */
  nowMs(): number;
  /** Milliseconds with a fraction, from an arbitrary origin; never goes back. For durations. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs` (at least 0). The timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer;
  /** Runs `task` every `periodMs` (at least 1) until cancelled. The timer does not keep the process alive. */
  every(periodMs: number, task: () => void): Timer;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, task) {
    const handle = setInterval(task, periodMs);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
};

/**
 * A clock whose `nowMs` stands still within a turn of the event loop, for what asks several times a request: reading
 * the wall clock costs more than the rest of an id. Durations go on exactly. Not for code that waits for time to pass
 * without giving the loop its turn.
 */
export function createTurnClock(clock: Clock): Clock {
  let nowMs = 0;
  const forget = (): void => {
    nowMs = 0;
  };
  return {
    nowMs() {
      if (nowMs === 0) {
        nowMs = clock.nowMs();
        atEndOfTurn(forget);
      }
      return nowMs;
    },
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
    every: (periodMs, task) => clock.every(periodMs, task),
  };
}

/** Resolves after `delayMs` of the given clock. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/**
 * Runs `task` when the event loop has handled everything that is ready now. It is order, not time, so it needs no
 * clock: writers use it to send what one turn produced in one system call.
 */
export function atEndOfTurn(task: () => void): void {
  setImmediate(task);
}
