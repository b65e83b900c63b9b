import type { Clock } from '../base/clock.ts';

/**
 * One Ctrl-C reaches a program more than once: the terminal sends it to every process in the foreground, and
 * npm and bin/lambent.js pass theirs on. What arrives within this time is the same key press.
 */
const SAME_PRESS_MS = 250;

export interface Interrupts {
  /** Aborted by the first interrupt. */
  readonly signal: AbortSignal;
  /** To be called for each signal that arrives. */
  receive(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void;
}

/** @param exitNow called on a second Ctrl-C, for those who do not want to wait */
export function createInterrupts(clock: Clock, exitNow: () => void): Interrupts {
  const controller = new AbortController();
  let lastPressMs: number | undefined;
  return {
    signal: controller.signal,
    receive(name) {
      // Supervisors repeat SIGTERM while they wait, and a closing terminal sends several: only a person's
      // second Ctrl-C means that it should be quick.
      if (name === 'SIGINT') {
        const nowMs = clock.monotonicMs();
        if (lastPressMs !== undefined && nowMs - lastPressMs > SAME_PRESS_MS) exitNow();
        lastPressMs = nowMs;
      }
      controller.abort();
    },
  };
}
