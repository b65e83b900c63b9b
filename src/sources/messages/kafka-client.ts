import { isIP } from 'node:net';
import type { Base, BaseOptions, Consumer, Producer, SASLMechanismValue } from '@platformatic/kafka';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import { type Address, SASL_MECHANISMS } from '../../model/connection.ts';

const PORT = 9092;
const CONNECT_MS = 10_000;
const REQUEST_MS = 15_000;
/** While a cluster chooses who leads, requests fail for a moment. Whatever lasts longer is for whoever asked. */
const RETRIES = 3;
const RETRY_MS = 250;

/**
 * What a client may take for an answer, retries and the members of a group included: none of its own bounds covers both.
 */
const ANSWER_MS = 40_000;

export async function answered<T>(clock: Clock, asked: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.after(ANSWER_MS, () => late.reject(new Error('timeout: the cluster does not answer')));
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    timer.cancel();
  }
}

/** Keys, values and headers as bytes. */
export type BytesConsumer = Consumer<Buffer, Buffer, Buffer, Buffer>;
export type BytesProducer = Producer<Buffer, Buffer, Buffer, Buffer>;

/**
 * What every client is made with. The address names one broker, or several in `?brokers=host:port,…`, from which the
 * cluster is learned; `?sasl=` says how its user logs in. `E_BROKER_SETUP` where that is no way.
 */
export function kafkaOptions({ url, tls }: Address, name: string): BaseOptions {
  const { protocol, host, hostname, port, username, password, searchParams } = new URL(url);
  const further = searchParams.get('brokers')?.split(',') ?? [];
  const encrypted = protocol === 'kafkas:' || tls !== undefined;
  return {
    clientId: name,
    bootstrapBrokers: [port === '' ? `${host}:${PORT}` : host, ...further],
    ...{ connectTimeout: CONNECT_MS, timeout: REQUEST_MS, retries: RETRIES, retryDelay: RETRY_MS },
    // Each broker is asked for by its name, which some clusters are told apart by; an address may not be.
    ...(encrypted ? { tls: { ...tls }, tlsServerName: tls?.servername ?? isIP(hostname) === 0 } : {}),
    ...(username === ''
      ? {}
      : {
          sasl: {
            mechanism: mechanismOf(searchParams.get('sasl')),
            username: decodeURIComponent(username),
            password: decodeURIComponent(password),
          },
        }),
  };
}

function mechanismOf(given: string | null): SASLMechanismValue {
  const found = SASL_MECHANISMS.find((mechanism) => mechanism === (given ?? 'plain').toUpperCase());
  if (found !== undefined) return found;
  const words = SASL_MECHANISMS.map((mechanism) => mechanism.toLowerCase()).join(', ');
  throw new LambentError('E_BROKER_SETUP', 'The `sasl` of the address is no way to log in to Kafka.', {
    hint: `Use one of ${words}.`,
  });
}

export interface Topic {
  /** Its name and the number that Kafka gave it: a topic that is made anew counts anew, and its messages are others. */
  readonly place: string;
  readonly partitions: number;
}

/** The topic as it is. `E_BROKER_SETUP` with the command that makes it. */
export async function findTopic(client: Base, topic: string): Promise<Topic> {
  try {
    const { topics } = await client.metadata({ topics: [topic], forceUpdate: true });
    const { id, partitionsCount } = topics.get(topic)!;
    return { place: `${topic}@${id}`, partitions: partitionsCount };
  } catch (error) {
    throw /^Unknown topic/.test((error as Error).message) ? noTopic('E_BROKER_SETUP', topic) : error;
  }
}

export function noTopic(code: 'E_BROKER_SETUP' | 'E_SEND_FAILED', topic: string): LambentError {
  return new LambentError(code, `There is no topic ${topic}, or the user may not see it.`, {
    hint: `Make it: kafka-topics.sh --bootstrap-server HOST --create --topic ${topic}`,
  });
}
