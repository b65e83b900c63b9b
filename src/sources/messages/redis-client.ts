import type { Address } from '../../model/connection.ts';

const CONNECT_MS = 10_000;

export type Reply = null | number | Buffer | readonly Reply[];
export type Send = (...args: (string | Buffer)[]) => Promise<Reply>;

export interface RedisConnection {
  /** Texts come as bytes. */
  readonly send: Send;
  /** Rejects when the connection is lost. */
  readonly lost: Promise<never>;
  close(): void;
}

/** One connection, which is not made anew. Resolves when it is logged in, and closes it should that fail. */
export async function connectRedis({ url, tls }: Address, name: string): Promise<RedisConnection> {
  const { createClient, RESP_TYPES } = await import('@redis/client');
  const client = createClient({
    url,
    socket: {
      reconnectStrategy: false,
      connectTimeout: CONNECT_MS,
      ...(tls === undefined ? {} : { tls: true, ...tls }),
    },
    RESP: 2,
    name,
  });
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  client.on('error', lose);
  const options = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
  const close = (): void => client.destroy();
  try {
    await Promise.race([client.connect(), lost]);
  } catch (error) {
    close();
    throw error;
  }
  return { send: (...args) => client.sendCommand<Reply>(args, options as never), lost, close };
}
