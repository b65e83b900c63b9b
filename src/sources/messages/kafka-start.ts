import type { MessageStart } from '../../model/message-source.ts';
import type { BytesConsumer } from './kafka-client.ts';
import type { Offsets } from './kafka-offsets.ts';

/** In the words of the protocol's ListOffsets. */
const LATEST = -1n;
export const EARLIEST = -2n;

export interface StartOptions {
  readonly consumer: BytesConsumer;
  readonly topic: string;
  /** Partitions that are ours. */
  readonly assigned: readonly number[];
  /** How many the topic has. */
  readonly partitions: number;
  /** Behind what is stored. */
  readonly stored: Offsets;
  /** The topic was read before. */
  readonly isKnown: boolean;
  readonly from: MessageStart;
}

export interface Start {
  /** Where to begin, for partitions of which the group does not know. */
  readonly starts: Offsets;
  /** Messages that were never read and are no more. */
  readonly gone: readonly { readonly partition: number; readonly messages: bigint }[];
}

/**
 * Where the group goes on, that counts. Where it knows nothing (it is new, or was deleted, or its offsets have expired), what
 * is stored counts; and where that is nothing either, the first start is as the trigger has it, and a partition that came
 * later is read from its beginning.
 */
export async function startingOffsets(options: StartOptions): Promise<Start> {
  const { consumer, topic, assigned, partitions, stored, isKnown, from } = options;
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const [first, committed] = await Promise.all([
    consumer.listOffsets({ topics: [topic], timestamp: EARLIEST }),
    consumer.listCommittedOffsets({ topics: [{ topic, partitions: all }] }),
  ]);
  const known = new Map(
    (committed.get(topic) ?? []).flatMap((offset, at) => (offset >= 0n ? [[at, offset]] : [])),
  );
  const isFirst = !isKnown && known.size === 0;
  const last =
    isFirst && from === 'new'
      ? await consumer.listOffsets({ topics: [topic], timestamp: LATEST })
      : undefined;
  const starts = new Map<number, bigint>();
  const gone: { partition: number; messages: bigint }[] = [];
  for (const partition of assigned) {
    const earliest = first.get(topic)?.[partition] ?? 0n;
    const next = known.get(partition) ?? stored.get(partition) ?? last?.get(topic)?.[partition] ?? earliest;
    if (next < earliest) gone.push({ partition, messages: earliest - next });
    if (next < earliest || !known.has(partition)) starts.set(partition, next < earliest ? earliest : next);
  }
  return { starts, gone };
}
