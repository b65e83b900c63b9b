import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Address } from '../model/connection.ts';
import { checkTls } from './check-tls.ts';
import type { ConnectionCheck, ConnectionDriver } from '../ports/connection-driver.ts';

const LOOKUP_MS_MAX = 5_000;
const CONNECT_MS_MAX = 5_000;

/** Whether the address is one, its host has a name that is known, something listens there, and its TLS holds. */
export async function checkReach(
  address: Address,
  driver: ConnectionDriver,
  clock: Clock,
): Promise<readonly ConnectionCheck[]> {
  const { url, label, tls } = address;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url))
    return [
      {
        ...{ name: 'address', ok: false, text: `The value of ${label} is not an address.` },
        fix: 'Make it one such as scheme://user:password@host:port, with special characters in user and password as %40 and the like.',
      },
    ];
  // A socket in a folder has no host, and what else is no URL is for the kind's own reader.
  if (!URL.canParse(url)) return [];
  const { protocol, hostname, port: given } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '') return [];
  const isTls = driver.tls !== undefined && (protocol === driver.tls.scheme || tls !== undefined);
  const port = given === '' ? (isTls ? driver.tls!.port : driver.port) : Number(given);
  const steps: (() => Promise<ConnectionCheck | undefined>)[] = [
    () => checkName(host, clock),
    () => checkPort(host, port, clock),
    async () => (isTls ? checkTls(address, { host, port }, clock) : undefined),
  ];
  const checks: ConnectionCheck[] = [];
  for (const step of steps) {
    const check = await step();
    if (check !== undefined) checks.push(check);
    if (check?.ok === false) break;
  }
  return checks;
}

/** `undefined`: it is no name. */
async function checkName(host: string, clock: Clock): Promise<ConnectionCheck | undefined> {
  if (isIP(host) !== 0) return undefined;
  const late = Promise.withResolvers<never>();
  const timer = clock.after(LOOKUP_MS_MAX, () =>
    late.reject(Object.assign(new Error(), { code: 'EAI_AGAIN' })),
  );
  try {
    const found = await Promise.race([lookup(host, { all: true }), late.promise]);
    return { name: 'name', ok: true, text: `${host} is ${found.map(({ address }) => address).join(', ')}.` };
  } catch (error) {
    return (error as { code?: string }).code === 'ENOTFOUND'
      ? {
          ...{ name: 'name', ok: false, text: `The name ${host} is not known.` },
          fix: 'Correct the host, or have the name known where the platform runs.',
        }
      : {
          ...{ name: 'name', ok: false, text: `The name ${host} could not be looked up.` },
          fix: 'Look at the DNS of the machine that the platform runs on.',
        };
  } finally {
    timer.cancel();
  }
}

async function checkPort(host: string, port: number, clock: Clock): Promise<ConnectionCheck> {
  const place = `${host}:${port}`;
  const ended = Promise.withResolvers<ConnectionCheck>();
  const socket = connect({ host, port });
  const timer = clock.after(CONNECT_MS_MAX, () =>
    ended.resolve({
      ...{
        name: 'reach',
        ok: false,
        text: `Nothing answers at ${place} within ${CONNECT_MS_MAX / 1_000} s.`,
      },
      fix: 'Look at the network between here and there, and its firewalls.',
    }),
  );
  socket.once('connect', () =>
    ended.resolve({ name: 'reach', ok: true, text: `Something listens at ${place}.` }),
  );
  socket.once('error', (error: NodeJS.ErrnoException) =>
    ended.resolve(
      error.code === 'ECONNREFUSED'
        ? {
            ...{ name: 'reach', ok: false, text: `Nothing listens at ${place}: the connection is refused.` },
            fix: 'Start the service, have it listen on that address, or correct host and port.',
          }
        : {
            ...{
              name: 'reach',
              ok: false,
              text: `${place} cannot be reached (${error.code ?? error.message}).`,
            },
            fix: 'Look at the network between here and there, and its firewalls.',
          },
    ),
  );
  const check = await ended.promise;
  timer.cancel();
  socket.destroy();
  return check;
}
