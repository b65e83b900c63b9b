import type { Address } from '../../model/connection.ts';
import type { KafkaSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { type BytesConsumer, findTopic, kafkaOptions } from './kafka-client.ts';

export async function checkKafka(
  address: Address,
  sources: readonly TriggerSource[],
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  try {
    const { Consumer } = await import('@platformatic/kafka');
    const connect = (groupId: string): BytesConsumer =>
      new Consumer({ ...kafkaOptions(address, 'lambent-test'), groupId });
    const client = connect('lambent-test');
    try {
      const { brokers } = await client.metadata({ topics: [] });
      const text = `Kafka lets in. The cluster has ${brokers.size} ${brokers.size === 1 ? 'broker' : 'brokers'}.`;
      checks.push({ name: 'login', ok: true, text });
      // The others of the cluster are reached at the addresses that they say themselves.
      await client.connectToBrokers();
      checks.push({ name: 'brokers', ok: true, text: 'Each is reached at the address that it advertises.' });
    } finally {
      await client.close();
    }
    for (const source of sources)
      if (source.kind === 'kafka')
        checks.push(await checkOne(connect(source.group ?? 'lambent-test'), source, address));
  } catch (error) {
    checks.push(explainBrokerFailure(error, address.url));
  }
  return checks;
}

/** What a group needs to begin, and one fetch that waits for nothing: neither changes where a group is. */
async function checkOne(
  client: BytesConsumer,
  { topic, group }: KafkaSource,
  { url }: Address,
): Promise<ConnectionCheck> {
  const name = `topic ${topic}`;
  try {
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
    return { name, ok: true, text: `It can be read. It has ${partitions} partitions.` };
  } catch (error) {
    return { ...explainBrokerFailure(error, url, name), name };
  } finally {
    await client.close();
  }
}
