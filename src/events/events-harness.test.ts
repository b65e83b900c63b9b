import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { createUuidMinter, type NodeId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { createSeededRandom, type Random } from '../base/random.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import type { Deployment } from '../model/deployment.ts';
import type { AppName, FunctionName, FunctionVersion } from '../model/function.ts';
import {
  DELIVERY_DEFAULTS,
  type DeliveryPolicy,
  type Trigger,
  type TriggerId,
  type TriggerName,
  type TriggerSource,
} from '../model/trigger.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { EventCall, EventOutcome, Invoker } from '../ports/invoker.ts';
import type { LiveAppEntry, LiveApps } from '../ports/live-apps.ts';
import type { WebhookSender } from '../ports/webhook-sender.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { createDispatch, type EventDispatch } from './dispatch.ts';

/** What a test's function says to a call. */
export type Answer = (events: readonly CloudEvent[], call: EventCall) => unknown;

export class FunctionFailed extends Error {}

export const app = 'shop' as AppName;
export const mail = 'shop/mail' as TriggerId;

export function trigger(
  name: string,
  delivery: Partial<DeliveryPolicy> = {},
  source: TriggerSource = { kind: 'events', pattern: { source: ['/shop'] }, format: 'cloudevent' },
): Trigger {
  return {
    name: name as TriggerName,
    function: name as FunctionName,
    source,
    delivery: { ...DELIVERY_DEFAULTS, retryFirstMs: 10, retryMaxMs: 100, ...delivery },
  };
}

export function cloudEvent(id: string, more: Partial<CloudEvent> = {}): CloudEvent {
  return { specversion: '1.0', id, source: '/shop', type: 'order', data: { id }, ...more };
}

/** A deployment that a test can change; everything real but the functions, which answer as the test says. */
export class TestApps implements LiveApps {
  triggers: readonly Trigger[] = [];
  /** Functions that are not live. */
  readonly gone = new Set<string>();
  readonly #listeners = new Set<Parameters<LiveApps['subscribe']>[0]>();

  resolve(_app: AppName, name: FunctionName) {
    const version = { name, config: {} } as FunctionVersion;
    return this.gone.has(name) ? undefined : { version, deployment: 1 };
  }
  snapshot(): readonly LiveAppEntry[] {
    const { triggers } = this;
    const deployment = { app, triggers } as unknown as Deployment;
    return [{ live: { app, generation: 1, traffic: [] }, deployments: [deployment] }];
  }
  find(): LiveAppEntry | undefined {
    return this.snapshot()[0];
  }
  async preview(): Promise<undefined> {
    return undefined;
  }
  subscribe(listener: Parameters<LiveApps['subscribe']>[0]): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  deploy(triggers: readonly Trigger[]): void {
    this.triggers = triggers;
    for (const listener of this.#listeners) listener(app, this.find());
  }
}

export interface World {
  readonly clock: ManualClock;
  readonly apps: TestApps;
  readonly store: Store;
  readonly dispatch: EventDispatch;
  /** Ids of events in the order in which calls began, one list a call. */
  readonly calls: string[][];
  /** Leaves everything as a killed platform would, and starts another. */
  crash(): Promise<World>;
  /** Moves the clock, faster than the machine's, until it holds. */
  until(holds: () => boolean | Promise<boolean>, what: string): Promise<void>;
  close(): Promise<void>;
}

/** How long the store's threads may take for what a test waits for. */
const UNTIL_MS = 20_000;
/** How much faster the test's clock runs than the machine's, so that what the store takes is not hours there. */
const SPEED = 50;

interface Shared {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly random: Random;
  readonly apps: TestApps;
  readonly calls: string[][];
  readonly answer: Answer;
  readonly receiver: WebhookSender['send'];
  /** The first platform dies there; those after it do not. */
  readonly kill: Kill | undefined;
}

/** A moment at which a platform dies: just before or just after a call of the store took effect. */
export interface Kill {
  readonly side: 'before' | 'after';
  readonly call: 'append' | 'settle';
  /** Told when the moment has come. */
  onReached(): void;
}

/** The store as a platform sees it that dies then: the call, and all after it, have no end. */
function dyingAt({ side, call, onReached }: Kill, store: EventStore): EventStore {
  let isReached = false;
  const never = (): Promise<never> => new Promise(() => {});
  return new Proxy(store, {
    get(target, name: keyof EventStore) {
      const real = target[name] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        if (isReached) return never();
        if (name !== call) return real(...args);
        isReached = true;
        if (side === 'after') await real(...args);
        onReached();
        return never();
      };
    },
  });
}

/** Answers of functions, as the invoker hands them on. */
function scriptedInvoker({ calls, answer }: Shared, isDead: () => boolean): Invoker {
  return {
    http: () => assert.fail('no HTTP here'),
    async invoke(call: EventCall): Promise<EventOutcome> {
      // A platform that was killed calls nobody and hears of nothing any more.
      if (isDead()) await new Promise(() => {});
      const given = JSON.parse(Buffer.from(call.payload).toString()) as CloudEvent & {
        events?: CloudEvent[];
      };
      const events = given.events ?? [given];
      calls.push(events.map(({ id }) => id));
      try {
        const payload = Buffer.from(JSON.stringify((await answer(events, call)) ?? null));
        if (isDead()) await new Promise(() => {});
        return { status: 'ok', payload, billedMs: 1 };
      } catch (thrown) {
        if (isDead()) await new Promise(() => {});
        const code = 'E_FUNCTION_ERROR' as const;
        const error = { code, errorType: 'Error', errorMessage: String(thrown), stackTrace: [] };
        return { status: 'failed', error, retryable: thrown instanceof FunctionFailed, billedMs: 1 };
      }
    },
  };
}

async function begin(shared: Shared): Promise<World> {
  const { folder, clock, random, apps, calls } = shared;
  const store = await openStore({ folder, clock, log: silentLog });
  const mintUuid = createUuidMinter(clock as Clock, random);
  let isDead = false;
  const dispatch = await createDispatch({
    store: shared.kill === undefined ? store.events : dyingAt(shared.kill, store.events),
    invoker: scriptedInvoker(shared, () => isDead),
    liveApps: apps,
    clock,
    random,
    log: silentLog,
    node: mintUuid() as NodeId,
    mintUuid,
    starter: { start: async () => {} },
    starts: { started() {} },
    webhooks: { send: (webhook) => shared.receiver(webhook) },
    supply: { list: () => [], subscribe: () => () => {} },
  });
  return {
    clock,
    apps,
    store,
    dispatch,
    calls,
    async crash() {
      isDead = true;
      await store.close();
      return begin({ ...shared, kill: undefined });
    },
    async until(holds, what) {
      const endMs = systemClock.monotonicMs() + UNTIL_MS;
      for (let lastMs = systemClock.monotonicMs(); lastMs < endMs; ) {
        if (await holds()) return;
        const nowMs = systemClock.monotonicMs();
        clock.advance(Math.ceil((nowMs - lastMs) * SPEED));
        lastMs = nowMs;
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.fail(`never: ${what}; calls ${JSON.stringify(calls).slice(0, 500)}`);
    },
    async close() {
      await dispatch.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function startWorld(
  triggers: readonly Trigger[],
  answer: Answer = () => null,
  seed = 1,
  receiver: WebhookSender['send'] = async () => ({ kind: 'taken' }),
  kill?: Kill,
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-events-'));
  const apps = new TestApps();
  apps.triggers = triggers;
  return begin({
    folder,
    clock: new ManualClock(),
    random: createSeededRandom(seed),
    apps,
    calls: [],
    answer,
    receiver,
    kill,
  });
}

/** Nothing is owed any more. */
export async function isIdle({ store }: World): Promise<boolean> {
  return (await store.events.totals()).owed === 0;
}
