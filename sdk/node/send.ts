import { callPlatform } from './platform.ts';

export interface SendOptions {
  /** What names the message, so that one that is sent again is known; left out: a new one. */
  readonly id?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Left out: `application/json`, `text/plain` or `application/octet-stream`, by what the message is. */
  readonly contentType?: string | undefined;
  /** Of MQTT alone. 2: the broker takes it once for certain, as long as the connection holds; left out: 1. */
  readonly qos?: 1 | 2 | undefined;
}

/**
 * Sends a message through a connection of the app, which the manifest must name for the function (`connections`). A text is
 * sent as text, a `Uint8Array` as bytes, anything else as JSON. `destination` is a queue or `exchange/key` of RabbitMQ, the
 * key of a stream of Redis, a subject of a stream of NATS, a topic of MQTT, a topic or `topic/key` of Kafka, a queue or
 * `queue.fifo/group` of SQS. Resolves with its id once the broker has confirmed it.
 *
 * Rejects with a `CallError`: `E_SEND_FAILED` (it may have arrived all the same where the broker did not answer),
 * `E_CONNECTION_NOT_NAMED`, `E_SECRET_MISSING`, `E_PAYLOAD_TOO_LARGE`, `E_OVERLOADED`. It is not retried.
 */
export async function send(
  connection: string,
  destination: string,
  message: unknown,
  { id, headers, contentType, qos }: SendOptions = {},
): Promise<{ readonly id: string }> {
  const isBytes = message instanceof Uint8Array;
  const as = isBytes ? 'bytes' : typeof message === 'string' ? 'text' : 'json';
  // Types of an author's project may be older than what the platform's Node.js has.
  const value = isBytes ? (message as unknown as { toBase64(): string }).toBase64() : message;
  const args = { connection, destination, as, id, headers, contentType, qos };
  return (await callPlatform('send', args, value)) as { readonly id: string };
}
