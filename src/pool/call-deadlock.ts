import type { InvocationId } from '../base/ids.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';

/** What is to be known of a version's places to see whether one of them can become free. */
export interface PlacesTaken {
  /** Every place is taken that there may ever be. */
  readonly isFull: boolean;
  /** Calls that wait for one of them. */
  readonly waiters: Iterable<LeaseWaiter>;
  /** The invocations that have them. */
  readonly holders: Iterable<InvocationId>;
}

/**
 * The versions of which no place becomes free any more: all are full, and whoever has a place of one of them waits for a
 * call that waits for a place of one of them. Such a circle needs no function that is wrong: enough calls at once of one
 * that calls itself take every place before any of them has made its own call.
 */
export function deadlocked<Places extends PlacesTaken>(all: Iterable<Places>): ReadonlySet<Places> {
  const locked = new Set<Places>();
  for (const places of all) if (places.isFull) locked.add(places);
  for (let before = -1; before !== locked.size; ) {
    before = locked.size;
    const blocked = blockedBy(locked);
    for (const places of locked)
      if (![...places.holders].every((holder) => blocked.has(holder))) locked.delete(places);
  }
  return locked;
}

function blockedBy(all: Iterable<PlacesTaken>): Set<InvocationId> {
  const blocked = new Set<InvocationId>();
  for (const { waiters } of all)
    for (const { waiting = [] } of waiters) for (const { invocation } of waiting) blocked.add(invocation);
  return blocked;
}
