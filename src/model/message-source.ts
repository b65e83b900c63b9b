import type { Connection } from './connection.ts';

/** Messages of brokers as sources of events. What is common to all is in `MessageSettings`. */
export type MessageSource = RedisSource | RabbitSource | NatsSource | MqttSource | KafkaSource | SqsSource;

export interface MessageSettings {
  /** The broker. */
  readonly connection: Connection;
  /** Messages that are received and not yet acknowledged, at most. 1 to 1,000. */
  readonly prefetch: number;
}

/** Where reading begins when the broker knows nothing of the trigger yet. */
export type MessageStart = 'all' | 'new';

/** A topic of Kafka, read by a consumer group. */
export interface KafkaSource extends MessageSettings {
  readonly kind: 'kafka';
  readonly topic: string;
  /** `undefined`: made of the trigger's id, and the trigger's alone. */
  readonly group: string | undefined;
  readonly from: MessageStart;
}

/** A topic of MQTT. */
export interface MqttSource extends MessageSettings {
  readonly kind: 'mqtt';
  /** A topic filter: with wildcards, and `$share/GROUP/` before it. */
  readonly topic: string;
  /** How the broker gives messages, at most. 0: once, or not at all. */
  readonly qos: 0 | 1 | 2;
  /** What the client id begins with; `undefined`: made of the trigger's id. */
  readonly client: string | undefined;
  /** `all`: also what the broker retains. */
  readonly from: MessageStart;
}

/** A stream of JetStream, or a subject of NATS. */
export interface NatsSource extends MessageSettings {
  readonly kind: 'nats';
  /** `undefined`: the subject is read as it is sent, and nothing is kept for it. */
  readonly stream: string | undefined;
  /** May have wildcards; `undefined`: all of the stream. */
  readonly subject: string | undefined;
  /** The durable consumer; `undefined`: made of the trigger's id. */
  readonly consumer: string | undefined;
  /** Of a subject: those who name the same share its messages. */
  readonly queue: string | undefined;
  readonly from: MessageStart;
}

/** A queue of RabbitMQ. */
export interface RabbitSource extends MessageSettings {
  readonly kind: 'rabbitmq';
  readonly queue: string;
}

/** A queue of SQS, or of what speaks as it does. */
export interface SqsSource extends MessageSettings {
  readonly kind: 'sqs';
  /** Its name; one that ends in `.fifo` keeps the order of its groups. */
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
