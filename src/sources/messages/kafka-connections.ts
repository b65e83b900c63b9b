import { subscribe } from 'node:diagnostics_channel';
import type { Base, Connection } from '@platformatic/kafka';
import { type Clock, delay } from '../../base/clock.ts';

/*
 * What the client of Kafka leaves open around its connections.
 *
 * A connection whose broker dies while it logs in tells of its failure twice, and its pool listens once: the second would
 * be an exception that nobody catches, in the midst of telling those who wait for answers, who would then wait for
 * ever. And a pool forgets a connection when the one before it ends late, so that closing the client does not close it.
 *
 * So each connection is known here from the moment that it is made, which the client says on a channel of diagnostics.
 */

const INSTANCES = 'plt:kafka:instances';
/** For leaving the group; a broker that is away has forgotten the member soon anyway. */
const LEAVE_MS = 3_000;

/** By the client that they belong to. */
const connections = new Map<number, Set<Connection>>();
let isWatching = false;

/** The client's module, which is loaded when the first trigger or sender needs it. */
export function loadKafka(): Promise<typeof import('@platformatic/kafka')> {
  if (!isWatching) subscribe(INSTANCES, (message) => know(message as { type: string; instance: unknown }));
  isWatching = true;
  return import('@platformatic/kafka');
}

function know({ type, instance }: { readonly type: string; readonly instance: unknown }): void {
  if (type !== 'connection') return;
  const connection = instance as Connection;
  const owner = connection.ownerId;
  // Whoever asked for the connection is told of its failure by the pool; nothing uses it after that.
  connection.on('error', () => connection.socket?.destroy());
  if (owner === undefined) return;
  const known = connections.get(owner) ?? new Set();
  connections.set(owner, known.add(connection));
  connection.once('close', () => known.delete(connection));
  for (const each of known) if (each.socket?.destroyed === true) known.delete(each);
}

/** Ends in time and leaves no connection open, whatever the broker does. */
export async function closeKafka(clock: Clock, client: Base, closing: Promise<void>): Promise<void> {
  await Promise.race([closing, delay(clock, LEAVE_MS)]).catch(() => {});
  for (const { socket } of connections.get(client.instanceId) ?? []) socket?.destroy();
  connections.delete(client.instanceId);
}
