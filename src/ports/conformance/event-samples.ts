import type { NodeId } from '../../base/ids.ts';
import { EVERYBODY } from '../../model/event-scope.ts';
import type { InvocationError } from '../../model/invocation.ts';
import type { TriggerId } from '../../model/trigger.ts';
import type {
  Append,
  ClaimedDelivery,
  EventStore,
  NewDelivery,
  NewEvent,
  PruneLimits,
  Session,
} from '../event-store.ts';

/* Events, deliveries and steps that the exercises of `EventStore` share. */

export const startMs = 1_800_000_000_000;
export const nodeA = '01a3d0b2-0000-7000-8000-00000000000a' as NodeId;
export const nodeB = '01a3d0b2-0000-7000-8000-00000000000b' as NodeId;
export const mail = 'shop/mail' as TriggerId;
export const bill = 'shop/bill' as TriggerId;
export const failure: InvocationError = {
  code: 'E_FUNCTION_ERROR',
  errorType: 'TypeError',
  errorMessage: 'nope',
  stackTrace: ['at home (index.js:1:1)'],
};

export function delivery(trigger: number, more: Partial<NewDelivery> = {}): NewDelivery {
  return {
    trigger,
    claimed: false,
    parked: false,
    dueMs: startMs,
    ordering: undefined,
    once: undefined,
    ...more,
  };
}

export function event(
  place: number,
  deliveries: readonly NewDelivery[] = [],
  more: Partial<NewEvent> = {},
): NewEvent {
  return {
    scope: EVERYBODY,
    source: '/shop',
    id: `e${place}`,
    type: place % 2 === 0 ? 'even' : 'odd',
    subject: place === 0 ? undefined : `s${place}`,
    receivedMs: startMs + place,
    depth: 0,
    event: Buffer.from(JSON.stringify({ id: `e${place}`, data: 'grüße' })),
    deliveries,
    ...more,
  };
}

export function append(session: Session, events: readonly NewEvent[], more: Partial<Append> = {}): Append {
  return { session, nowMs: startMs, events, positions: [], ...more };
}

/** A session with two triggers. */
export async function begin(
  store: EventStore,
): Promise<{ session: Session; mailKey: number; billKey: number }> {
  const { session } = await store.openSession(nodeA);
  const [first, second] = await store.registerTriggers([mail, bill]);
  return { session, mailKey: first!.key, billKey: second!.key };
}

export const idsOf = (claimed: readonly ClaimedDelivery[]): string[] => claimed.map(({ id }) => id);
export const laterMs = startMs + 1_000_000;

export async function pruneAll(store: EventStore, limits: Partial<PruneLimits>): Promise<number> {
  let removed = 0;
  for (let step = 0; step < 100; step += 1) {
    const outcome = await store.prune({
      ...{ beforeMs: 0, bytesMax: Number.MAX_SAFE_INTEGER, deadBeforeMs: 0, deadMax: 100, nowMs: startMs },
      limit: 2,
      ...limits,
    });
    removed += outcome.removed;
    if (!outcome.more) return removed;
  }
  throw new Error('pruning does not end');
}
