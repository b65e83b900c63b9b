import type { Connection } from './connection.ts';

/** Messages of brokers as sources of events. What is common to all is in `MessageSettings`. */
export type MessageSource = RedisSource | RabbitSource;

export interface MessageSettings {
  /** The broker. */
  readonly connection: Connection;
  /** Messages that are received and not yet acknowledged, at most. 1 to 1,000. */
  readonly prefetch: number;
}

/** Where reading begins when the broker knows nothing of the trigger yet. */
export type MessageStart = 'all' | 'new';

/** A queue of RabbitMQ. */
export interface RabbitSource extends MessageSettings {
  readonly kind: 'rabbitmq';
  readonly queue: string;
}

/** A stream of Redis, read by a consumer group. */
export interface RedisSource extends MessageSettings {
  readonly kind: 'redis';
  readonly stream: string;
  /** `undefined`: made of the trigger's id. */
  readonly group: string | undefined;
  readonly from: MessageStart;
}
