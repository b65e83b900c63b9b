import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { MessageSource } from '../../model/message-source.ts';
import type { ConnectionDriver, Sender } from '../../ports/connection-driver.ts';
import type { SourceFactory } from '../../ports/source.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { BrokerSource, type ReadBroker } from './broker-source.ts';
import { type CheckSteps, checkBroker } from './check-broker.ts';
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

function driver(
  kind: ConnectionDriver['kind'],
  { port, tls }: Pick<ConnectionDriver, 'port' | 'tls'>,
  steps: CheckSteps,
  connect: (address: Address) => Promise<Sender>,
): ConnectionDriver {
  return {
    ...{ kind, port, tls },
    check: (address, sources) => checkBroker(steps, address, sources),
    sending: { connect, explain: (error, { url }) => explainBrokerFailure(error, url) },
  };
}

export function createMessageDrivers(clock: Clock): readonly ConnectionDriver[] {
  const ports = (port: number, scheme: string, tlsPort: number) => ({ port, tls: { scheme, port: tlsPort } });
  return [
    driver('redis', ports(6379, 'rediss:', 6379), checkRedis, openRedisSender),
    driver('rabbitmq', ports(5672, 'amqps:', 5671), checkRabbit, openRabbitSender),
    driver('nats', { port: 4222, tls: undefined }, checkNats, openNatsSender),
    driver(
      'mqtt',
      ports(1883, 'mqtts:', 8883),
      (address, sources) => checkMqtt(address, sources, clock),
      (address) => openMqttSender(address, clock),
    ),
    driver(
      'kafka',
      ports(9092, 'kafkas:', 9092),
      (address, sources) => checkKafka(address, sources, clock),
      (address) => openKafkaSender(address, clock),
    ),
    driver(
      'sqs',
      ports(80, 'https:', 443),
      (address, sources) => checkSqs(address, sources, clock),
      (address) => openSqsSender(address, clock),
    ),
  ];
}
