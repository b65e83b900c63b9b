import type { Message, MessagesStream } from '@platformatic/kafka';
import type { KafkaSource } from '../../model/message-source.ts';
import { type BrokerMessage, DEPTH_HEADER, findHeader, parseDepth, textOf } from './broker-message.ts';
import { type BrokerLink, LOOK_MS, readUntilAborted, unlessAborted } from './broker-source.ts';
import { answered, type BytesConsumer, findTopic, kafkaOptions } from './kafka-client.ts';
import { closeKafka, loadKafka } from './kafka-connections.ts';
import { formatOffsets, type Offsets, parseOffsets } from './kafka-offsets.ts';
import { EARLIEST, startingOffsets } from './kafka-start.ts';

/*
 * A topic of Kafka, by a consumer group. Offsets are committed after storing. Topic, partition and offset name a message,
 * so that one that is read twice is one event; the key is what its order is kept by.
 *
 * Everything that was received is stored, also when its partition has gone to another member meanwhile: what is
 * committed then is true all the same, and at most that member reads some of it again. While storing fails, nothing
 * more is fetched, and membership is kept up.
 *
 * In a group of the trigger's own the member has a name (group.instance.id), so that after a crash it takes its own place
 * again at once. In a group that others share, a member that crashed is missed after SESSION_SHARED_MS.
 */

const SESSION_OWN_MS = 30_000;
const SESSION_SHARED_MS = 10_000;
const HEARTBEAT_MS = 3_000;
/** How long one fetch waits for messages. */
const FETCH_WAIT_MS = 5_000;
/** What one broker gives at a time, and bodies that are stored at a time, unless one alone has more. */
const FETCH_BYTES_MAX = 8 * 1024 * 1024;

/** How members may share partitions: the first is what Kafka's own consumer takes unless it is told otherwise. */
const PROTOCOLS = ['range', 'roundrobin'].map((name) => ({ name, version: 1 }));

type Raw = Message<Buffer, Buffer, Buffer, Buffer>;

export async function readKafka(link: BrokerLink<KafkaSource>): Promise<void> {
  const { signal } = link;
  const member = await unlessAborted(signal, openMember(link));
  if (member === undefined) return;
  try {
    const reader = new TopicReader(link, member);
    await readUntilAborted(signal, Promise.race([member.lost, reader.lost]), reader);
  } finally {
    await member.close();
  }
}

/** A member of the group, which has its partitions. */
interface Member {
  readonly consumer: BytesConsumer;
  /** Topic and cluster: what a position of it begins with. */
  readonly place: string;
  readonly partitions: number;
  /** Rejects when it is no longer one. */
  readonly lost: Promise<never>;
  close(): Promise<void>;
}

async function openMember(link: BrokerLink<KafkaSource>): Promise<Member> {
  const { settings, address, name, context } = link;
  const { Consumer } = await loadKafka();
  const isOwn = settings.group === undefined;
  const sessionTimeout = isOwn ? SESSION_OWN_MS : SESSION_SHARED_MS;
  const consumer: BytesConsumer = new Consumer({
    ...kafkaOptions(address, name),
    ...{ groupId: settings.group ?? name, autocommit: false },
    ...{
      sessionTimeout,
      rebalanceTimeout: sessionTimeout,
      heartbeatInterval: HEARTBEAT_MS,
      protocols: PROTOCOLS,
    },
    ...(isOwn ? { groupInstanceId: name } : {}),
  });
  const close = (): Promise<void> => closeKafka(context.clock, consumer, consumer.close(true));
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  consumer.on('error', lose);
  consumer.on('consumer:heartbeat:stalled', ({ lastError }) =>
    lose(lastError ?? new Error('timeout: the coordinator of the group does not answer')),
  );
  try {
    const topic = await answered(context.clock, findTopic(consumer, settings.topic));
    consumer.topics.track(settings.topic);
    const memberId = await answered(context.clock, consumer.joinGroup({}));
    // The client takes a lost place again by itself. Two that do so would take it from each other for ever.
    consumer.on('consumer:group:join', (joined) => {
      if (joined.memberId !== memberId)
        lose(new Error(`fenced: another reader has this trigger’s place in the group ${consumer.groupId}`));
    });
    return { consumer, place: topic.place, partitions: topic.partitions, lost, close };
  } catch (error) {
    await close();
    throw error;
  }
}

class TopicReader {
  readonly #link: BrokerLink<KafkaSource>;
  readonly #member: Member;
  readonly #lost = Promise.withResolvers<never>();
  /** What positions of a topic of this name begin with … */
  readonly #names: string;
  /** … and those of this very one: it may be made anew. */
  readonly #places: string;
  /** Of each partition the offset behind what is stored. */
  readonly #next: Map<number, bigint>;
  /** Of each partition the offset behind what was received, while it is ours. */
  readonly #expected = new Map<number, bigint>();
  #taken: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  constructor(link: BrokerLink<KafkaSource>, member: Member) {
    this.#link = link;
    this.#member = member;
    this.#lost.promise.catch(() => {});
    const { host } = new URL(link.address.url);
    this.#names = `${host}/${link.settings.topic}@`;
    this.#places = `${host}/${member.place}/`;
    this.#next = parseOffsets(link.position, this.#places) ?? new Map();
  }

  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /** Resolves when what was last received is stored and committed; rejects when that failed. */
  get taken(): Promise<void> {
    return this.#taken;
  }

  /** Until the link's signal, or until the topic has other partitions, which takes joining anew. */
  async run(): Promise<void> {
    const { signal, context } = this.#link;
    await this.#start();
    const stream = await this.#open();
    let isOther = false;
    const look = async (): Promise<void> => {
      await this.#look();
      const { partitions } = await this.#ask(findTopic(this.#member.consumer, this.#link.settings.topic));
      isOther = partitions !== this.#member.partitions;
      if (isOther) this.#wake();
    };
    const timer = context.clock.every(LOOK_MS, () => void look().catch(this.#lost.reject));
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    this.#link.connected();
    try {
      await this.#look();
      while (!signal.aborted && !isOther) {
        const messages = this.#take(stream);
        if (messages.length === 0)
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        else {
          this.#taken = this.#storeAndCommit(messages);
          await this.#taken;
        }
      }
    } finally {
      timer.cancel();
    }
  }

  /** Says where the group begins in partitions that it has not read, or of which what it would read is gone. */
  async #start(): Promise<void> {
    const link = this.#link;
    const { consumer } = this.#member;
    const { topic } = link.settings;
    const assigned = consumer.assignments?.find((each) => each.topic === topic)?.partitions ?? [];
    // A member that has a name is given what it had, also where there are more partitions now.
    if (link.settings.group === undefined && assigned.length < this.#member.partitions)
      throw new Error(
        `the group has ${assigned.length} of ${this.#member.partitions} partitions; joining anew`,
      );
    const { starts, gone } = await this.#ask(
      startingOffsets({
        ...{ consumer, topic, assigned, partitions: this.#member.partitions },
        ...{ stored: this.#next, from: link.settings.from },
        isKnown: link.position?.startsWith(this.#names) === true,
      }),
    );
    for (const { partition, messages } of gone) this.#tellGone(partition, messages);
    if (starts.size === 0) return;
    await this.#commit(starts);
    for (const [partition, offset] of starts) this.#next.set(partition, offset);
    await link.moveTo(this.#places + formatOffsets(this.#next));
  }

  async #open(): Promise<MessagesStream<Buffer, Buffer, Buffer, Buffer>> {
    const { MessagesStreamFallbackModes, MessagesStreamModes } = await loadKafka();
    const { topic, prefetch } = this.#link.settings;
    const stream = await this.#ask(
      this.#member.consumer.consume({
        ...{ topics: [topic], autocommit: false, highWaterMark: prefetch, maxWaitTime: FETCH_WAIT_MS },
        ...{ maxBytes: FETCH_BYTES_MAX, maxBytesPerPartition: FETCH_BYTES_MAX },
        // What `#start` has not settled is a partition that came later, or one whose next message is gone.
        ...{ mode: MessagesStreamModes.COMMITTED, fallbackMode: MessagesStreamFallbackModes.EARLIEST },
      }),
    );
    // Others may have read on meanwhile in what is ours now.
    this.#member.consumer.on('consumer:group:join', () => this.#expected.clear());
    stream.on('error', this.#lost.reject);
    stream.on('close', () => this.#lost.reject(new Error('the broker closed the connection')));
    stream.on('readable', () => this.#wake());
    return stream;
  }

  #take(stream: MessagesStream<Buffer, Buffer, Buffer, Buffer>): Raw[] {
    const messages: Raw[] = [];
    for (let bytes = 0; messages.length < this.#link.settings.prefetch && bytes < FETCH_BYTES_MAX; ) {
      const message = stream.read() as Raw | null;
      if (message === null) break;
      messages.push(message);
      bytes += message.value?.byteLength ?? 0;
    }
    return messages;
  }

  /** Transactions and compaction leave gaps as well; it is a loss where the topic begins behind the gap now. */
  async #missGone(raw: readonly Raw[]): Promise<void> {
    const gaps = raw.flatMap(({ partition, offset }) => {
      const expected = this.#expected.get(partition) ?? offset;
      this.#expected.set(partition, offset + 1n);
      return offset > expected ? [{ partition, expected }] : [];
    });
    if (gaps.length === 0) return;
    const { topic } = this.#link.settings;
    const first = await this.#ask(
      this.#member.consumer.listOffsets({ topics: [topic], timestamp: EARLIEST }),
    );
    for (const { partition, expected } of gaps) {
      const earliest = first.get(topic)?.[partition] ?? 0n;
      if (earliest > expected) this.#tellGone(partition, earliest - expected);
    }
  }

  #tellGone(partition: number, messages: bigint): void {
    const { context, settings } = this.#link;
    context.log.error('Kafka deleted messages before they were read: its retention is too short', {
      ...{ trigger: context.id, topic: settings.topic, partition, messages: messages.toString() },
    });
  }

  async #storeAndCommit(raw: readonly Raw[]): Promise<void> {
    await this.#missGone(raw);
    const ends: Map<number, bigint> = new Map();
    for (const { partition, offset } of raw) ends.set(partition, offset + 1n);
    const next = new Map([...this.#next, ...ends]);
    const messages = raw.map((message) => toMessage(message, this.#member.place));
    // The position is that of all partitions; one for each batch is enough.
    const last = { ...messages.pop()!, place: this.#places + formatOffsets(next) };
    await this.#link.storeAtLast([...messages, last]);
    for (const [partition, offset] of ends) this.#next.set(partition, offset);
    await this.#commit(ends);
  }

  async #commit(offsets: Offsets): Promise<void> {
    const { topic } = this.#link.settings;
    await this.#ask(
      this.#member.consumer.commit({
        offsets: [...offsets].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: -1 })),
      }),
    );
  }

  #ask<T>(asked: Promise<T>): Promise<T> {
    return answered(this.#link.context.clock, asked);
  }

  async #look(): Promise<void> {
    const lags = await this.#ask(this.#member.consumer.getLag({ topics: [this.#link.settings.topic] }));
    // Of partitions of other members it is negative.
    const ours = [...lags.values()].flat().filter((lag) => lag > 0n);
    this.#link.waiting(Number(ours.reduce((sum, lag) => sum + lag, 0n)));
  }
}

function toMessage(
  { topic, partition, offset, timestamp, key, value, ...raw }: Raw,
  place: string,
): BrokerMessage {
  const headers: Record<string, string> = {};
  for (const [name, given] of raw.headerEntries) {
    const [header, text] = [
      textOrBase64(name),
      given === undefined || given === null ? '' : textOrBase64(given),
    ];
    headers[header] = Object.hasOwn(headers, header) ? `${headers[header]}, ${text}` : text;
  }
  return {
    ...{ id: `${place}/${partition}/${offset}`, subject: topic, timeMs: Number(timestamp), headers },
    ...{ contentType: findHeader(headers, 'content-type'), body: value ?? Buffer.alloc(0) },
    ...(key === undefined || key === null ? {} : { key: textOrBase64(key) }),
    ...{ depth: parseDepth(findHeader(headers, DEPTH_HEADER)), place: undefined },
  };
}

function textOrBase64(bytes: Buffer): string {
  return textOf(bytes) ?? bytes.toString('base64');
}
