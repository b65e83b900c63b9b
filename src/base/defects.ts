import type { Clock } from './clock.ts';
import { LambentError } from './errors.ts';
import type { Log } from './log.ts';

/** Defects that are logged one by one; beyond these, every so many: a defect on each request must not fill a disk. */
const LOGGED_EACH = 100;
const LOGGED_EVERY = 1_000;

/**
 * Defects of the platform's own that were met and contained: whatever was being done for one connection, call or
 * instance is given up, and everything else goes on.
 */
export interface Defects {
  /** How many there were since the start. */
  readonly count: number;
  /** `during`: what was being done, in words that do not change from case to case. */
  note(during: string, thrown: unknown): void;
}

export function createDefects(log: Log): Defects {
  let count = 0;
  return {
    get count() {
      return count;
    },
    note(during, thrown) {
      count += 1;
      if (count > LOGGED_EACH && count % LOGGED_EVERY !== 0) return;
      const { message, stack } = thrown instanceof Error ? thrown : new Error(String(thrown));
      log.error('a defect in Lambent was contained', {
        code: 'E_INTERNAL',
        during,
        count,
        error: message,
        stack,
      });
    },
  };
}

/** A clock whose timers end nothing but themselves when what they run has a defect. One that repeats goes on. */
export function containTimers(clock: Clock, defects: Defects): Clock {
  const contained =
    (task: () => void): (() => void) =>
    () => {
      try {
        task();
      } catch (thrown) {
        defects.note('a timer was over', thrown);
      }
    };
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, contained(task)),
    every: (periodMs, task) => clock.every(periodMs, contained(task)),
  };
}

/** What whoever waited for the work that was given up is told; the details are in the log. */
export function defectError(): LambentError {
  return new LambentError('E_INTERNAL', 'something went wrong inside Lambent');
}
