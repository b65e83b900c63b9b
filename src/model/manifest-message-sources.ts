import { z } from 'zod';
import type { Connection } from './connection.ts';
import { connectionChoice } from './manifest-connections.ts';
import { text, whole } from './manifest-schema-parts.ts';
import type { MessageSource } from './message-source.ts';

/** Triggers on messages, as the manifest gives them. Each `error` text completes "… must be". */

export const MESSAGE_KINDS = ['redis', 'rabbitmq', 'nats', 'mqtt', 'kafka', 'sqs'] as const;

export const PREFETCH_DEFAULT = 100;

const common = (address: string) => ({
  ...connectionChoice(address),
  prefetch: whole(
    1,
    1_000,
    'Messages that are received and not yet acknowledged, at most. Default: 100.',
  ).optional(),
});
const from = z
  .enum(['all', 'new'], { error: 'all or new' })
  .describe('Where the first start begins: with what is there, or with what comes. Default: all.')
  .optional();

const TOPIC_EXPECTED = 'a topic such as `orders/+/new`, where + and # stand alone and # is the last';
const CLIENT_EXPECTED = 'letters, digits and `_.:-`, at most 64';
const KAFKA_EXPECTED = 'the name of a topic: letters, digits and `_.-`, at most 249';
const SQS_EXPECTED = 'the name of a queue: letters, digits, `_` and `-`, at most 80, and maybe `.fifo`';
/** The protocol has 65,535 bytes; names of topics of sense are far shorter. */
const TOPIC_CHARS_MAX = 1_024;

function isTopicFilter(topic: string): boolean {
  if (/^$|\0/.test(topic)) return false;
  const levels = topic.split('/');
  return levels.every((level, at) =>
    level === '#' ? at === levels.length - 1 : level === '+' || !/[+#]/.test(level),
  );
}

export const messageSchemas = {
  redis: z
    .strictObject(
      {
        ...common('redis://user:password@host:6379/0'),
        stream: text('the name of a stream', 'The key of the stream.'),
        group: text('the name of a group', 'The consumer group. Default: made of the trigger.').optional(),
        from,
      },
      { error: 'an object with `connection` and `stream`' },
    )
    .describe('Messages of a stream of Redis.'),
  rabbitmq: z
    .strictObject(
      {
        ...common('amqp://user:password@host:5672/vhost'),
        queue: text('the name of a queue', 'The queue, which must be there.'),
      },
      { error: 'an object with `connection` and `queue`' },
    )
    .describe('Messages of a queue of RabbitMQ.'),
  nats: z
    .strictObject(
      {
        ...common('nats://user:password@host:4222'),
        stream: text('the name of a stream', 'The stream of JetStream, which must be there.').optional(),
        subject: text(
          'a subject such as `orders.*`',
          'The subject. With `stream`: only these messages of it; without: as they are sent, without a promise.',
        ).optional(),
        consumer: text(
          'the name of a consumer',
          'The durable consumer of the stream. Default: made of the trigger.',
        ).optional(),
        queue: text(
          'the name of a queue group',
          'Without `stream`: listeners that share the messages.',
        ).optional(),
        from,
      },
      { error: 'an object with `connection`, and `stream` or `subject`' },
    )
    .refine(({ stream, subject }) => (stream ?? subject) !== undefined, {
      error: 'an object with `connection`, and `stream` or `subject`',
    })
    .describe('Messages of a stream of JetStream, or of a subject of NATS.'),
  mqtt: z
    .strictObject(
      {
        ...common('mqtt://user:password@host:1883'),
        topic: z
          .string({ error: TOPIC_EXPECTED })
          .max(TOPIC_CHARS_MAX, { error: TOPIC_EXPECTED })
          .refine(isTopicFilter, { error: TOPIC_EXPECTED })
          .describe('The topic. May have wildcards, and `$share/GROUP/` before it.'),
        qos: z
          .literal([0, 1, 2], { error: '0, 1 or 2' })
          .describe('How the broker gives messages, at most; with 0 without a promise. Default: 1.')
          .optional(),
        client: z
          .string({ error: CLIENT_EXPECTED })
          .regex(/^[\w.:-]{1,64}$/, { error: CLIENT_EXPECTED })
          .describe('What the client id begins with. Default: made of the trigger.')
          .optional(),
        from,
      },
      { error: 'an object with `connection` and `topic`' },
    )
    .describe('Messages of a topic of MQTT.'),
  kafka: z
    .strictObject(
      {
        ...common('kafka://user:password@host:9092'),
        topic: z
          .string({ error: KAFKA_EXPECTED })
          .regex(/^[\w.-]{1,249}$/, { error: KAFKA_EXPECTED })
          .describe('The topic, which must be there.'),
        group: text('the name of a group', 'The consumer group. Default: made of the trigger.').optional(),
        from,
      },
      { error: 'an object with `connection` and `topic`' },
    )
    .describe('Messages of a topic of Kafka.'),
  sqs: z
    .strictObject(
      {
        ...common('https://key:secret@sqs.eu-central-1.amazonaws.com'),
        queue: z
          .string({ error: SQS_EXPECTED })
          .regex(/^[\w-]{1,80}(?:\.fifo)?$/, { error: SQS_EXPECTED })
          .describe('The queue, which must be there.'),
      },
      { error: 'an object with `connection` and `queue`' },
    )
    .describe('Messages of a queue of SQS.'),
};

type Given = {
  readonly [Kind in (typeof MESSAGE_KINDS)[number]]?: z.input<(typeof messageSchemas)[Kind]> | undefined;
};

export function planMessageSource(
  kind: (typeof MESSAGE_KINDS)[number],
  input: Given,
  connection: Connection,
): MessageSource {
  switch (kind) {
    case 'redis': {
      const { stream, group, from = 'all', prefetch = PREFETCH_DEFAULT } = input.redis!;
      return { kind, connection, prefetch, stream, group, from };
    }
    case 'rabbitmq': {
      const { queue, prefetch = PREFETCH_DEFAULT } = input.rabbitmq!;
      return { kind, connection, prefetch, queue };
    }
    case 'nats': {
      const { stream, subject, consumer, queue, from = 'all', prefetch = PREFETCH_DEFAULT } = input.nats!;
      return { kind, connection, prefetch, stream, subject, consumer, queue, from };
    }
    case 'mqtt': {
      const { topic, qos = 1, client, from = 'all', prefetch = PREFETCH_DEFAULT } = input.mqtt!;
      return { kind, connection, prefetch, topic, qos, client, from };
    }
    case 'kafka': {
      const { topic, group, from = 'all', prefetch = PREFETCH_DEFAULT } = input.kafka!;
      return { kind, connection, prefetch, topic, group, from };
    }
    case 'sqs': {
      const { queue, prefetch = PREFETCH_DEFAULT } = input.sqs!;
      return { kind, connection, prefetch, queue };
    }
  }
}
