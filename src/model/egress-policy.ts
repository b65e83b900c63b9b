import { BlockList, isIP } from 'node:net';
import { type NetworkEntry, type NetworkPolicy, parseNetworkEntry } from './network-policy.ts';

/**
 * Addresses that are not the public internet: this machine, private and shared networks, link-local ones with the
 * metadata services of clouds, and those that lead to any of them in disguise (IANA's special-purpose registries).
 */
const NOT_PUBLIC: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // The host agent of Azure, at a public address.
  ['168.63.129.16', 32],
  // IPv6: only 2000::/3 is given out, and in it these are not what they seem.
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
];

/** One list a family: a list takes an IPv4 address for the IPv6 address that stands for it, and `::/3` holds them all. */
const notPublic = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [network, prefix] of NOT_PUBLIC)
  notPublic[familyOf(network)].addSubnet(network, prefix, familyOf(network));

type NetworkOfAddresses = Extract<NetworkEntry, { kind: 'network' }>;

const LOOPBACK: readonly NetworkOfAddresses[] = [
  { kind: 'network', address: '127.0.0.0', family: 'ipv4', prefix: 8, port: undefined },
  { kind: 'network', address: '::1', family: 'ipv6', prefix: 128, port: undefined },
];

interface AddressGrant {
  readonly family: 'ipv4' | 'ipv6';
  readonly block: BlockList;
  readonly port: number | undefined;
}

/** Where one function or state machine may connect to, ready to be asked. */
export class EgressPolicy {
  readonly #internet: boolean;
  readonly #names: readonly Extract<NetworkEntry, { kind: 'name' }>[];
  readonly #addresses: readonly AddressGrant[];

  constructor(policy: NetworkPolicy) {
    const entries = (typeof policy === 'string' ? [policy] : policy)
      .map((text) => parseNetworkEntry(text))
      .filter((entry): entry is NetworkEntry => entry !== undefined);
    this.#internet = policy !== 'none' && entries.some((entry) => entry.kind === 'internet');
    this.#names = policy === 'none' ? [] : entries.filter((entry) => entry.kind === 'name');
    this.#addresses = entries.flatMap((entry) => {
      if (entry.kind === 'network') return [grantOf(entry, entry.port)];
      // `localhost` names addresses, whatever a resolver says of it.
      if (entry.kind === 'name' && !entry.suffix && entry.host === 'localhost')
        return LOOPBACK.map((loopback) => grantOf(loopback, entry.port));
      return [];
    });
  }

  /** Whether a name may be asked for at all: names that are not allowed are not even resolved. */
  allowsName(host: string, port: number): boolean {
    if (this.#internet) return true;
    if (isIP(host) !== 0) return true;
    return this.#names.some(
      (entry) =>
        (entry.port === undefined || entry.port === port) &&
        (entry.suffix ? host.endsWith(`.${entry.host}`) : host === entry.host),
    );
  }

  /** Whether an address, after resolving, may be connected to. `own`: addresses of this machine. */
  allowsAddress(host: string, address: string, port: number, own: BlockList): boolean {
    const family = familyOf(address);
    const granted = this.#addresses.some(
      (grant) =>
        grant.family === family &&
        (grant.port === undefined || grant.port === port) &&
        grant.block.check(address, family),
    );
    if (granted) return true;
    if (notPublic[family].check(address, family) || own.check(address, family)) return false;
    // An address by itself is not a name that a list allows.
    return this.#internet || isIP(host) === 0;
  }
}

function grantOf({ address, prefix, family }: NetworkOfAddresses, port: number | undefined): AddressGrant {
  const block = new BlockList();
  block.addSubnet(address, prefix, family);
  return { block, family, port };
}

export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** `::ffff:10.0.0.1` as `10.0.0.1`: the same host, and the same rules. */
export function withoutMapping(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  return mapped ?? address;
}
