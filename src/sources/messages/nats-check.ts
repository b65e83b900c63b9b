import type { Address } from '../../model/connection.ts';
import type { NatsSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { checkNamed } from './check-broker.ts';
import { connectNats, type NatsLink } from './nats-client.ts';
import { findStream } from './nats-messages.ts';

export async function* checkNats(
  address: Address,
  sources: readonly TriggerSource[],
): AsyncGenerator<ConnectionCheck, void, undefined> {
  const link = await connectNats(address, 'lambent-test');
  try {
    const version = link.nats.info?.version;
    yield { name: 'login', ok: true, text: `NATS lets in. The server is version ${version}.` };
    for (const source of sources)
      if (source.kind === 'nats') {
        const { stream, subject } = source;
        const name = stream === undefined ? `subject ${subject}` : `stream ${stream}`;
        yield await checkNamed(name, address, () => lookAt(link, source));
      }
  } finally {
    await link.close();
  }
}

async function lookAt({ nats }: NatsLink, { stream, subject }: NatsSource): Promise<string> {
  if (stream !== undefined) {
    const { jetstreamManager } = await import('@nats-io/jetstream');
    await findStream(await jetstreamManager(nats), stream);
    return 'It is there.';
  }
  const refused = Promise.withResolvers<never>();
  const subscription = nats.subscribe(subject!, {
    callback: (error) => (error === null || error === undefined ? undefined : refused.reject(error)),
  });
  await Promise.race([nats.flush(), refused.promise]);
  subscription.unsubscribe();
  return 'It may be listened to.';
}
