import type { CloudEvent } from '../model/cloud-event.ts';
import { compilePattern, type EventPattern } from '../model/event-pattern.ts';
import type { AppName } from '../model/function.ts';
import { type Trigger, type TriggerId, triggerIdOf } from '../model/trigger.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { TriggerSupply } from '../ports/trigger-supply.ts';
import { toPatternView } from './event-view.ts';
import type { TriggerQueue } from './trigger-queue.ts';

/** A trigger of a live deployment. */
export interface LiveTrigger {
  readonly id: TriggerId;
  readonly app: AppName;
  readonly trigger: Trigger;
  /** Only where it takes events of the bus. */
  readonly pattern: EventPattern | undefined;
  readonly queue: TriggerQueue;
}

/** What is to be live now, by id. Of two deployments that share the traffic, the newer one's settings count. */
export function listTriggers(
  liveApps: LiveApps,
  supply: TriggerSupply,
): Map<TriggerId, { readonly app: AppName; readonly trigger: Trigger }> {
  const found = new Map<TriggerId, { app: AppName; trigger: Trigger }>();
  for (const { live, deployments } of liveApps.snapshot())
    for (const { triggers } of deployments)
      for (const trigger of triggers)
        found.set(triggerIdOf(live.app, trigger.name), { app: live.app, trigger });
  for (const { app, trigger } of supply.list()) found.set(triggerIdOf(app, trigger.name), { app, trigger });
  return found;
}

/** The live triggers, and which of them an event is for. */
export class TriggerTable {
  readonly #byId = new Map<TriggerId, LiveTrigger>();
  /** Those with a pattern, apart: most triggers of a large node may have none. */
  #matching: readonly LiveTrigger[] = [];

  get(id: TriggerId): LiveTrigger | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<LiveTrigger> {
    return this.#byId.values();
  }

  put(id: TriggerId, app: AppName, trigger: Trigger, queue: TriggerQueue): void {
    const before = this.#byId.get(id);
    const { source } = trigger;
    const isSame = before?.trigger.source === source;
    const pattern =
      source.kind !== 'events' ? undefined : isSame ? before!.pattern : compilePattern(source.pattern);
    this.#byId.set(id, { id, app, trigger, pattern, queue });
    this.#list();
  }

  remove(id: TriggerId): void {
    this.#byId.delete(id);
    this.#list();
  }

  /** Those whose pattern matches, and `origin`, whose source the event comes from. `E_EVENT_INVALID`. */
  match(event: CloudEvent, receivedMs: number, origin: TriggerId | undefined): LiveTrigger[] {
    const found: LiveTrigger[] = [];
    const own = origin === undefined ? undefined : this.#byId.get(origin);
    if (own !== undefined) found.push(own);
    if (this.#matching.length === 0) return found;
    const view = toPatternView(event, receivedMs);
    for (const live of this.#matching) if (live !== own && live.pattern!.matches(view)) found.push(live);
    return found;
  }

  #list(): void {
    this.#matching = [...this.#byId.values()].filter(({ pattern }) => pattern !== undefined);
  }
}
