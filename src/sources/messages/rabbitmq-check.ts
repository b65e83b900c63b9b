import type { Address } from '../../model/connection.ts';
import type { RabbitSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { checkQueue, connectRabbit, type RabbitConnection } from './rabbitmq-client.ts';

export async function checkRabbit(
  address: Address,
  sources: readonly TriggerSource[],
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  try {
    const connection = await connectRabbit(address, 'lambent-test');
    const { version = 'unknown' } = connection.model.connection.serverProperties;
    checks.push({ name: 'login', ok: true, text: `RabbitMQ lets in. The server is version ${version}.` });
    try {
      for (const source of sources)
        if (source.kind === 'rabbitmq') checks.push(await checkOne(connection, source, address));
    } finally {
      connection.close();
    }
  } catch (error) {
    checks.push(explainBrokerFailure(error, address.url));
  }
  return checks;
}

async function checkOne(
  { model }: RabbitConnection,
  { queue }: RabbitSource,
  { url }: Address,
): Promise<ConnectionCheck> {
  const name = `queue ${queue}`;
  const channel = await model.createChannel();
  // What is wrong is told by the call that it answers; the channel ends with it.
  channel.on('error', () => {});
  try {
    await checkQueue(channel, queue);
    // A consumer that no server takes: rights are looked at before arguments, so nothing is consumed either way.
    await channel.consume(queue, () => {}, { arguments: { 'x-priority': 'none' } });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 406) return { name, ok: true, text: 'It is there, and may be read.' };
    if (code !== 403) return { ...explainBrokerFailure(error, url, name), name };
    const { username, pathname } = new URL(url);
    const vhost = decodeURIComponent(pathname.slice(1)) || '/';
    return {
      ...{ name, ok: false, text: `The user ${username} may not read it.` },
      fix: `rabbitmqctl set_permissions -p ${vhost} ${username} '^$' '^$' '^${queue}$' (or with more than that, if it does more).`,
    };
  }
  await channel.close();
  return { name, ok: true, text: 'It is there, and may be read.' };
}
