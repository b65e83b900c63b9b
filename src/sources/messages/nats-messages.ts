import type { Consumer, ConsumerConfig, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { LambentError } from '../../base/errors.ts';
import type { NatsSource } from '../../model/message-source.ts';
import { type BrokerMessage, DEPTH_HEADER, findHeader, parseDepth } from './broker-message.ts';
import { type BrokerLink, LOOK_MS, readUntilAborted, unlessAborted } from './broker-source.ts';
import { Intake } from './intake.ts';
import { connectNats, type NatsLink } from './nats-client.ts';

/*
 * NATS. A stream of JetStream is read by a durable consumer: a message is acknowledged after storing, and named by stream
 * and sequence, so that one that comes again is one event. Without a stream a subject is read, which NATS sends to those
 * who listen at that moment and never again: nothing can be acknowledged, and what comes while the platform is away,
 * or faster than it can be stored, is lost.
 */

/** What waits to be stored of a subject; what comes beyond is dropped, and told. */
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** What was not acknowledged comes again after this. Giving it back at once would mix up its order. */
const ACK_WAIT_MS = 5_000;
/** Codes of JetStream's API. */
const STREAM_NOT_FOUND = 10_059;
const CONSUMER_NOT_FOUND = 10_014;
const NANOS_A_MS = 1_000_000;

export async function readNats(link: BrokerLink<NatsSource>): Promise<void> {
  const connection = await unlessAborted(link.signal, connectNats(link.address, link.name));
  if (connection === undefined) return;
  try {
    const { stream } = link.settings;
    if (stream === undefined) await readSubject(link, connection);
    else await readStream(link, connection, stream);
  } finally {
    await connection.close();
  }
}

async function readSubject(link: BrokerLink<NatsSource>, { nats, lost }: NatsLink): Promise<void> {
  const { context, settings, signal } = link;
  const intake = new Intake<Msg>({ link, toMessage: fromSubject, acknowledge: async () => {} });
  const refused = Promise.withResolvers<never>();
  let dropped = 0;
  nats.subscribe(settings.subject!, {
    ...(settings.queue === undefined ? {} : { queue: settings.queue }),
    callback(error, message) {
      if (error !== null && error !== undefined) refused.reject(error);
      else if (intake.size < WAITING_MAX && intake.bytes < WAITING_BYTES_MAX) intake.add(message);
      else dropped += 1;
    },
  });
  // When this is answered, the server has the subscription, or has refused it.
  await Promise.race([nats.flush(), refused.promise]);
  link.connected();
  const timer = context.clock.every(LOOK_MS, () => {
    if (dropped > 0)
      context.log.error('messages of a subject came faster than they can be stored, and are lost', {
        ...{ trigger: context.id, messages: dropped },
      });
    dropped = 0;
  });
  try {
    await readUntilAborted(signal, Promise.race([lost, refused.promise]), intake);
  } finally {
    timer.cancel();
  }
}

async function readStream(
  link: BrokerLink<NatsSource>,
  { nats, lost }: NatsLink,
  stream: string,
): Promise<void> {
  const { context, settings, signal } = link;
  const { jetstreamManager } = await import('@nats-io/jetstream');
  const manager = await jetstreamManager(nats);
  const { created } = await findStream(manager, stream);
  // A stream that is made anew counts from one again: its messages are others.
  const place = `${stream}@${Date.parse(created)}`;
  const consumer = await ensureConsumer(link, nats, manager, stream, place);
  const intake = new Intake<JsMsg>({
    link,
    toMessage: (message) => fromStream(message, place, positionOf(link, place)),
    acknowledge: async (messages) => {
      for (const message of messages) message.ack();
    },
  });
  const messages = await consumer.consume({
    max_messages: settings.prefetch,
    abort_on_missing_resource: true,
  });
  const reading = (async (): Promise<never> => {
    for await (const message of messages) {
      // What is not acknowledged in time comes again, also while it waits here.
      await intake.room(settings.prefetch);
      intake.add(message);
    }
    throw new Error(`the consumer of ${stream} ended`);
  })();
  // It may come before anybody waits for it, and so may what follows.
  reading.catch(() => {});
  link.connected();
  const look = async (): Promise<void> => link.waiting((await consumer.info()).num_pending);
  const looking = Promise.withResolvers<never>();
  looking.promise.catch(() => {});
  const timer = context.clock.every(LOOK_MS, () => void look().catch(looking.reject));
  try {
    await look();
    await readUntilAborted(signal, Promise.race([lost, reading, looking.promise]), intake);
  } finally {
    timer.cancel();
    // Asks for nothing more at once; its promise waits for what is still to be read here, which nobody does.
    void messages.close().catch(() => {});
  }
}

/** `E_BROKER_SETUP` with the command that makes it. */
export async function findStream(
  manager: JetStreamManager,
  stream: string,
): Promise<{ readonly created: string }> {
  return manager.streams.info(stream).catch((error: unknown) => {
    if (codeOf(error) !== STREAM_NOT_FOUND) throw error;
    throw new LambentError('E_BROKER_SETUP', `There is no stream ${stream}.`, {
      hint: `Make it: nats stream add ${stream} --subjects 'SUBJECT'`,
    });
  });
}

/** Where the consumer is gone, it begins again behind what is stored. */
async function ensureConsumer(
  link: BrokerLink<NatsSource>,
  nats: NatsConnection,
  manager: JetStreamManager,
  stream: string,
  place: string,
): Promise<Consumer> {
  const { AckPolicy, DeliverPolicy, jetstream } = await import('@nats-io/jetstream');
  const { settings, position } = link;
  const durable = settings.consumer ?? link.name;
  const prefix = positionOf(link, place);
  const known = position?.startsWith(prefix) ? Number(position.slice(prefix.length)) : undefined;
  const start: Partial<ConsumerConfig> =
    known !== undefined
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: known + 1 }
      : { deliver_policy: settings.from === 'all' ? DeliverPolicy.All : DeliverPolicy.New };
  try {
    await manager.consumers.info(stream, durable);
  } catch (error) {
    if (codeOf(error) !== CONSUMER_NOT_FOUND) throw error;
    await manager.consumers.add(stream, {
      ...{ durable_name: durable, ack_policy: AckPolicy.Explicit, ...start },
      ...{ ack_wait: ACK_WAIT_MS * NANOS_A_MS, max_ack_pending: settings.prefetch },
      ...(settings.subject === undefined ? {} : { filter_subject: settings.subject }),
    });
  }
  return jetstream(nats).consumers.get(stream, durable);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

function positionOf({ address }: BrokerLink<NatsSource>, place: string): string {
  return `${new URL(address.url).host}/${place}/`;
}

function fromStream(message: JsMsg, place: string, prefix: string): BrokerMessage {
  const { subject, data, headers, seq, info } = message;
  return {
    id: `${place}/${seq}`,
    timeMs: Math.floor(info.timestampNanos / NANOS_A_MS),
    place: `${prefix}${seq}`,
    ...contentOf(subject, data, headers),
  };
}

/** Publishers name a message in the header that JetStream too knows repetitions by. */
function fromSubject({ subject, data, headers }: Msg): BrokerMessage {
  const id = headers?.get('Nats-Msg-Id');
  return {
    id: id === undefined || id === '' ? undefined : id,
    timeMs: undefined,
    place: undefined,
    ...contentOf(subject, data, headers),
  };
}

function contentOf(
  subject: string,
  data: Uint8Array,
  given: MsgHdrs | undefined,
): Pick<BrokerMessage, 'subject' | 'contentType' | 'body' | 'headers' | 'depth'> {
  const headers: Record<string, string> = {};
  for (const [name, values] of given ?? []) headers[name] = values.join(', ');
  return {
    ...{ subject, body: data, headers },
    contentType: findHeader(headers, 'content-type'),
    depth: parseDepth(findHeader(headers, DEPTH_HEADER)),
  };
}
