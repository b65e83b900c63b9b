import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { encodeCloudEvent, parseCloudEvent } from '../model/cloud-event.ts';
import { readSealedEvent } from '../model/sealed-event.ts';
import type { TriggerId } from '../model/trigger.ts';
import type {
  DeadSelection,
  EventControl,
  ReplayRequest,
  ReplayResult,
  TriggerView,
} from '../ports/event-control.ts';
import type { EventPage, EventStore, ReplayItem, StoredText, TriggerTotals } from '../ports/event-store.ts';
import type { SourcePlans } from '../ports/source-plans.ts';
import type { EventDispatch } from './dispatch.ts';
import { textAt } from './event-view.ts';
import type { SourceHost } from './source-host.ts';
import type { LiveTrigger } from './trigger-table.ts';

/** Events read, or dead letters moved, in one step. */
const STEP = 500;
/** Steps of one part of a replay, found or not. */
const PART_STEPS_MAX = 20;

interface ControlOptions {
  readonly dispatch: EventDispatch;
  readonly store: EventStore;
  readonly sources: SourceHost;
  readonly plans: SourcePlans;
  readonly clock: Clock;
}

/** What people do with triggers, stored events and dead letters. */
export function createEventControl(options: ControlOptions): EventControl {
  const { dispatch, store, sources, plans } = options;
  const mustFind = (id: TriggerId): LiveTrigger => {
    const live = dispatch.find(id);
    if (live !== undefined) return live;
    throw new LambentError('E_NOT_FOUND', `There is no live trigger ${id}.`, {
      hint: '`lambent triggers` lists them.',
    });
  };
  return {
    async listTriggers() {
      const totals = new Map((await store.triggerTotals()).map((each) => [each.id, each]));
      const left = await plans.left();
      const ids = new Set([
        ...left.keys(),
        ...dispatch.triggers().map(({ id }) => id),
        ...[...totals.values()].filter(({ owed, dead }) => owed + dead > 0).map(({ id }) => id),
      ]);
      return Promise.all([...ids].toSorted().map((id) => toView(options, id, totals.get(id), left.get(id))));
    },
    async findTrigger(id) {
      const totals = (await store.triggerTotals()).find((each) => each.id === id);
      if (dispatch.find(id) !== undefined) return toView(options, id, totals);
      const left = (await plans.left()).get(id);
      const isThere = left !== undefined || (totals?.owed ?? 0) + (totals?.dead ?? 0) > 0;
      return isThere ? toView(options, id, totals, left) : undefined;
    },
    async setPaused(id, paused) {
      mustFind(id);
      await dispatch.setPaused(id, paused);
    },
    async runNow(id) {
      mustFind(id);
      const source = sources.find(id);
      if (source?.runNow === undefined)
        throw new LambentError(
          'E_BAD_REQUEST',
          `The trigger ${id} is no schedule; only those run without an event.`,
          {
            hint: 'Send it an event, or replay one.',
          },
        );
      await source.runNow();
    },
    replay: (request) =>
      replay(options, request, request.trigger === undefined ? undefined : mustFind(request.trigger)),
    redrive: (which) => redrive(options, which),
    async removeDead(which) {
      let removed = 0;
      for await (const keys of selections(store, which)) removed += await store.removeDead(keys);
      return removed;
    },
    async editDead(key, event) {
      const text = encodeCloudEvent(parseCloudEvent(event));
      if (!(await store.editDead(key, text)))
        throw new LambentError('E_NOT_FOUND', `There is no dead letter ${key}.`);
    },
  };
}

async function toView(
  { dispatch, store, sources, plans }: ControlOptions,
  id: TriggerId,
  totals: TriggerTotals | undefined,
  left: TriggerView['left'] = [],
): Promise<TriggerView> {
  const live = dispatch.find(id);
  const status = sources.find(id)?.status();
  return {
    id,
    live: live === undefined ? undefined : { app: live.app, trigger: live.trigger },
    paused: totals?.paused ?? false,
    owed: totals?.owed ?? 0,
    delivered: totals?.delivered ?? 0,
    failed: live?.queue.failed ?? 0,
    dead: totals?.dead ?? 0,
    oldestMs: earlierOf(totals?.oldestMs, live?.queue.oldestMs),
    running: live?.queue.running ?? 0,
    position: status === undefined ? undefined : await store.findPosition(id),
    nextMs: status?.nextMs,
    trouble: status?.trouble,
    lagBytes: status?.lagBytes,
    lagMessages: status?.lagMessages,
    plan: live === undefined ? undefined : await plans.find(id, live.trigger),
    left,
  };
}

function earlierOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}

async function replay(
  { dispatch, store, clock }: ControlOptions,
  { filter, dryRun = false, after: from = 0, limit }: ReplayRequest,
  only: LiveTrigger | undefined,
): Promise<ReplayResult> {
  let [events, deliveries] = [0, 0];
  // What is stored from now on is delivered anyway, and must not keep a replay from ending.
  const until = {
    ...filter,
    untilMs: Math.min(filter.untilMs ?? Number.MAX_SAFE_INTEGER, clock.nowMs() + 1),
  };
  let after: number | undefined = from;
  for (let steps = 0; after !== undefined; steps += 1) {
    if (limit !== undefined && (events >= limit || steps >= PART_STEPS_MAX)) break;
    const page: EventPage<StoredText> = await store.readEvents(
      until,
      Math.min(STEP, (limit ?? Number.MAX_SAFE_INTEGER) - events),
      after,
    );
    const items = page.items.flatMap(({ seq, scope, event }): ReplayItem[] => {
      const sealed = readSealedEvent(event);
      const recipients = only === undefined ? dispatch.match(sealed, scope) : [only];
      return recipients.map(({ queue, trigger }) => {
        const { key } = trigger.delivery;
        return { seq, trigger: queue.key, ordering: key === undefined ? undefined : textAt(sealed, key) };
      });
    });
    events += page.items.length;
    if (dryRun) deliveries += items.length;
    else if (items.length > 0) {
      deliveries += await store.replay(items, clock.nowMs());
      for (const { id } of dispatch.triggers()) dispatch.wake(id);
    }
    after = page.next;
  }
  return { events, deliveries, next: after };
}

async function redrive({ dispatch, store, clock }: ControlOptions, which: DeadSelection): Promise<number> {
  let count = 0;
  for await (const keys of selections(store, which)) count += await store.redriveDead(keys, clock.nowMs());
  for (const { id } of dispatch.triggers()) dispatch.wake(id);
  return count;
}

/** Keys of the chosen dead letters, some at a time. Those that die anew meanwhile have higher keys and are not met. */
async function* selections(store: EventStore, which: DeadSelection): AsyncGenerator<readonly number[]> {
  if (which.kind === 'keys') {
    yield which.keys;
    return;
  }
  const { trigger } = which;
  let most = (await store.totals()).dead;
  for (let after = 0; most > 0; ) {
    const page = await store.listDead({ after, ...(trigger === undefined ? {} : { trigger }) }, STEP);
    if (page.length === 0) return;
    after = page.at(-1)!.key;
    most -= page.length;
    yield page.map(({ key }) => key);
  }
}
