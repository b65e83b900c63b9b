import { isIP } from 'node:net';

/** An address as a number, with its width: 32 bits for IPv4, 128 for IPv6. */
export interface IpAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** Addresses that share their first bits. */
export interface IpRange {
  readonly bits: 32 | 128;
  readonly first: bigint;
  readonly last: bigint;
}

/** `undefined`: the text is no address. */
export function parseIpAddress(text: string): IpAddress | undefined {
  switch (isIP(text)) {
    case 4:
      return { bits: 32, value: valueOfV4(text) };
    case 6:
      return text.includes('%') ? undefined : { bits: 128, value: valueOfV6(text) };
    default:
      return undefined;
  }
}

/** `10.0.0.0/24`, `2001:db8::/32`. `undefined`: the text is no range. */
export function parseIpRange(text: string): IpRange | undefined {
  const parts = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = parts === null ? undefined : parseIpAddress(parts[1]!);
  const prefix = Number(parts?.[2]);
  if (address === undefined || prefix > address.bits) return undefined;
  const size = 1n << BigInt(address.bits - prefix);
  const first = (address.value / size) * size;
  return { bits: address.bits, first, last: first + size - 1n };
}

export function isInRange(range: IpRange, address: IpAddress): boolean {
  return range.bits === address.bits && address.value >= range.first && address.value <= range.last;
}

function valueOfV4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function valueOfV6(text: string): bigint {
  // An IPv4 address at the end stands for the last two groups.
  const dotted = /(?<=:)[\d.]+$/.exec(text)?.[0];
  const plain =
    dotted === undefined || !dotted.includes('.')
      ? text
      : text.slice(0, -dotted.length) + groupsOf(valueOfV4(dotted));
  const [head = '', tail] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function groupsOf(value: bigint): string {
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}
