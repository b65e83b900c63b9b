import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { KafkaSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { checkNamed } from './check-broker.ts';
import { type BytesConsumer, findTopic, kafkaOptions } from './kafka-client.ts';
import { closeKafka, loadKafka } from './kafka-connections.ts';

export async function* checkKafka(
  address: Address,
  sources: readonly TriggerSource[],
  clock: Clock,
): AsyncGenerator<ConnectionCheck, void, undefined> {
  const { Consumer } = await loadKafka();
  const connect = (groupId: string): BytesConsumer =>
    new Consumer({ ...kafkaOptions(address, 'lambent-test'), groupId });
  const client = connect('lambent-test');
  try {
    const { brokers } = await client.metadata({ topics: [] });
    const count = `${brokers.size} ${brokers.size === 1 ? 'broker' : 'brokers'}`;
    yield { name: 'login', ok: true, text: `Kafka lets in. The cluster has ${count}.` };
    // The others of the cluster are reached at the addresses that they say themselves.
    await client.connectToBrokers();
    yield { name: 'brokers', ok: true, text: 'Each is reached at the address that it advertises.' };
  } finally {
    await closeKafka(clock, client, client.close());
  }
  for (const source of sources)
    if (source.kind === 'kafka')
      yield await checkNamed(`topic ${source.topic}`, address, async () => {
        const member = connect(source.group ?? 'lambent-test');
        try {
          return await lookAt(member, source);
        } finally {
          await closeKafka(clock, member, member.close());
        }
      });
}

/** What a group needs to begin, and one fetch that waits for nothing: neither changes where a group is. */
async function lookAt(client: BytesConsumer, { topic, group }: KafkaSource): Promise<string> {
  const { partitions } = await findTopic(client, topic);
  const last = await client.listOffsets({ topics: [topic] });
  // The default group is the trigger's own, of which only its kind is known here.
  if (group !== undefined) await client.listCommittedOffsets({ topics: [{ topic, partitions: [0] }] });
  const { topics } = await client.metadata({ topics: [topic] });
  const { id, partitions: places } = topics.get(topic)!;
  const start = { partition: 0, fetchOffset: last.get(topic)![0]!, partitionMaxBytes: 1 };
  await client.fetch({
    ...{ node: places[0]!.leader, maxWaitTime: 0, minBytes: 0 },
    topics: [{ topicId: id, partitions: [{ ...start, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }] }],
  });
  return `It can be read. It has ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}.`;
}
