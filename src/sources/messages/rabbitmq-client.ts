import type { Channel, ChannelModel } from 'amqplib';
import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';

const CONNECT_MS = 10_000;
/** Two of these without a sign of the other side, and the connection is lost. */
const HEARTBEAT_S = 20;

export interface RabbitConnection {
  readonly model: ChannelModel;
  /** Rejects when the connection is lost. */
  readonly lost: Promise<never>;
  /** Ends it at once: what is not acknowledged goes back into its queue. */
  close(): void;
  /** A channel whose end is the end of the connection. */
  openChannel(): Promise<Channel>;
}

/** One connection, which is not made anew. Resolves when it is logged in. */
export async function connectRabbit({ url, tls }: Address, name: string): Promise<RabbitConnection> {
  const { connect } = await import('amqplib');
  const model = await connect(withHeartbeat(url), {
    ...{ timeout: CONNECT_MS, noDelay: true, clientProperties: { connection_name: name } },
    ...tls,
  });
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  const gone = (error?: Error): void => lose(error ?? new Error('the broker closed the connection'));
  model.on('error', gone);
  model.on('close', gone);
  const { stream } = model.connection as unknown as { stream: { destroy(error: Error): void } };
  return {
    ...{ model, lost },
    // Without an error the client would not notice, and wait for a heartbeat.
    close: () => stream.destroy(new Error('it is no longer wanted')),
    async openChannel() {
      const channel = await model.createChannel();
      channel.on('error', gone);
      channel.on('close', () => gone());
      return channel;
    },
  };
}

/** The queue as it is. `E_BROKER_SETUP` with the command that makes it. */
export async function checkQueue(
  channel: Channel,
  queue: string,
): Promise<{ readonly messageCount: number }> {
  try {
    return await channel.checkQueue(queue);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 404) throw error;
    throw new LambentError('E_BROKER_SETUP', `There is no queue ${queue} in this virtual host.`, {
      hint: `Declare it: rabbitmqadmin declare queue name=${queue} durable=true`,
    });
  }
}

function withHeartbeat(url: string): string {
  const given = new URL(url);
  if (!given.searchParams.has('heartbeat')) given.searchParams.set('heartbeat', String(HEARTBEAT_S));
  return given.href;
}
