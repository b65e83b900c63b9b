import { compilePattern, type EventPattern } from '../model/event-pattern.ts';
import { EVERYBODY, type EventScope, scopeOfApp, scopeOfBus } from '../model/event-scope.ts';
import type { AppName } from '../model/function.ts';
import type { SealedEvent } from '../model/sealed-event.ts';
import { type BusSource, type Trigger, type TriggerId, triggerIdOf } from '../model/trigger.ts';
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
  /** The pattern names exact types and nothing else. */
  readonly isDecidedByType: boolean;
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

type PatternView = () => Readonly<Record<string, unknown>>;
/** What each app shares, by the scope of its events. */
type Shares = ReadonlyMap<EventScope, readonly { readonly bus: string; readonly pattern: EventPattern }[]>;

/** Of two deployments that share the traffic, the newer one's count. */
export function listShares(liveApps: LiveApps): Shares {
  return new Map(
    liveApps.snapshot().map(({ live, deployments }) => [
      scopeOfApp(live.app),
      (deployments.at(-1)?.shares ?? []).map(({ bus, pattern }) => ({
        bus,
        pattern: compilePattern(pattern),
      })),
    ]),
  );
}

/** The live triggers, and which of them an event is for. */
export class TriggerTable {
  readonly #byId = new Map<TriggerId, LiveTrigger>();
  /** Those whose pattern names the types it takes, by type: what an event is not for costs it nothing … */
  #byType = new Map<string, LiveTrigger[]>();
  /** … and those whose pattern does not. */
  #ofAnyType: readonly LiveTrigger[] = [];
  /** A deployment changes many triggers at once: they are listed anew with the next event. */
  #isListed = false;
  #shares: Shares = new Map();

  /** What apps share, in place of what they did. */
  share(shares: Shares): void {
    this.#shares = shares;
  }

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
    const isDecidedByType =
      pattern !== undefined &&
      exactTypesOf(pattern.source) !== undefined &&
      Object.keys(pattern.source).length === 1;
    this.#byId.set(id, { id, app, trigger, pattern, isDecidedByType, queue });
    this.#isListed = false;
  }

  remove(id: TriggerId): void {
    this.#byId.delete(id);
    this.#isListed = false;
  }

  /**
   * Those that may hear it and whose pattern matches, and `origin`, whose source the event comes from.
   * `E_EVENT_INVALID`.
   */
  match(
    event: SealedEvent,
    scope: EventScope,
    receivedMs: number,
    origin: TriggerId | undefined,
  ): readonly LiveTrigger[] {
    const own = origin === undefined ? undefined : this.#byId.get(origin);
    if (!this.#isListed) this.#list();
    const ofType = this.#byType.get(event.type);
    // A source's event that is for nobody else, which most are.
    if (ofType === undefined && this.#ofAnyType.length === 0) return own === undefined ? [] : [own];
    // Made for the first pattern that needs it: most look at the type alone, or at nothing.
    let view: Readonly<Record<string, unknown>> | undefined;
    const viewOf: PatternView = () => (view ??= toPatternView(event.parsed, receivedMs));
    const isFor = (live: LiveTrigger): boolean =>
      live !== own &&
      this.#hears(live, scope, viewOf) &&
      (live.isDecidedByType || live.pattern!.matches(viewOf()));
    // Mostly it is one, and a list that grows takes memory for seventeen.
    if (own === undefined && ofType?.length === 1 && this.#ofAnyType.length === 0)
      return isFor(ofType[0]!) ? [ofType[0]!] : [];
    const others = [...(ofType ?? []), ...this.#ofAnyType].filter(isFor);
    return own === undefined ? others : [own, ...others];
  }

  #hears({ app, trigger }: LiveTrigger, scope: EventScope, viewOf: PatternView): boolean {
    const bus = (trigger.source as BusSource).bus;
    if (bus === undefined) return scope === EVERYBODY || scope === scopeOfApp(app);
    if (scope === scopeOfBus(bus)) return true;
    const shares = this.#shares.get(scope) ?? [];
    return shares.some((share) => share.bus === bus && share.pattern.matches(viewOf()));
  }

  #list(): void {
    this.#isListed = true;
    this.#byType = new Map();
    const ofAnyType: LiveTrigger[] = [];
    for (const live of this.#byId.values()) {
      if (live.pattern === undefined) continue;
      const types = exactTypesOf(live.pattern.source);
      if (types === undefined) ofAnyType.push(live);
      for (const type of types ?? []) {
        const present = this.#byType.get(type);
        if (present === undefined) this.#byType.set(type, [live]);
        else present.push(live);
      }
    }
    this.#ofAnyType = ofAnyType;
  }
}

/** The types that a pattern takes, where it lists them; `undefined`: it has to be tried. */
function exactTypesOf(pattern: Readonly<Record<string, unknown>>): ReadonlySet<string> | undefined {
  const { type } = pattern;
  const isList = Array.isArray(type) && type.every((each) => typeof each === 'string');
  return isList ? new Set(type as string[]) : undefined;
}
