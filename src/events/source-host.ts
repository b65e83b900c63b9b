import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { resolveAddress } from '../model/connection.ts';
import { scopeOfApp } from '../model/event-scope.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { Source, SourceFactory } from '../ports/source.ts';
import type { EventDispatch } from './dispatch.ts';
import type { LiveTrigger } from './trigger-table.ts';

export interface SourceHostOptions {
  readonly dispatch: EventDispatch;
  readonly store: EventStore;
  readonly liveApps: LiveApps;
  readonly secrets: Secrets;
  readonly factories: readonly SourceFactory[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Open {
  /** What it was opened with, as text: with anything else it is opened anew. */
  readonly settings: string;
  readonly source: Source;
}

/** Keeps one source open for each live trigger whose kind has one. */
export class SourceHost {
  readonly #options: SourceHostOptions;
  readonly #open = new Map<TriggerId, Open>();
  #adapting: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: SourceHostOptions) {
    this.#options = options;
    options.dispatch.onChange(() => this.#adaptSoon());
    this.#adaptSoon();
  }

  find(id: TriggerId): Source | undefined {
    return this.#open.get(id)?.source;
  }

  /** What each open source's server holds that is not stored here yet, in bytes, where it says so. */
  lags(): { trigger: TriggerId; bytes: number }[] {
    return [...this.#open].flatMap(([trigger, { source }]) => {
      const bytes = source.status().lagBytes;
      return bytes === undefined ? [] : [{ trigger, bytes }];
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#adapting;
    await Promise.all([...this.#open.values()].map(({ source }) => source.close()));
  }

  #adaptSoon(): void {
    this.#adapting = this.#adapting.then(() => this.#adapt());
  }

  async #adapt(): Promise<void> {
    if (this.#isClosed) return;
    const { dispatch, factories, log } = this.#options;
    const wanted = new Map(dispatch.triggers().map((live) => [live.id, live]));
    for (const [id, { settings, source }] of [...this.#open]) {
      const live = wanted.get(id);
      if (live !== undefined && settingsOf(live) === settings) continue;
      this.#open.delete(id);
      if (live === undefined && source.remove !== undefined) await source.remove();
      else await source.close();
    }
    for (const [id, live] of wanted) {
      const factory = factories.find(({ kind }) => kind === live.trigger.source.kind);
      if (factory === undefined || this.#open.has(id) || this.#isClosed) continue;
      try {
        this.#open.set(id, { settings: settingsOf(live), source: await this.#start(factory, live) });
      } catch (error) {
        log.error('a source could not be opened', { trigger: id, error: String(error) });
      }
    }
  }

  async #start(factory: SourceFactory, { id, app, trigger }: LiveTrigger): Promise<Source> {
    const { dispatch, store, liveApps, secrets, clock, random, log } = this.#options;
    const position = await store.findPosition(id);
    const lookUp = (name: string): string | undefined =>
      secrets.valueOf(app, name) ?? liveApps.resolve(app, trigger.function)?.version.config.env[name];
    return factory.open({
      ...{ id, app, trigger, position, clock, random, log },
      publish: (events, next, depth) =>
        dispatch.publish(events, { scope: scopeOfApp(app), origin: { trigger: id, position: next }, depth }),
      async alert(type, data) {
        const event = {
          ...({ specversion: '1.0', type, source: `/lambent/triggers/${id}`, data } as const),
          ...{ id: Buffer.from(random.bytes(16)).toString('hex'), datacontenttype: 'application/json' },
          time: new Date(clock.nowMs()).toISOString(),
        };
        await dispatch.publish([event], { scope: scopeOfApp(app) });
      },
      secret: async (name) => lookUp(name),
      address: async (connection) => resolveAddress(connection, lookUp),
      async isBusy() {
        const [totals] = await store.registerTriggers([id]);
        return totals!.owed > 0;
      },
    });
  }
}

function settingsOf({ trigger }: LiveTrigger): string {
  return JSON.stringify([trigger.source, trigger.function]);
}
