import { isIP } from 'node:net';

/**
 * What a function may connect to. `internet`: every public address. A list: the hosts in it, where `internet` may be
 * one of the entries. What is not public (this machine, private networks, link-local metadata services) is reachable
 * only where an entry names its address or network.
 */
export type NetworkPolicy = 'none' | 'internet' | readonly string[];

/** Entries of one list. */
export const NETWORK_ENTRIES_MAX = 100;

export const NETWORK_ENTRY_EXPECTED =
  '`internet`, a host (`api.example.com`, `*.example.com`), an address (`10.0.0.5`) or a network (`10.0.0.0/8`), with or without a port (`db.internal:5432`, `[fd00::1]:80`)';

const HOST_NAME = /^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/;
const HOST_BYTES_MAX = 253;
const PORT_MAX = 65_535;

export type NetworkEntry =
  | { readonly kind: 'internet' }
  /** `suffix`: the host is a domain whose subdomains are meant. `port` undefined: every port. */
  | {
      readonly kind: 'name';
      readonly host: string;
      readonly suffix: boolean;
      readonly port: number | undefined;
    }
  | {
      readonly kind: 'network';
      readonly address: string;
      readonly family: 'ipv4' | 'ipv6';
      readonly prefix: number;
      readonly port: number | undefined;
    };

/** `undefined` when the text is not an entry. */
export function parseNetworkEntry(text: string): NetworkEntry | undefined {
  if (text === 'internet') return { kind: 'internet' };
  const match =
    /^(?:\[([^\]]+)\]|([^:]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:./]*))(?::(\d{1,5}))?$/.exec(text);
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase();
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  if (host === '' || (port !== undefined && (port < 1 || port > PORT_MAX))) return undefined;
  const [address = '', prefixText] = host.split('/');
  const version = isIP(address);
  if (version !== 0) {
    const bits = version === 4 ? 32 : 128;
    const prefix = prefixText === undefined ? bits : Number(prefixText);
    if (!/^\d{1,3}$/.test(prefixText ?? '0') || prefix > bits) return undefined;
    return { kind: 'network', address, family: version === 4 ? 'ipv4' : 'ipv6', prefix, port };
  }
  // A last label of digits alone is an address in another notation, never a name.
  if (!HOST_NAME.test(host) || host.length > HOST_BYTES_MAX || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(host))
    return undefined;
  return host.startsWith('*.')
    ? { kind: 'name', host: host.slice(2), suffix: true, port }
    : { kind: 'name', host, suffix: false, port };
}
