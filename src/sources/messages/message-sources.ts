import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { MessageSource } from '../../model/message-source.ts';
import type { ConnectionDriver, Sender, Sending } from '../../ports/connection-driver.ts';
import type { SourceFactory } from '../../ports/source.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { BrokerSource, type ReadBroker } from './broker-source.ts';
import { checkKafka } from './kafka-check.ts';
import { openKafkaSender } from './kafka-sender.ts';
import { readKafka } from './kafka-topic.ts';
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
import { checkSqs } from './sqs-check.ts';
import { readSqs } from './sqs-queue.ts';
import { openSqsSender } from './sqs-sender.ts';

function factory<S extends MessageSource>(kind: S['kind'], read: ReadBroker<S>): SourceFactory {
  return { kind, open: (context) => new BrokerSource(context, context.trigger.source as S, read) };
}

/** One for each kind of broker. */
export const messageSources: readonly SourceFactory[] = [
  factory('redis', readRedisStream),
  factory('rabbitmq', readRabbitQueue),
  factory('nats', readNats),
  factory('mqtt', readMqtt),
  factory('kafka', readKafka),
  factory('sqs', readSqs),
];

function sendingBy(connect: (address: Address) => Promise<Sender>): Sending {
  return { connect, explain: (error, { url }) => explainBrokerFailure(error, url) };
}

export const createMessageDrivers = (clock: Clock): readonly ConnectionDriver[] => [
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
  {
    ...{ kind: 'kafka', port: 9092, tls: { scheme: 'kafkas:', port: 9092 } },
    ...{ check: checkKafka, sending: sendingBy(openKafkaSender) },
  },
  {
    ...{ kind: 'sqs', port: 80, tls: { scheme: 'https:', port: 443 } },
    check: (address, sources) => checkSqs(address, sources, clock),
    sending: sendingBy((address) => openSqsSender(address, clock)),
  },
];
