import type { Clock } from '../base/clock.ts';
import type { Wired } from './wire.ts';

/** How long requests and invocations that run may go on after the platform was told to stop. */
const GRACE_MS = 10_000;
/** In `dev` a person waits at the terminal, and the page in the browser often keeps a stream open. */
const DEV_GRACE_MS = 1_000;
/** Instances get at least this long to end by themselves, also when the rest took all the time. */
const INSTANCE_GRACE_MS = 1_000;

/**
 * Stops in the order in which work flows: nothing new is taken, what runs finishes, then history is flushed, then the
 * store closes. Each step is bounded; a step that fails does not keep the next from being done.
 */
export async function shutDown(wired: Wired): Promise<void> {
  const { clock } = wired;
  const graceMs = wired.mode === 'dev' ? DEV_GRACE_MS : GRACE_MS;
  const startMs = clock.monotonicMs();
  let dispatchDone: Promise<unknown> | undefined;
  const steps: (() => unknown)[] = [
    () => wired.admin.close(),
    () => {
      dispatchDone = Promise.all([wired.asyncDispatch.close(), wired.events.close()]);
      // Executions are dropped where they stand: their journals say how to go on.
      return Promise.all([
        wired.gateway.close(graceMs),
        wired.engine.close(),
        within(clock, graceMs, dispatchDone),
      ]);
    },
    () => wired.pool.close(Math.max(INSTANCE_GRACE_MS, graceMs - (clock.monotonicMs() - startMs))),
    // What the pool just ended is settled: it stays owed.
    () => dispatchDone,
    () => wired.deployer.close(),
    () => wired.sandbox.close(),
    () => wired.closeRest(),
    () => wired.recorder.close(),
    () => wired.store.close(),
  ];
  let first: unknown;
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      first ??= error;
    }
  }
  if (first !== undefined) throw first;
}

/** Waits, but not longer than the given time. */
function within(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, resolve);
    work.finally(() => timer.cancel()).then(() => resolve(), reject);
  });
}
