import type { RedisSource } from '../../model/message-source.ts';
import { type BrokerMessage, DEPTH_HEADER, parseDepth, textOf } from './broker-message.ts';
import { type BrokerLink, LOOK_MS, readUntilAborted, unlessAborted } from './broker-source.ts';
import { connectRedis, type Reply, type Send } from './redis-client.ts';

/*
 * A stream of Redis, by a consumer group. XACK comes after storing; what was received and not acknowledged when the
 * platform ended is in the group's list of pending entries under our consumer's name, and is read first at the next
 * start. What other consumers of the group left lying is claimed after CLAIM_IDLE_MS. A stream's ids are for good, so an
 * entry that is read twice is one event.
 */

const CONSUMER = 'lambent';
/** How long one XREADGROUP waits for entries. */
const BLOCK_MS = 5_000;
/** An entry that another consumer has held for so long is taken over. */
const CLAIM_IDLE_MS = 60_000;

/** A deleted entry that was pending has no fields. */
interface Entry {
  readonly id: string;
  readonly fields: readonly Buffer[] | undefined;
}

export async function readRedisStream(link: BrokerLink<RedisSource>): Promise<void> {
  const connection = await unlessAborted(link.signal, connectRedis(link.address, link.name));
  if (connection === undefined) return;
  try {
    await readUntilAborted(link.signal, connection.lost, new GroupReader(link, connection.send));
  } finally {
    connection.close();
  }
}

class GroupReader {
  readonly #link: BrokerLink<RedisSource>;
  readonly #send: Send;
  readonly #group: string;
  /** What a position of this stream begins with: another stream's is none of its. */
  readonly #places: string;
  #taken: Promise<void> = Promise.resolve();

  constructor(link: BrokerLink<RedisSource>, send: Send) {
    this.#link = link;
    this.#send = send;
    this.#group = link.settings.group ?? link.name;
    const { host, pathname } = new URL(link.address.url);
    this.#places = `${host}${pathname}/${link.settings.stream}/`;
  }

  /** Resolves when what was last received is stored and acknowledged; rejects when that failed. */
  get taken(): Promise<void> {
    return this.#taken;
  }

  async run(): Promise<void> {
    const { clock } = this.#link.context;
    await this.#ensureGroup();
    this.#link.connected();
    await this.#readPending();
    let lookedMs = Number.NEGATIVE_INFINITY;
    while (!this.#link.signal.aborted) {
      if (clock.monotonicMs() - lookedMs >= LOOK_MS) {
        lookedMs = clock.monotonicMs();
        await this.#claimStale();
        await this.#look();
      }
      await this.#take(await this.#readGroup('>', ['BLOCK', String(BLOCK_MS)]));
    }
  }

  /** Where the group is gone, with the stream or without, it begins again behind what is stored. */
  async #ensureGroup(): Promise<void> {
    const { settings, position } = this.#link;
    const known = position?.startsWith(this.#places) ? position.slice(this.#places.length) : undefined;
    const first = known ?? (settings.from === 'all' ? '0' : '$');
    try {
      await this.#send('XGROUP', 'CREATE', settings.stream, this.#group, first, 'MKSTREAM');
    } catch (error) {
      if (!String(error).includes('BUSYGROUP')) throw error;
    }
  }

  async #readPending(): Promise<void> {
    for (let after = '0'; ; ) {
      const entries = await this.#readGroup(after, []);
      if (entries.length === 0) return;
      await this.#take(entries);
      after = entries.at(-1)!.id;
    }
  }

  async #claimStale(): Promise<void> {
    const { stream, prefetch } = this.#link.settings;
    for (let cursor = '0-0'; ; ) {
      const args = [stream, this.#group, CONSUMER, String(CLAIM_IDLE_MS), cursor, 'COUNT', String(prefetch)];
      const [next, entries] = (await this.#send('XAUTOCLAIM', ...args)) as [Buffer, Reply];
      await this.#take(parseEntries(entries));
      cursor = next.toString();
      if (cursor === '0-0') return;
    }
  }

  async #readGroup(id: string, more: readonly string[]): Promise<Entry[]> {
    const { stream, prefetch } = this.#link.settings;
    const count = ['COUNT', String(prefetch), ...more];
    const reply = await this.#send(
      'XREADGROUP',
      'GROUP',
      this.#group,
      CONSUMER,
      ...count,
      'STREAMS',
      stream,
      id,
    );
    if (reply === null) return [];
    const [[, entries]] = reply as unknown as [[Buffer, Reply]];
    return parseEntries(entries);
  }

  #take(entries: readonly Entry[]): Promise<void> {
    this.#taken = this.#storeAndAcknowledge(entries);
    return this.#taken;
  }

  async #storeAndAcknowledge(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const { stream } = this.#link.settings;
    const messages = entries.flatMap(({ id, fields }) =>
      fields === undefined ? [] : [toMessage(stream, id, fields, this.#places + id)],
    );
    if (messages.length > 0) await this.#link.store(messages);
    await this.#send('XACK', stream, this.#group, ...entries.map(({ id }) => id));
  }

  /** `lag` is there from Redis 7 on, and only while nobody deleted entries in between. */
  async #look(): Promise<void> {
    const groups = (await this.#send('XINFO', 'GROUPS', this.#link.settings.stream)) as readonly Reply[][];
    for (const facts of groups) {
      const value = (name: string): Reply | undefined =>
        facts[facts.findIndex((each) => String(each) === name) + 1];
      const lag = value('lag');
      if (String(value('name')) === this.#group && typeof lag === 'number') this.#link.waiting(lag);
    }
  }
}

function parseEntries(reply: Reply): Entry[] {
  return (reply as readonly (readonly [Buffer, readonly Buffer[] | null] | null)[]).flatMap((entry) =>
    entry === null ? [] : [{ id: entry[0].toString(), fields: entry[1] ?? undefined }],
  );
}

/** The fields as an object of texts; a value that is no text is `{"base64": …}`. */
function toMessage(stream: string, id: string, fields: readonly Buffer[], place: string): BrokerMessage {
  const pairs: [string, unknown][] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const value = fields[at + 1]!;
    pairs.push([fields[at]!.toString(), textOf(value) ?? { base64: value.toString('base64') }]);
  }
  const fieldsOf = Object.fromEntries(pairs);
  const depth = fieldsOf[DEPTH_HEADER];
  return {
    id: `${stream}/${id}`,
    subject: stream,
    timeMs: Number(id.split('-')[0]),
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(fieldsOf)),
    headers: {},
    depth: parseDepth(typeof depth === 'string' ? depth : undefined),
    place,
  };
}
