import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { OutgoingMessage, Sender } from '../../ports/connection-driver.ts';
import { DEPTH_HEADER } from './broker-message.ts';
import { destinationParts } from './destination-parts.ts';
import { connectRabbit } from './rabbitmq-client.ts';

/** To a queue, `NAME`, or to an exchange, `EXCHANGE/ROUTING-KEY`; confirmed when every queue that gets it has it. */
export async function openRabbitSender(address: Address): Promise<Sender> {
  const { model, lost, close } = await connectRabbit(address, 'lambent-send');
  const channel = await model.createConfirmChannel();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  channel.on('error', ended.reject);
  channel.on('close', () => ended.reject(new Error('the broker closed the channel')));
  // What no queue takes comes back, and only then it is confirmed.
  const returned = new Set<string>();
  channel.on('return', ({ properties }) => returned.add(String(properties.correlationId)));
  let count = 0;
  const send = ({
    destination,
    id,
    body,
    contentType,
    headers,
    depth,
  }: OutgoingMessage): Promise<{ id: string }> => {
    const [first, second] = destinationParts(destination);
    const [exchange, key] = second === undefined ? ['', first] : [first, second];
    count += 1;
    const mark = String(count);
    return new Promise((resolve, reject) => {
      channel.publish(
        exchange,
        key,
        Buffer.from(body),
        {
          ...{ mandatory: true, persistent: true, messageId: id, correlationId: mark, contentType },
          headers: { ...headers, [DEPTH_HEADER]: String(depth) },
        },
        (error: unknown) => {
          if (returned.delete(mark))
            reject(
              new LambentError('E_SEND_FAILED', `No queue takes what is sent to ${destination}.`, {
                hint: 'Name a queue that is there, or EXCHANGE/KEY with a binding for the key.',
              }),
            );
          // Why the channel was closed says the channel itself.
          else if (error instanceof Error && error.message === 'channel closed') return;
          else if (error !== null && error !== undefined) reject(error as Error);
          else resolve({ id });
        },
      );
    });
  };
  const gone = Promise.race([lost, ended.promise]);
  gone.catch(() => {});
  return {
    lost: gone,
    close,
    send: (message) => Promise.race([send(message), gone]),
  };
}
