import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** The addresses that this machine has now, public ones too. */
export function ownAddresses(): BlockList {
  const own = new BlockList();
  for (const list of Object.values(networkInterfaces()))
    for (const { address } of list ?? []) own.addAddress(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  return own;
}

/** What AWS' clients make of localhost for calls that wait (docs/asl.md). Nobody else can have a name without a dot. */
export const AWS_SYNC_HOST = 'sync-localhost';
