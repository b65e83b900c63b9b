import type { Clock } from '../src/base/clock.ts';
import { createLog } from '../src/base/log.ts';
import { systemRandom } from '../src/base/random.ts';
import type { CloudEvent } from '../src/model/cloud-event.ts';
import { type ConnectionKind, connectionByUrl } from '../src/model/connection.ts';
import { DELIVERY_DEFAULTS, type Trigger, type TriggerId } from '../src/model/trigger.ts';
import type { Published } from '../src/ports/event-bus.ts';
import type { Source, SourceContext, SourceFactory } from '../src/ports/source.ts';
import { sealEvent } from '../src/model/sealed-event.ts';

/** What an event tells of a row. */
export interface RowData {
  readonly action: string;
  readonly key: Record<string, unknown>;
  readonly new?: Record<string, unknown>;
}

/** The table as somebody has it who was told all of this, in this order. */
export function replay(told: readonly RowData[]): Map<string, unknown> {
  const table = new Map<string, unknown>();
  for (const { action, key, new: next } of told)
    if (action === 'delete') table.delete(JSON.stringify(key));
    else table.set(JSON.stringify(key), next);
  return table;
}

/** The log of events as a source of changed rows sees it, in a test that says when storing comes to an end, and how. */
export class SourceLog {
  readonly #factory: SourceFactory;
  readonly #clock: Clock;
  readonly #url: () => string;
  /** What the trigger's source says beside its kind and its connection. */
  settings: Readonly<Record<string, unknown>>;
  readonly stored: CloudEvent[] = [];
  /** Ids of all that was to be stored, in their order. */
  readonly attempted = new Set<string>();
  position: string | undefined;
  /** What was logged. */
  text = '';
  source: Source | undefined;
  /** What storing waits for, and fails by, where there are events. */
  beforeStore: (events: readonly CloudEvent[]) => Promise<void> = async () => {};

  constructor(
    factory: SourceFactory,
    clock: Clock,
    url: () => string,
    settings: Readonly<Record<string, unknown>>,
  ) {
    this.#factory = factory;
    this.#clock = clock;
    this.#url = url;
    this.settings = settings;
  }

  /** Opens the source where it had got to. */
  open(): Source {
    const { kind } = this.#factory;
    this.source = this.#factory.open({
      ...{ id: 'shop/rows' as TriggerId, app: 'shop' as never, position: this.position, clock: this.#clock },
      ...{ random: systemRandom, secret: async () => undefined, isBusy: async () => false },
      log: createLog((line) => {
        this.text += line;
      }, this.#clock),
      alert: async () => {},
      address: async () => ({ label: 'DB', url: this.#url(), tls: undefined }),
      trigger: {
        source: { kind, connection: connectionByUrl(kind as ConnectionKind, 'DB'), ...this.settings },
        delivery: DELIVERY_DEFAULTS,
      } as unknown as Trigger,
      publish: (events, next) =>
        this.#publish(
          events.map((each) => sealEvent(each).parsed),
          next,
        ),
    } satisfies SourceContext);
    return this.source;
  }

  async #publish(events: readonly CloudEvent[], next: string | undefined): Promise<Published[]> {
    for (const { id } of events) this.attempted.add(id);
    if (events.length > 0) await this.beforeStore(events);
    this.stored.push(...events);
    this.position = next ?? this.position;
    return [];
  }
}
