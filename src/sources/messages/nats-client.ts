import type { NatsConnection } from '@nats-io/transport-node';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { Address, AddressTls } from '../../model/connection.ts';

const CONNECT_MS = 10_000;
/** How often the other side is asked for a sign; after two without an answer the connection is lost. */
const PING_MS = 20_000;
const PINGS_MAX = 2;

export interface NatsLink {
  readonly nats: NatsConnection;
  /** Rejects when the connection is lost. */
  readonly lost: Promise<never>;
  /** Sends what is still to be sent, and ends the connection. */
  close(): Promise<void>;
}

/** One connection, which is not made anew. Resolves when it is logged in. */
export async function connectNats({ url, tls }: Address, name: string): Promise<NatsLink> {
  const { connect } = await import('@nats-io/transport-node');
  const { protocol, host, hostname, username, password } = new URL(url);
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const login = user === '' ? {} : pass === '' ? { token: user } : { user, pass };
  const nats = await connect({
    ...{ servers: host, name, reconnect: false, timeout: CONNECT_MS },
    ...{ pingInterval: PING_MS, maxPingOut: PINGS_MAX, ignoreClusterUpdates: true },
    ...login,
    ...(protocol === 'tls:' || tls !== undefined ? { tls: tlsOptions(hostname, tls) } : {}),
  });
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  void nats.closed().then((error) => lose(error ?? new Error('the broker closed the connection')));
  return {
    ...{ nats, lost },
    async close() {
      await Promise.race([nats.flush(), lost]).catch(() => {});
      await nats.close().catch(() => {});
    },
  };
}

/** The client hands them on to Node's TLS, but not the host where that is an address: Node.js would look for `localhost`. */
function tlsOptions(hostname: string, tls: AddressTls | undefined): object {
  const name = tls?.servername ?? hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    ...tls,
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  };
}
