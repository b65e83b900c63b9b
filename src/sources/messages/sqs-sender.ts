import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { OutgoingMessage, Sender } from '../../ports/connection-driver.ts';
import { DEPTH_HEADER, textOf } from './broker-message.ts';
import { destinationParts } from './destination-parts.ts';
import { isOrdered, openSqs } from './sqs-client.ts';
import { ENCODING_ATTRIBUTE, ID_ATTRIBUTE } from './sqs-message.ts';

/** What SQS takes with one message. */
const ATTRIBUTES_MAX = 10;

/**
 * To a queue, `QUEUE`, or `QUEUE.fifo/GROUP` to one that keeps the order of groups, which takes a message with the same id once within
 * five minutes. The answer has the id that SQS gave it.
 */
export async function openSqsSender(address: Address, clock: Clock): Promise<Sender> {
  const client = openSqs(address, clock);
  const urls = new Map<string, Promise<string>>();
  const findUrl = (queue: string): Promise<string> => {
    const found = urls.get(queue) ?? client.findQueue(queue, 'E_SEND_FAILED');
    urls.set(queue, found);
    // One that is not there may be made.
    found.catch(() => urls.delete(queue));
    return found;
  };
  return {
    lost: new Promise(() => {}),
    close: () => client.close(),
    async send(message) {
      const [queue, group] = destinationParts(message.destination);
      const ordering = isOrdered(queue)
        ? { MessageGroupId: group ?? 'lambent', MessageDeduplicationId: message.id }
        : {};
      const { MessageId } = await client.call<{ MessageId: string }>('SendMessage', {
        ...{ QueueUrl: await findUrl(queue), ...contentOf(message), ...ordering },
      });
      return { id: MessageId };
    },
  };
}

function contentOf({ id, body, contentType, headers, depth }: OutgoingMessage): object {
  const text = body.includes(0) ? undefined : textOf(body);
  const attributes = Object.entries({
    ...{ ...headers, 'content-type': contentType, [ID_ATTRIBUTE]: id, [DEPTH_HEADER]: String(depth) },
    ...(text === undefined ? { [ENCODING_ATTRIBUTE]: 'base64' } : {}),
  });
  if (attributes.length > ATTRIBUTES_MAX)
    throw new LambentError(
      'E_SEND_FAILED',
      `SQS takes ${ATTRIBUTES_MAX} attributes with a message, not ${attributes.length}.`,
      { hint: 'Put headers into the message itself: some attributes are the platform’s own.' },
    );
  return {
    MessageBody: text ?? Buffer.from(body).toString('base64'),
    MessageAttributes: Object.fromEntries(
      attributes.map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
    ),
  };
}
