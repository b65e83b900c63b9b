import type { VersionId } from '../model/function.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';

/** Whether an invocation waits for this call. */
export function isWaitedFor({ waiting }: LeaseWaiter): boolean {
  return waiting !== undefined && waiting.length > 0;
}

/** How many calls of the same version wait for this one. */
export function levelOf(version: VersionId, { waiting }: LeaseWaiter): number {
  let level = 0;
  if (waiting !== undefined) for (const caller of waiting) if (caller.version === version) level += 1;
  return level;
}

/**
 * Keeps places of a version free for the calls that its calls make of it: without them, many calls at once would take
 * every place and then each wait for one. A call takes a place only while enough stay free for all levels below its own,
 * as deep as calls of this version have been seen to go. So of those that wait the deepest always gets one in the end,
 * and what waits for it ends after it.
 */
export class SelfCalls {
  #deepest = 0;

  saw(level: number): void {
    this.#deepest = Math.max(this.#deepest, level);
  }

  /** Whether a call of this level may take a place, with so many taken. */
  mayTake(level: number, taken: number, places: { readonly placesMax: number }): boolean {
    if (level >= this.#deepest) return true;
    const below = Math.min(this.#deepest, places.placesMax - 1) - level;
    return below <= 0 || places.placesMax - taken > below;
  }
}
