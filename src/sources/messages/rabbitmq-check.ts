import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { RabbitSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { checkNamed } from './check-broker.ts';
import { checkQueue, connectRabbit, type RabbitConnection } from './rabbitmq-client.ts';

export async function* checkRabbit(
  address: Address,
  sources: readonly TriggerSource[],
): AsyncGenerator<ConnectionCheck, void, undefined> {
  const connection = await connectRabbit(address, 'lambent-test');
  try {
    const { version = 'unknown' } = connection.model.connection.serverProperties;
    yield { name: 'login', ok: true, text: `RabbitMQ lets in. The server is version ${version}.` };
    for (const source of sources)
      if (source.kind === 'rabbitmq')
        yield await checkNamed(`queue ${source.queue}`, address, () => lookAt(connection, source, address));
  } finally {
    connection.close();
  }
}

async function lookAt(
  { model }: RabbitConnection,
  { queue }: RabbitSource,
  { url }: Address,
): Promise<string> {
  const good = 'It is there, and may be read.';
  const channel = await model.createChannel();
  // What is wrong is told by the call that it answers; the channel ends with it.
  channel.on('error', () => {});
  try {
    await checkQueue(channel, queue);
    // A consumer that no server takes: rights are looked at before arguments, so nothing is consumed either way.
    await channel.consume(queue, () => {}, { arguments: { 'x-priority': 'none' } });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 406) return good;
    if (code !== 403) throw error;
    const { username, pathname } = new URL(url);
    const vhost = decodeURIComponent(pathname.slice(1)) || '/';
    throw new LambentError('E_BROKER_SETUP', `The user ${username} may not read it.`, {
      hint: `rabbitmqctl set_permissions -p ${vhost} ${username} '^$' '^$' '^${queue}$' (or with more than that, if it does more).`,
    });
  }
  await channel.close();
  return good;
}
