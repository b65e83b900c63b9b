import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseNetworkEntry } from './network-policy.ts';

describe('an entry of a network list', () => {
  const name = (host: string, port?: number, suffix = false) => ({ kind: 'name', host, suffix, port });
  const network = (address: string, prefix: number, port?: number) => ({
    kind: 'network',
    address,
    family: address.includes(':') ? 'ipv6' : 'ipv4',
    prefix,
    port,
  });
  const good: [string, object][] = [
    ['internet', { kind: 'internet' }],
    ['api.example.com', name('api.example.com')],
    ['API.Example.com:443', name('api.example.com', 443)],
    ['*.example.com', name('example.com', undefined, true)],
    ['localhost:5432', name('localhost', 5432)],
    ['10.0.0.5', network('10.0.0.5', 32)],
    ['10.0.0.0/8:5432', network('10.0.0.0', 8, 5432)],
    ['::1', network('::1', 128)],
    ['fd00::/8', network('fd00::', 8)],
    ['[fd00::1]:80', network('fd00::1', 128, 80)],
  ];
  for (const [text, entry] of good)
    it(`reads ${text}`, () => assert.deepEqual(parseNetworkEntry(text), entry));

  for (const text of [
    '',
    'none ',
    'http://a.b',
    'a.b:0',
    'a.b:65536',
    'a..b',
    '2130706433',
    '0x7f000001',
    '127.1',
    '10.0.0.0/33',
    '*',
    'a.*.b',
    'a b',
    'user@host',
    `${'a'.repeat(64)}.b`,
  ])
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseNetworkEntry(text), undefined));
});
