import type { Clock } from '../base/clock.ts';
import type { MintUuid, NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { createEventControl } from '../events/control.ts';
import { createDispatch } from '../events/dispatch.ts';
import { createEventRetention, type EventsKept } from '../events/retention.ts';
import { SourceHost } from '../events/source-host.ts';
import { createSourcePlans } from '../events/source-plans.ts';
import type { EventBus, StoredNow } from '../ports/event-bus.ts';
import type { EventControl } from '../ports/event-control.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { ExecutionStarter } from '../ports/execution-starter.ts';
import type { Invoker } from '../ports/invoker.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { SourceFactory } from '../ports/source.ts';
import type { SourcePlans } from '../ports/source-plans.ts';
import type { StartMeter } from '../ports/traffic.ts';
import type { WebhookSender } from '../ports/webhook-sender.ts';
import type { TriggerSupply } from '../ports/trigger-supply.ts';

export interface EventPartsOptions {
  readonly store: EventStore;
  readonly invoker: Invoker;
  readonly liveApps: LiveApps;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly node: NodeId;
  readonly mintUuid: MintUuid;
  readonly starter: ExecutionStarter;
  readonly starts: StartMeter;
  readonly webhooks: WebhookSender;
  readonly supply: TriggerSupply;
  readonly factories: readonly SourceFactory[];
  readonly kept: EventsKept | undefined;
  /** Hears of events once they are stored. */
  readonly onStored?: (events: readonly StoredNow[]) => void;
}

/** Everything about events that runs. */
export interface EventParts {
  readonly bus: EventBus;
  readonly control: EventControl;
  readonly plans: SourcePlans;
  /** By trigger, what its source's server holds that is not stored here yet, in bytes. */
  sourceLags(): { trigger: string; bytes: number }[];
  /** Stops the sources first, then delivery; waits for what runs. */
  close(): Promise<void>;
}

export async function createEventParts(options: EventPartsOptions): Promise<EventParts> {
  const { store, liveApps, secrets, clock, random, log, factories } = options;
  const dispatch = await createDispatch(options);
  const sources = new SourceHost({ dispatch, store, liveApps, secrets, factories, clock, random, log });
  const plans = createSourcePlans({ dispatch, store, factories });
  const retention = createEventRetention(store, clock, log, options.kept);
  return {
    bus: dispatch,
    control: createEventControl({ dispatch, store, sources, plans, clock }),
    plans,
    sourceLags: () => sources.lags(),
    async close() {
      await sources.close();
      await retention.close();
      await dispatch.close();
    },
  };
}
