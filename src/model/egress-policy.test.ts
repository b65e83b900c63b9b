import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, it } from 'node:test';
import { EgressPolicy, withoutMapping } from './egress-policy.ts';
import type { NetworkPolicy } from './network-policy.ts';

const own = new BlockList();
own.addAddress('8.8.4.4', 'ipv4');

/** Host, what it resolves to, port. */
type Case = readonly [host: string, address: string, port: number];

function decide(policy: NetworkPolicy, [host, address, port]: Case): boolean {
  const egress = new EgressPolicy(policy);
  return egress.allowsName(host, port) && egress.allowsAddress(host, withoutMapping(address), port, own);
}

function check(policy: NetworkPolicy, allowed: readonly Case[], refused: readonly Case[]): void {
  for (const each of allowed)
    it(`lets ${each.join(' ')} pass`, () => assert.equal(decide(policy, each), true));
  for (const each of refused)
    it(`refuses ${each.join(' ')}`, () => assert.equal(decide(policy, each), false));
}

describe('the policy internet', () => {
  const notPublic = [
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.100.100.200',
    '169.254.169.254',
    '168.63.129.16',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
    'fe80::1',
    'fd00:ec2::254',
    'fc00::1',
    'ff02::1',
    '2002:7f00:1::',
    '2001::1',
    '8.8.4.4',
  ];
  check(
    'internet',
    [
      ['example.com', '93.184.215.14', 443],
      ['example.com', '2606:2800:21f:cb07::1', 25],
      ['93.184.215.14', '93.184.215.14', 80],
      ['172.15.0.1', '172.15.0.1', 80],
    ],
    [
      ...notPublic.map((address) => [address, address, 80] as const),
      ...notPublic.map((address) => ['rebound.example.com', address, 80] as const),
    ],
  );
});

describe('a list of hosts', () => {
  check(
    ['api.example.com', '*.cdn.example.com:443', '203.0.114.7:5432'],
    [
      ['api.example.com', '93.184.215.14', 8080],
      ['a.cdn.example.com', '93.184.215.14', 443],
      ['a.b.cdn.example.com', '93.184.215.14', 443],
      ['203.0.114.7', '203.0.114.7', 5432],
    ],
    [
      ['example.com', '93.184.215.14', 443],
      ['notapi.example.com', '93.184.215.14', 443],
      ['cdn.example.com', '93.184.215.14', 443],
      ['a.cdn.example.com', '93.184.215.14', 80],
      ['93.184.215.14', '93.184.215.14', 443],
      ['203.0.114.7', '203.0.114.7', 80],
      ['api.example.com', '10.0.0.1', 443],
      ['api.example.com', '169.254.169.254', 80],
    ],
  );
});

describe('a list with private networks', () => {
  check(
    ['internet', '10.0.0.0/8:5432', 'localhost:6379', 'db.internal'],
    [
      ['db.internal', '10.9.8.7', 5432],
      ['10.9.8.7', '10.9.8.7', 5432],
      ['localhost', '127.0.0.1', 6379],
      ['localhost', '::1', 6379],
      ['example.com', '93.184.215.14', 443],
    ],
    [
      ['db.internal', '10.9.8.7', 5433],
      ['localhost', '127.0.0.1', 6380],
      ['10.9.8.7', '10.9.8.7', 22],
      ['db.internal', '192.168.0.1', 5432],
    ],
  );
});

describe('the policy none', () => {
  check(
    'none',
    [],
    [
      ['example.com', '93.184.215.14', 443],
      ['127.0.0.1', '127.0.0.1', 80],
    ],
  );
});
