import { delay, type Timer } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import type { Address } from '../../model/connection.ts';
import type { MessageSource as Settings } from '../../model/message-source.ts';
import type { Source, SourceContext, SourceStatus } from '../../ports/source.ts';
import { describeBrokerFailure, isAway } from './broker-failure.ts';
import { type BrokerMessage, toEvent } from './broker-message.ts';

/*
 * Messages of brokers. Each trigger has a connection of its own, made anew for ever when it breaks. A message is stored
 * as an event first, and only then acknowledged to its broker; whatever happens before, the broker gives it again. Where
 * the broker names its messages for good, one that comes again is the same event, stored once.
 *
 * A message that cannot be stored breaks the connection: the broker keeps what is not acknowledged, of which there is at
 * most `prefetch`, and so holds back by itself until storing works again. What a message holds never stops the stream.
 *
 * The brokers' clients are loaded when the first trigger of their kind opens: most platforms have none.
 *
 * A message can say how many events led to it (`DEPTH_HEADER`). One whose chain is too long is not stored: it is refused
 * where the broker knows that, and the log says so.
 *
 * Deliberately absent: making queues, exchanges and topics (they belong to whoever runs the broker).
 */

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 30_000;
/** The same while nothing answers at the address: trying costs no broker anything, and is the only way to see one come back. */
const AWAY_MAX_MS = 5_000;
/** A connection that held for so long was a good one: the next begins with the shortest pause again. */
const GOOD_MS = 10_000;
/** How often the address is looked at for a change, and the broker asked for what waits. */
export const LOOK_MS = 10_000;

/** Reads until the connection breaks, which it throws, or until the signal, when it returns. Must leave nothing open. */
export type ReadBroker<S extends Settings> = (link: BrokerLink<S>) => Promise<void>;

export interface BrokerLink<S extends Settings> {
  readonly context: SourceContext;
  readonly settings: S;
  readonly address: Address;
  /** For what the broker keeps of the trigger: `lambent-app-trigger`. */
  readonly name: string;
  /** The trigger's last stored place at the broker. */
  readonly position: string | undefined;
  readonly signal: AbortSignal;
  /** Messages come from now on. */
  connected(): void;
  /** What the broker has still to give, where it tells. */
  waiting(messages: number): void;
  /** Durable when it resolves; tells of each whether it was stored as a whole, and not without its body or not at all. */
  store(messages: readonly BrokerMessage[]): Promise<readonly boolean[]>;
  /**
   * The same, tried again for as long as storing fails: for a broker that counts how often it gives a message, or has
   * other readers, whom a broken connection disturbs. Rejects only when the link ends before it has stored.
   */
  storeAtLast(messages: readonly BrokerMessage[]): Promise<readonly boolean[]>;
  /** The place without a message. Durable when it resolves. */
  moveTo(place: string): Promise<void>;
}

export class BrokerSource<S extends Settings> implements Source {
  readonly #context: SourceContext;
  readonly #settings: S;
  readonly #read: ReadBroker<S>;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #position: string | undefined;
  #pauseMs = BACKOFF_FIRST_MS;
  #wasAway = false;
  #trouble: string | undefined = 'The first connection to the broker is being made.';
  #waiting: number | undefined;

  constructor(context: SourceContext, settings: S, read: ReadBroker<S>) {
    this.#context = context;
    this.#settings = settings;
    this.#read = read;
    this.#position = context.position;
    this.#ended = this.#run();
  }

  status(): SourceStatus {
    return { nextMs: undefined, trouble: this.#trouble, lagMessages: this.#waiting };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { clock } = this.#context;
    const { signal } = this.#closing;
    const closed = whenAborted(signal);
    while (!signal.aborted) {
      let address: Address | undefined;
      const startedMs = clock.monotonicMs();
      try {
        address = await this.#context.address(this.#settings.connection);
        await this.#connect(address);
      } catch (error) {
        if (signal.aborted) return;
        this.#tell(error, address?.url);
        this.#waiting = undefined;
        const away = isAway(error, address?.url);
        // One that answers again may only be starting.
        const isBack = this.#wasAway && !away;
        this.#wasAway = away;
        if (isBack || clock.monotonicMs() - startedMs > GOOD_MS) this.#pauseMs = BACKOFF_FIRST_MS;
        await this.#pause(closed, away ? AWAY_MAX_MS : BACKOFF_MAX_MS);
      }
    }
  }

  async #pause(closed: Promise<void>, mostMs = BACKOFF_MAX_MS): Promise<void> {
    const { clock, random } = this.#context;
    const ms = Math.min(this.#pauseMs, mostMs) * (0.5 + random.fraction() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, mostMs);
    await Promise.race([delay(clock, ms), closed]);
  }

  #tell(error: unknown, url: string | undefined): void {
    const { log, id } = this.#context;
    const trouble = describeBrokerFailure(error, url);
    if (trouble !== this.#trouble)
      log.error('messages cannot be read; trying again', { trigger: id, error: trouble });
    this.#trouble = trouble;
  }

  #tellGood(): void {
    const { log, id } = this.#context;
    if (this.#trouble !== undefined) log.info('messages are read', { trigger: id });
    this.#trouble = undefined;
  }

  async #connect(address: Address): Promise<void> {
    const context = this.#context;
    const { label, url } = address;
    if (!URL.canParse(url))
      throw new LambentError(
        'E_BROKER_SETUP',
        `The value of ${label} is not an address such as scheme://host:port.`,
      );
    const [changed, ended] = [new AbortController(), new AbortController()];
    const timer = this.#watch(address, changed);
    const signal = AbortSignal.any([this.#closing.signal, changed.signal]);
    const link = AbortSignal.any([signal, ended.signal]);
    try {
      await this.#read({
        ...{ context, settings: this.#settings, address, position: this.#position, signal },
        name: `lambent-${context.id.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`,
        connected: () => this.#tellGood(),
        waiting: (messages) => {
          this.#waiting = messages;
        },
        store: (messages) => this.#store(messages, url),
        storeAtLast: (messages) => this.#storeAtLast(messages, url, link),
        moveTo: async (place) => {
          await context.publish([], place);
          this.#position = place;
        },
      });
    } finally {
      timer.cancel();
      ended.abort();
    }
  }

  /** A secret may get another value: then the connection is made anew. */
  #watch(address: Address, changed: AbortController): Timer {
    const before = JSON.stringify(address);
    return this.#context.clock.every(LOOK_MS, () => {
      void this.#context.address(this.#settings.connection).then(
        (now) => {
          if (JSON.stringify(now) !== before) changed.abort();
        },
        () => changed.abort(),
      );
    });
  }

  async #storeAtLast(
    messages: readonly BrokerMessage[],
    url: string,
    link: AbortSignal,
  ): Promise<readonly boolean[]> {
    let ended: Promise<void> | undefined;
    while (true) {
      try {
        const isWhole = await this.#store(messages, url);
        this.#tellGood();
        return isWhole;
      } catch (error) {
        this.#tell(error, url);
        ended ??= whenAborted(link);
        await this.#pause(ended);
        if (link.aborted) throw error;
      }
    }
  }

  async #store(messages: readonly BrokerMessage[], url: string): Promise<boolean[]> {
    const { clock, random, log, id } = this.#context;
    const source = sourceOf(url, id);
    const made = messages.map((message) => {
      const freshId = message.id === undefined ? Buffer.from(random.bytes(16)).toString('hex') : '';
      return toEvent(message, { source, nowMs: clock.nowMs(), freshId });
    });
    for (const { event, isWhole } of made)
      if (!isWhole)
        log.error('a message is larger than an event may be; its event has no data', {
          ...{ trigger: id, event: event.id, bytes: event.messagebytes },
        });
    const isStored = await this.#publish(
      made.map(({ event }) => event),
      messages,
    );
    // What breaks before anything is stored breaks again at once: pauses grow until storing works.
    this.#pauseMs = BACKOFF_FIRST_MS;
    return made.map(({ isWhole }, at) => isWhole && isStored[at]!);
  }

  /** Those of one depth together. Tells of each whether it was stored. */
  async #publish(events: readonly CloudEvent[], messages: readonly BrokerMessage[]): Promise<boolean[]> {
    const { log, id } = this.#context;
    const isStored: boolean[] = [];
    while (isStored.length < events.length) {
      const first = isStored.length;
      const { depth } = messages[first]!;
      let end = first + 1;
      while (end < events.length && messages[end]!.depth === depth) end += 1;
      const place = messages[end - 1]!.place;
      const run = events.slice(first, end);
      let stored = true;
      try {
        await this.#context.publish(run, place, depth);
      } catch (error) {
        if (!(error instanceof LambentError) || error.code !== 'E_EVENT_LOOP') throw error;
        stored = false;
        log.error('messages that events led to in a circle are not told', {
          ...{ trigger: id, messages: run.length, first: run[0]!.id, error: error.message },
        });
        if (place !== undefined) await this.#context.publish([], place);
      }
      if (place !== undefined) this.#position = place;
      isStored.push(...run.map(() => stored));
    }
    return isStored;
  }
}

/** `redis://host:6379/0#app/trigger`: two triggers, and two brokers, never share an event. */
function sourceOf(url: string, trigger: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}#${trigger}`;
}

/** What reads and stores until the link's signal. */
interface Reader {
  run(): Promise<void>;
  /** Resolves when what was last received is stored and acknowledged. */
  readonly taken: Promise<void>;
}

/** Reads until the signal, or until the connection is lost, which rejects `lost`. */
export async function readUntilAborted(
  signal: AbortSignal,
  lost: Promise<never>,
  reader: Reader,
): Promise<void> {
  await Promise.race([reader.run(), lost, whenAborted(signal)]);
  // What is being stored is acknowledged too, so that the next start need not read it again.
  await Promise.race([reader.taken, lost]);
}

/** The connection; `undefined`: it is not wanted any more, and is closed once it is there. */
export async function unlessAborted<C extends { close(): unknown }>(
  signal: AbortSignal,
  connecting: Promise<C>,
): Promise<C | undefined> {
  const connection = await Promise.race([connecting, whenAborted(signal)]);
  if (connection !== undefined) return connection;
  void connecting.then((late) => late.close()).catch(() => {});
  return undefined;
}

export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
