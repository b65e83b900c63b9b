import type { MessageSource } from '../../model/message-source.ts';
import type { ConnectionDriver } from '../../ports/connection-driver.ts';
import type { SourceFactory } from '../../ports/source.ts';
import { BrokerSource, type ReadBroker } from './broker-source.ts';
import { checkNats } from './nats-check.ts';
import { readNats } from './nats-messages.ts';
import { checkRabbit } from './rabbitmq-check.ts';
import { readRabbitQueue } from './rabbitmq-queue.ts';
import { checkRedis } from './redis-check.ts';
import { readRedisStream } from './redis-stream.ts';

function factory<S extends MessageSource>(kind: S['kind'], read: ReadBroker<S>): SourceFactory {
  return { kind, open: (context) => new BrokerSource(context, context.trigger.source as S, read) };
}

/** One for each kind of broker. */
export const messageSources: readonly SourceFactory[] = [
  factory('redis', readRedisStream),
  factory('rabbitmq', readRabbitQueue),
  factory('nats', readNats),
];

export const messageDrivers: readonly ConnectionDriver[] = [
  { kind: 'redis', port: 6379, tls: { scheme: 'rediss:', port: 6379 }, check: checkRedis },
  { kind: 'rabbitmq', port: 5672, tls: { scheme: 'amqps:', port: 5671 }, check: checkRabbit },
  { kind: 'nats', port: 4222, tls: undefined, check: checkNats },
];
