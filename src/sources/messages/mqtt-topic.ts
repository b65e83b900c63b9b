import { createHash } from 'node:crypto';
import type { IPublishPacket, ISubackPacket } from 'mqtt-packet';
import { LambentError } from '../../base/errors.ts';
import type { MqttSource } from '../../model/message-source.ts';
import { type BrokerMessage, DEPTH_HEADER, parseDepth, textOf } from './broker-message.ts';
import { type BrokerLink, readUntilAborted, unlessAborted } from './broker-source.ts';
import { Intake } from './intake.ts';
import { connectMqtt, type MqttConnection, type MqttVersion } from './mqtt-connection.ts';

/*
 * Topics of MQTT. The broker keeps a session for the trigger, with what was sent while it is away; PUBACK and PUBREC come
 * after storing. MQTT names no message for good: a packet's number is used again, and the second delivery of a message that
 * was stored, but whose acknowledgement was lost, looks like a new one. So a message is the same event when it comes again
 * if its publisher named it, as CloudEvents do it: in the user property `id`, which is unique within `source`.
 *
 * A session holds what was subscribed to, and it cannot be asked what that is. So the client id is made of the topic too: who
 * changes the topic has another session, and never messages of the one before.
 */

/** Names a session: of a trigger, and of what it reads. */
export function clientIdOf({ client, topic, qos }: MqttSource, name: string): string {
  const digest = createHash('sha256').update(`${qos} ${topic}`).digest('hex').slice(0, 8);
  return `${client ?? name}-${digest}`;
}

export async function readMqtt(link: BrokerLink<MqttSource>): Promise<void> {
  const { context, settings, address, signal } = link;
  const connecting = connectMqtt(address, {
    clock: context.clock,
    clientId: clientIdOf(settings, link.name),
    isKept: true,
    receiveMax: settings.prefetch,
  });
  const connection = await unlessAborted(signal, connecting);
  if (connection === undefined) return;
  try {
    await read(link, connection);
  } finally {
    await connection.close();
  }
}

async function read(link: BrokerLink<MqttSource>, connection: MqttConnection): Promise<void> {
  const { settings, signal } = link;
  const { version } = connection;
  const intake = new Intake<IPublishPacket>({
    link,
    toMessage: (packet) => toMessage(packet, version),
    acknowledge: async (packets) => {
      for (const packet of packets) acknowledge(connection, packet);
    },
  });
  const refused = Promise.withResolvers<never>();
  // It may come before anybody waits for it.
  refused.promise.catch(() => {});
  let isFull = false;
  const take = (packet: IPublishPacket): void => {
    if (isUnwanted(packet, settings, version)) {
      acknowledge(connection, packet);
      return;
    }
    intake.add(packet);
    // Nothing else bounds messages of QoS 0, nor brokers of 3.1.1.
    if (isFull || intake.size < settings.prefetch) return;
    isFull = true;
    connection.pause();
    void intake.room(settings.prefetch).then(() => {
      isFull = false;
      connection.resume();
    });
  };
  connection.listen((packet) => {
    if (packet.cmd === 'publish') take(packet);
    else if (packet.cmd === 'pubrel')
      connection.write({ cmd: 'pubcomp', messageId: packet.messageId!, reasonCode: 0 });
    else if (packet.cmd === 'suback') {
      const problem = problemOf(packet, settings);
      if (problem === undefined) link.connected();
      else refused.reject(problem);
    }
  });
  subscribe(connection, settings);
  await readUntilAborted(signal, Promise.race([connection.lost, refused.promise]), intake);
}

/** When to send what is retained (MQTT 5). */
const RETAINED_IF_NEW = 1;
const RETAINED_NEVER = 2;

/** Asks also where the broker has the session already: it may have broken off before it was subscribed to anything. */
export function subscribe(connection: MqttConnection, { topic, qos, from }: MqttSource): void {
  const rh = from === 'all' ? RETAINED_IF_NEW : RETAINED_NEVER;
  connection.write({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: [{ topic, qos, nl: false, rap: false, rh }],
  });
}

const REFUSED_MIN = 0x80;

/** Why what was subscribed to is not given. */
export function problemOf({ granted }: ISubackPacket, { topic, qos }: MqttSource): LambentError | undefined {
  const code = Number(granted[0]);
  if (code >= REFUSED_MIN) {
    const known = REFUSALS.get(code);
    return new LambentError(
      'E_BROKER_SETUP',
      `The broker refuses the topic ${topic}: ${known?.[0] ?? `code ${code}`}.`,
      { hint: known?.[1] ?? RIGHT_TO_READ },
    );
  }
  if (code >= qos) return undefined;
  return new LambentError('E_BROKER_SETUP', `The broker gives ${topic} with QoS ${code} only.`, {
    hint: `Let it give QoS ${qos}, or set \`qos: ${code}\` of the trigger, which promises less.`,
  });
}

const RIGHT_TO_READ =
  'Give the broker’s user the right to subscribe to it and to receive it. In an ACL file of Mosquitto: topic read TOPIC';
const REFUSALS: ReadonlyMap<number, readonly [what: string, fix: string]> = new Map([
  [0x80, ['it gives no reason, which mostly means that the user may not read it', RIGHT_TO_READ]],
  [0x87, ['the user is not authorized to read it', RIGHT_TO_READ]],
  [0x8f, ['it is not a topic there', 'Name another topic.']],
  [0x9e, ['it has no shared subscriptions', 'Leave out $share/GROUP/ of the topic.']],
  [0xa2, ['it has no wildcards', 'Name a topic without + and #.']],
]);

/** Without MQTT 5 a broker sends what is retained whenever it is asked for the topic. */
function isUnwanted({ retain, dup }: IPublishPacket, { from }: MqttSource, version: MqttVersion): boolean {
  return version === 4 && from === 'new' && retain && !dup;
}

function acknowledge(connection: MqttConnection, { qos, messageId }: IPublishPacket): void {
  if (qos === 0) return;
  connection.write({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId: messageId!, reasonCode: 0 });
}

function toMessage(packet: IPublishPacket, version: MqttVersion): BrokerMessage {
  const { topic, retain, properties = {} } = packet;
  const body = Buffer.from(packet.payload as Buffer);
  const { contentType, responseTopic, correlationData, userProperties } = properties;
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(userProperties ?? {}))
    given[name] = Array.isArray(value) ? value.join(', ') : value;
  return {
    id: nameOf(given) ?? (version === 4 && retain ? retainedName(topic, body) : undefined),
    subject: topic,
    timeMs: undefined,
    contentType,
    body,
    headers: {
      ...(retain ? { retain: 'true' } : {}),
      ...(responseTopic === undefined ? {} : { 'response-topic': responseTopic }),
      ...(correlationData === undefined ? {} : { 'correlation-data': correlationText(correlationData) }),
      ...given,
    },
    depth: parseDepth(given[DEPTH_HEADER]),
    place: undefined,
  };
}

function nameOf({ id, source }: Readonly<Record<string, string>>): string | undefined {
  if (id === undefined || id === '') return undefined;
  return source === undefined ? id : `${source} ${id}`;
}

/** Without MQTT 5 it comes at every connection: the same one is the same event. */
function retainedName(topic: string, body: Uint8Array): string {
  return `retained-${createHash('sha256').update(`${topic}\0`).update(body).digest('hex')}`;
}

function correlationText(bytes: Buffer): string {
  return textOf(bytes) ?? bytes.toString('base64');
}
