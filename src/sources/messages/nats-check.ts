import type { Address } from '../../model/connection.ts';
import type { NatsSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { connectNats, type NatsLink } from './nats-client.ts';
import { findStream } from './nats-messages.ts';

export async function checkNats(
  address: Address,
  sources: readonly TriggerSource[],
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  try {
    const link = await connectNats(address, 'lambent-test');
    const version = link.nats.info?.version;
    checks.push({ name: 'login', ok: true, text: `NATS lets in. The server is version ${version}.` });
    try {
      for (const source of sources)
        if (source.kind === 'nats') checks.push(await checkOne(link, source, address));
    } finally {
      await link.close();
    }
  } catch (error) {
    checks.push(explainBrokerFailure(error, address.url));
  }
  return checks;
}

async function checkOne(
  { nats }: NatsLink,
  { stream, subject }: NatsSource,
  { url }: Address,
): Promise<ConnectionCheck> {
  const name = stream === undefined ? `subject ${subject}` : `stream ${stream}`;
  try {
    if (stream !== undefined) {
      const { jetstreamManager } = await import('@nats-io/jetstream');
      await findStream(await jetstreamManager(nats), stream);
      return { name, ok: true, text: 'It is there.' };
    }
    const refused = Promise.withResolvers<never>();
    const subscription = nats.subscribe(subject!, {
      callback: (error) => (error === null || error === undefined ? undefined : refused.reject(error)),
    });
    await Promise.race([nats.flush(), refused.promise]);
    subscription.unsubscribe();
    return { name, ok: true, text: 'It may be listened to.' };
  } catch (error) {
    return { ...explainBrokerFailure(error, url, name), name };
  }
}
