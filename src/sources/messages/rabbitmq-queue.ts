import type { Channel, ConsumeMessage } from 'amqplib';
import { LambentError } from '../../base/errors.ts';
import type { RabbitSource } from '../../model/message-source.ts';
import { type BrokerMessage, DEPTH_HEADER, parseDepth } from './broker-message.ts';
import { type BrokerLink, LOOK_MS, readUntilAborted, unlessAborted } from './broker-source.ts';
import { Intake } from './intake.ts';
import { checkQueue, connectRabbit, type RabbitConnection } from './rabbitmq-client.ts';

/*
 * A queue of RabbitMQ. `basic.ack` comes after storing. What the platform does not store as a whole (it is too large, or the
 * end of a circle) is rejected without requeueing, so that it goes where the queue's dead letters go; that a message is
 * rejected again and again, which would hold up the queue, cannot happen. A message is the same event when it comes again if its
 * publisher gave it a `message-id`.
 */

export async function readRabbitQueue(link: BrokerLink<RabbitSource>): Promise<void> {
  const connection = await unlessAborted(link.signal, connectRabbit(link.address, link.name));
  if (connection === undefined) return;
  try {
    await consume(link, connection);
  } finally {
    connection.close();
  }
}

async function consume(link: BrokerLink<RabbitSource>, connection: RabbitConnection): Promise<void> {
  const { context, settings, signal } = link;
  const { queue, prefetch } = settings;
  const channel = await connection.openChannel();
  link.waiting((await checkQueue(channel, queue)).messageCount);
  const intake = new Intake<ConsumeMessage>({
    link,
    toMessage,
    acknowledge: async (messages, isWhole) => acknowledge(channel, messages, isWhole),
  });
  const cancelled = Promise.withResolvers<never>();
  // It may come before anybody waits for it.
  cancelled.promise.catch(() => {});
  await channel.prefetch(prefetch);
  await channel.consume(queue, (message) => {
    if (message !== null) intake.add(message);
    else cancelled.reject(new LambentError('E_BROKER_SETUP', `The queue ${queue} was deleted.`));
  });
  link.connected();
  const timer = context.clock.every(LOOK_MS, () => {
    checkQueue(channel, queue).then(
      ({ messageCount }) => link.waiting(messageCount),
      (error) => cancelled.reject(error),
    );
  });
  try {
    await readUntilAborted(signal, Promise.race([connection.lost, cancelled.promise]), intake);
  } finally {
    timer.cancel();
    // What was acknowledged is sent before the connection goes.
    await Promise.race([channel.close(), connection.lost]).catch(() => {});
  }
}

function acknowledge(
  channel: Channel,
  messages: readonly ConsumeMessage[],
  isWhole: readonly boolean[],
): void {
  messages.forEach((message, at) => {
    if (!isWhole[at]) channel.nack(message, false, false);
  });
  // All up to it: every batch before was acknowledged, and what is rejected is no longer open.
  const last = messages.findLast((_, at) => isWhole[at]);
  if (last !== undefined) channel.ack(last, true);
}

function toMessage({ content, fields, properties }: ConsumeMessage): BrokerMessage {
  const { messageId, timestamp, contentType, headers } = properties;
  const texts = Object.entries((headers ?? {}) as Record<string, unknown>).map(([name, value]) => [
    name,
    headerText(value),
  ]);
  const named = Object.fromEntries(texts) as Record<string, string>;
  return {
    id: typeof messageId === 'string' && messageId !== '' ? messageId : undefined,
    subject: fields.routingKey,
    timeMs: typeof timestamp === 'number' ? timestamp * 1_000 : undefined,
    contentType: typeof contentType === 'string' ? contentType : undefined,
    body: content,
    headers: { ...(fields.exchange === '' ? {} : { exchange: fields.exchange }), ...named },
    depth: parseDepth(named[DEPTH_HEADER]),
    place: undefined,
  };
}

function headerText(value: unknown): string {
  if (typeof value === 'string') return value;
  return (
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? ''
  );
}
