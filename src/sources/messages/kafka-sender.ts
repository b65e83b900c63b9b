import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { Sender } from '../../ports/connection-driver.ts';
import { DEPTH_HEADER } from './broker-message.ts';
import { destinationParts } from './destination-parts.ts';
import { type BytesProducer, kafkaOptions, noTopic } from './kafka-client.ts';
import { closeKafka, loadKafka } from './kafka-connections.ts';

/**
 * To a topic, `TOPIC` or `TOPIC/KEY`; the answer has topic, partition and offset. All replicas that are in step have the message
 * then. The client makes lost connections anew by itself.
 */
export async function openKafkaSender(address: Address, clock: Clock): Promise<Sender> {
  const { ProduceAcks, Producer } = await loadKafka();
  const producer: BytesProducer = new Producer({
    ...kafkaOptions(address, 'lambent-send'),
    // One that the client sends again, when leaders change, is still one.
    ...{ acks: ProduceAcks.ALL, idempotent: true },
  });
  return {
    lost: new Promise(() => {}),
    close: () => closeKafka(clock, producer, producer.close()),
    async send({ destination, id, body, contentType, headers: given, depth }) {
      const [topic, key] = destinationParts(destination);
      const headers = Object.entries({ ...given, 'content-type': contentType, 'message-id': id });
      const message = {
        ...{
          topic: topic!,
          value: Buffer.from(body),
          ...(key === undefined ? {} : { key: Buffer.from(key) }),
        },
        headers: new Map(
          [...headers, [DEPTH_HEADER, String(depth)] as const].map(([name, value]) => [
            Buffer.from(name),
            Buffer.from(value),
          ]),
        ),
      };
      try {
        const { offsets } = await producer.send({ messages: [message] });
        const { partition, offset } = offsets![0]!;
        return { id: `${topic}/${partition}/${offset}` };
      } catch (error) {
        throw hasNoTopic(error) ? noTopic('E_SEND_FAILED', topic) : error;
      }
    },
  };
}

/** The client wraps what it knows in errors that know less. */
function hasNoTopic(error: unknown): boolean {
  const { message, errors = [] } = (error ?? {}) as { message?: string; errors?: unknown[] };
  return /^Unknown topic|does not host this topic/.test(message ?? '') || errors.some(hasNoTopic);
}
