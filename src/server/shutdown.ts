import type { Wired } from './wire.ts';

/** How long requests and invocations that run may go on after the platform was told to stop. */
export const GRACE_MS = 10_000;

/**
 * Stops in the order in which work flows: no new connections, then what runs finishes, then history is flushed, then
 * the store closes. Each step is bounded; a step that fails does not keep the next from being done.
 */
export async function shutDown(wired: Wired): Promise<void> {
  const steps: (() => Promise<void> | void)[] = [
    () => wired.admin.close(),
    () => wired.gateway.close(GRACE_MS),
    () => wired.asyncDispatch.close(),
    () => wired.pool.close(GRACE_MS),
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
