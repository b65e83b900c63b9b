import type { Address } from '../../model/connection.ts';
import type { MessageSource } from '../../model/message-source.ts';
import type { ConnectionDriver, Sender, Sending } from '../../ports/connection-driver.ts';
import type { SourceFactory } from '../../ports/source.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { BrokerSource, type ReadBroker } from './broker-source.ts';
import { checkMqtt } from './mqtt-check.ts';
import { openMqttSender } from './mqtt-sender.ts';
import { readMqtt } from './mqtt-topic.ts';
import { checkNats } from './nats-check.ts';
import { readNats } from './nats-messages.ts';
import { openNatsSender } from './nats-sender.ts';
import { checkRabbit } from './rabbitmq-check.ts';
import { readRabbitQueue } from './rabbitmq-queue.ts';
import { openRabbitSender } from './rabbitmq-sender.ts';
import { checkRedis } from './redis-check.ts';
import { openRedisSender } from './redis-sender.ts';
import { readRedisStream } from './redis-stream.ts';

function factory<S extends MessageSource>(kind: S['kind'], read: ReadBroker<S>): SourceFactory {
  return { kind, open: (context) => new BrokerSource(context, context.trigger.source as S, read) };
}

/** One for each kind of broker. */
export const messageSources: readonly SourceFactory[] = [
  factory('redis', readRedisStream),
  factory('rabbitmq', readRabbitQueue),
  factory('nats', readNats),
  factory('mqtt', readMqtt),
];

function sendingBy(connect: (address: Address) => Promise<Sender>): Sending {
  return { connect, explain: (error, { url }) => explainBrokerFailure(error, url) };
}

export const messageDrivers: readonly ConnectionDriver[] = [
  {
    ...{ kind: 'redis', port: 6379, tls: { scheme: 'rediss:', port: 6379 } },
    ...{ check: checkRedis, sending: sendingBy(openRedisSender) },
  },
  {
    ...{ kind: 'rabbitmq', port: 5672, tls: { scheme: 'amqps:', port: 5671 } },
    ...{ check: checkRabbit, sending: sendingBy(openRabbitSender) },
  },
  { kind: 'nats', port: 4222, tls: undefined, check: checkNats, sending: sendingBy(openNatsSender) },
  {
    ...{ kind: 'mqtt', port: 1883, tls: { scheme: 'mqtts:', port: 8883 } },
    ...{ check: checkMqtt, sending: sendingBy(openMqttSender) },
  },
];
