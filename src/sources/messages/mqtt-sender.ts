import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { OutgoingMessage, Sender } from '../../ports/connection-driver.ts';
import { DEPTH_HEADER } from './broker-message.ts';
import { connectMqtt, type MqttConnection } from './mqtt-connection.ts';

/** Of the numbers of messages that are not confirmed. */
const NUMBER_MAX = 65_535;
/** What a packet has besides its body, topic and properties, at most. */
const HEAD_BYTES = 64;
const REFUSED_MIN = 0x80;
const NOT_AUTHORIZED = 0x87;

/**
 * To a topic; confirmed when the broker has it: QoS 1 by one answer, QoS 2 by two, so that the broker takes it once. The session
 * ends with the connection: what was not confirmed by then is not sent again. With MQTT 3.1.1 nothing but the body goes along.
 */
export async function openMqttSender(address: Address, clock: Clock): Promise<Sender> {
  const connection = await connectMqtt(address, { clock, clientId: '', isKept: false });
  return new MqttSender(connection);
}

interface Unconfirmed {
  readonly message: OutgoingMessage;
  readonly resolve: (sent: { readonly id: string }) => void;
  readonly reject: (error: Error) => void;
}

/** How many wait in all is bounded by whoever sends. */
class MqttSender implements Sender {
  readonly lost: Promise<never>;
  readonly #connection: MqttConnection;
  /** By their numbers; no more than the broker takes at a time. */
  readonly #inFlight = new Map<number, Unconfirmed>();
  readonly #waiting: Unconfirmed[] = [];
  #number = 0;

  constructor(connection: MqttConnection) {
    this.#connection = connection;
    this.lost = connection.lost;
    connection.listen((packet) => {
      if (packet.cmd === 'puback' || packet.cmd === 'pubcomp')
        this.#confirm(packet.messageId!, packet.reasonCode ?? 0);
      if (packet.cmd === 'pubrec') this.#release(packet.messageId!, packet.reasonCode ?? 0);
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async send(message: OutgoingMessage): Promise<{ readonly id: string }> {
    const { destination } = message;
    if (destination === '' || /[+#\0]/.test(destination))
      throw new LambentError('E_SEND_FAILED', `“${destination}” is no topic that can be sent to.`, {
        hint: 'Name one topic, without the wildcards + and #.',
      });
    this.#checkSize(message);
    const { qosMax } = this.#connection;
    if ((message.qos ?? 1) > qosMax)
      throw new LambentError('E_SEND_FAILED', `The broker takes no messages with QoS ${message.qos ?? 1}.`, {
        hint: qosMax === 1 ? 'Send with `qos: 1`.' : 'Let the broker take QoS 1 at least.',
      });
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly id: string }>();
    this.#waiting.push({ message, resolve, reject });
    this.#sendSome();
    return Promise.race([promise, this.lost]);
  }

  /** A broker ends the connection at a packet that is too large for it. */
  #checkSize({ destination, body, headers, id, contentType }: OutgoingMessage): void {
    const most = this.#connection.packetBytesMax;
    if (most === undefined) return;
    // Each property has five bytes besides its two texts.
    const texts = [destination, id, contentType, ...Object.entries(headers).flat()];
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 5, HEAD_BYTES);
    if (bytes + body.byteLength > most)
      throw new LambentError(
        'E_SEND_FAILED',
        `The broker takes messages of at most ${most} bytes; this one has more.`,
        { hint: 'Send less, or raise the limit of the broker (max_packet_size of Mosquitto).' },
      );
  }

  #sendSome(): void {
    while (this.#waiting.length > 0 && this.#inFlight.size < this.#connection.inFlightMax) {
      const next = this.#waiting.shift()!;
      do this.#number = (this.#number % NUMBER_MAX) + 1;
      while (this.#inFlight.has(this.#number));
      this.#inFlight.set(this.#number, next);
      try {
        this.#write(this.#number, next.message);
      } catch (error) {
        // The protocol cannot say it: a text is too long.
        this.#inFlight.delete(this.#number);
        next.reject(error as Error);
      }
    }
  }

  #write(messageId: number, message: OutgoingMessage): void {
    const { destination, id, body, contentType, headers, qos = 1, depth } = message;
    this.#connection.write({
      ...{ cmd: 'publish', messageId, topic: destination, payload: Buffer.from(body) },
      ...{ qos, dup: false, retain: false },
      properties: {
        contentType,
        userProperties: { ...headers, id, [DEPTH_HEADER]: String(depth) },
      },
    });
  }

  /** The broker has it, and may forget the number. */
  #release(number: number, code: number): void {
    if (code >= REFUSED_MIN) this.#confirm(number, code);
    else this.#connection.write({ cmd: 'pubrel', messageId: number, reasonCode: 0 });
  }

  #confirm(number: number, code: number): void {
    const found = this.#inFlight.get(number);
    if (found === undefined) return;
    this.#inFlight.delete(number);
    const { message, resolve, reject } = found;
    if (code < REFUSED_MIN) resolve({ id: message.id });
    else if (code === NOT_AUTHORIZED)
      reject(
        new LambentError('E_SEND_FAILED', `The broker’s user may not send to ${message.destination}.`, {
          hint: `Give it the right. In an ACL file of Mosquitto: topic write ${message.destination}`,
        }),
      );
    else reject(new LambentError('E_SEND_FAILED', `The broker refuses the message with code ${code}.`));
    this.#sendSome();
  }
}
