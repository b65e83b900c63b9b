import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { resolveAddress } from '../model/connection.ts';
import { scopeOfApp } from '../model/event-scope.ts';
import type { AppName } from '../model/function.ts';
import { type TriggerId, triggerIdOf } from '../model/trigger.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { GoneTrigger, Source, SourceContext, SourceFactory } from '../ports/source.ts';
import type { EventDispatch } from './dispatch.ts';
import { openOwned } from './owned-source.ts';
import { restingSource, SourceFaults } from './source-faults.ts';
import type { LiveTrigger } from './trigger-table.ts';

/** How often it is looked for what triggers left that are gone. */
const SWEEP_MS = 600_000;
/** An event of the app: a source failed (`E_SOURCE_FAILED`). */
const FAILED_TYPE = 'lambent.source.failed';
/** Positions that are read at a time. */
const PAGE = 500;

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
  readonly kind: SourceFactory['kind'];
  /** What it was opened with, as text: with anything else it is opened anew. */
  readonly settings: string;
  readonly source: Source;
}

/**
 * Keeps one source open for each live trigger whose kind has one. What a trigger made outside is dropped as it goes; where
 * the platform was killed before that, or the service was away, it is dropped at the next start, or a while later.
 */
export class SourceHost {
  readonly #options: SourceHostOptions;
  readonly #open = new Map<TriggerId, Open>();
  readonly #sweeper: Timer;
  readonly #faults: SourceFaults;
  #adapting: Promise<void> = Promise.resolve();
  #sweeping: Promise<void>;
  #isClosed = false;

  constructor(options: SourceHostOptions) {
    this.#options = options;
    this.#faults = new SourceFaults(options.clock);
    options.dispatch.onChange(() => this.#adaptSoon());
    this.#adaptSoon();
    this.#sweeping = this.#sweep();
    this.#sweeper = options.clock.every(SWEEP_MS, () => {
      this.#sweeping = this.#sweeping.then(() => this.#sweep());
    });
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
    this.#sweeper.cancel();
    await this.#sweeping;
    await this.#adapting;
    await Promise.all([...this.#open.values()].map(({ source }) => source.close()));
  }

  #adaptSoon(): void {
    void this.#inTurn(() => this.#adapt());
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    this.#adapting = this.#adapting.then(act);
    return this.#adapting;
  }

  /** One after another between the changes of triggers, so that a deploy waits for one place that is away at most. */
  async #sweep(): Promise<void> {
    try {
      for (let after = ''; !this.#isClosed; ) {
        const page = await this.#options.store.listPositions(after, PAGE);
        for (const { source, position } of page)
          if (this.#makerGone(source, position) !== undefined)
            await this.#inTurn(() => this.#clearUp(source));
        if (page.length < PAGE) return;
        after = page.at(-1)!.source;
      }
    } catch (error) {
      this.#options.log.error('it could not be looked for what triggers left', { error: String(error) });
    }
  }

  #makerOf(position: string): SourceFactory | undefined {
    return this.#options.factories.find(({ leftovers }) => leftovers?.areIn(position) === true);
  }

  /** Whose things a position tells of, if no live trigger of that kind and name has them. */
  #makerGone(id: TriggerId, position: string): SourceFactory | undefined {
    const { dispatch, liveApps } = this.#options;
    const maker = this.#makerOf(position);
    if (maker === undefined) return undefined;
    const isLive = liveApps
      .snapshot()
      .some(({ live: { app }, deployments }) =>
        deployments.some(({ triggers }) =>
          triggers.some(({ name, source }) => triggerIdOf(app, name) === id && source.kind === maker.kind),
        ),
      );
    // Dispatch may not have heard of a deployment yet, nor the sources of dispatch: nothing is dropped on a doubt.
    const kinds = [dispatch.find(id)?.trigger.source.kind, this.#open.get(id)?.kind];
    return isLive || kinds.includes(maker.kind) ? undefined : maker;
  }

  /** Between the sight of it and now it may have been deployed again, or cleared up. */
  async #clearUp(id: TriggerId): Promise<void> {
    try {
      const position = await this.#options.store.findPosition(id);
      if (this.#isClosed || position === undefined) return;
      const app = id.split('/', 1)[0] as AppName;
      await this.#makerGone(id, position)?.leftovers?.clear(this.#goneTrigger(id, app, position));
    } catch (error) {
      this.#options.log.error('what a trigger left could not be dropped', {
        trigger: id,
        error: String(error),
      });
    }
  }

  async #adapt(): Promise<void> {
    if (this.#isClosed) return;
    const { dispatch, factories, log } = this.#options;
    const wanted = new Map(dispatch.triggers().map((live) => [live.id, live]));
    for (const [id, { kind, settings, source }] of [...this.#open]) {
      const live = wanted.get(id);
      if (live !== undefined && settingsOf(live) === settings) continue;
      this.#open.delete(id);
      const isGone = live === undefined || kind !== live.trigger.source.kind;
      if (isGone && source.remove !== undefined) await source.remove();
      else await source.close();
    }
    for (const [id, live] of wanted) {
      const factory = factories.find(({ kind }) => kind === live.trigger.source.kind);
      if (factory === undefined || this.#open.has(id) || this.#isClosed) continue;
      try {
        const source = await this.#start(factory, live);
        this.#open.set(id, { kind: factory.kind, settings: settingsOf(live), source });
      } catch (error) {
        log.error('a source could not be opened', { trigger: id, error: String(error) });
      }
    }
  }

  async #start(factory: SourceFactory, { id, app, trigger }: LiveTrigger): Promise<Source> {
    const { dispatch, store, liveApps, clock, random, log } = this.#options;
    const found = await store.findPosition(id);
    const maker = found === undefined ? undefined : this.#makerOf(found);
    const isOthers = maker !== undefined && maker !== factory;
    // Under its name there was a trigger of another kind.
    if (isOthers) await maker.leftovers!.clear(this.#goneTrigger(id, app, found!));
    const envOf = (name: string): string | undefined =>
      liveApps.resolve(app, trigger.function)?.version.config.env[name];
    const { secret, address } = this.#values(app, envOf);
    const context: SourceContext = {
      ...{ id, app, trigger, clock, random, log, secret, address },
      position: isOthers ? undefined : found,
      publish: this.#publisher(id, app),
      async alert(type, data) {
        const event = {
          ...({ specversion: '1.0', type, source: `/lambent/triggers/${id}`, data } as const),
          ...{ id: Buffer.from(random.bytes(16)).toString('hex'), datacontenttype: 'application/json' },
          time: new Date(clock.nowMs()).toISOString(),
        };
        await dispatch.publish([event], { scope: scopeOfApp(app) });
      },
      async isBusy() {
        const [totals] = await store.registerTriggers([id]);
        return totals!.owed > 0;
      },
    };
    const source = openOwned(factory, context, (thrown) => {
      void this.#inTurn(() => this.#rest(source, context, thrown));
    });
    return source;
  }

  /** Closes a source whose client failed. In its place nothing reads for a while; then it is opened anew. */
  async #rest(source: Source, { id, alert }: SourceContext, thrown: unknown): Promise<void> {
    const { log } = this.#options;
    const { message, stack } = thrown instanceof Error ? thrown : new Error(String(thrown));
    const facts = { code: 'E_SOURCE_FAILED', trigger: id, error: message };
    log.error('a source failed and is opened anew', { ...facts, stack });
    const pauseMs = await this.#faults.close(id, source);
    const open = this.#open.get(id);
    if (open?.source !== source || this.#isClosed) return;
    const resting = restingSource(
      `Its client failed (E_SOURCE_FAILED): ${message}`,
      pauseMs,
      this.#options.clock,
      () => {
        if (this.#open.get(id)?.source !== resting) return;
        this.#open.delete(id);
        this.#adaptSoon();
      },
    );
    this.#open.set(id, { ...open, source: resting });
    await alert(FAILED_TYPE, { trigger: id, code: 'E_SOURCE_FAILED', error: message }).catch((error) => {
      log.error('an event about a source could not be stored', { trigger: id, error: String(error) });
    });
  }

  /** Which function it was for is not known any more: a variable counts where all functions of the app agree on it. */
  #goneTrigger(id: TriggerId, app: AppName, position: string): GoneTrigger {
    const { liveApps, clock, log } = this.#options;
    const envOf = (name: string): string | undefined => {
      const functions = (liveApps.find(app)?.deployments ?? []).flatMap((each) => each.functions);
      const values = new Set(functions.flatMap(({ config }) => config.env[name] ?? []));
      return values.size === 1 ? [...values][0] : undefined;
    };
    const { address } = this.#values(app, envOf);
    return { id, position, clock, log, address, publish: this.#publisher(id, app) };
  }

  #publisher(id: TriggerId, app: AppName): SourceContext['publish'] {
    const scope = scopeOfApp(app);
    return (events, position, depth) =>
      this.#options.dispatch.publish(events, { scope, origin: { trigger: id, position }, depth });
  }

  #values(
    app: AppName,
    envOf: (name: string) => string | undefined,
  ): Pick<SourceContext, 'secret' | 'address'> {
    const lookUp = (name: string): string | undefined =>
      this.#options.secrets.valueOf(app, name) ?? envOf(name);
    return {
      secret: async (name) => lookUp(name),
      address: async (connection) => resolveAddress(connection, lookUp),
    };
  }
}

function settingsOf({ trigger }: LiveTrigger): string {
  return JSON.stringify([trigger.source, trigger.function]);
}
