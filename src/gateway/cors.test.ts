import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CorsPolicy } from '../model/deployment.ts';
import { corsLines, preflightLines, withCors } from './cors.ts';

const policy: CorsPolicy = {
  origins: ['https://a.example'],
  methods: ['GET', 'PUT'],
  headers: ['content-type'],
  exposeHeaders: ['x-total'],
  credentials: false,
  maxAgeS: 600,
};

describe('CORS', () => {
  it('names an allowed origin, and tells others only that it depends on the origin', () => {
    assert.equal(
      corsLines(policy, 'https://a.example'),
      'access-control-allow-origin: https://a.example\r\nvary: origin\r\naccess-control-expose-headers: x-total\r\n',
    );
    assert.equal(corsLines(policy, 'https://b.example'), 'vary: origin\r\n');
    assert.equal(corsLines(policy, undefined), 'vary: origin\r\n');
    assert.equal(corsLines(undefined, 'https://a.example'), '');
  });

  it('answers a wildcard with a wildcard, except beside credentials', () => {
    const open = { ...policy, origins: ['*'], exposeHeaders: [] };
    assert.equal(corsLines(open, 'https://b.example'), 'access-control-allow-origin: *\r\nvary: origin\r\n');
    assert.equal(
      corsLines({ ...open, credentials: true }, 'https://b.example'),
      'access-control-allow-origin: https://b.example\r\naccess-control-allow-credentials: true\r\nvary: origin\r\n',
    );
  });

  it('answers a preflight with methods, headers and age', () => {
    assert.equal(
      preflightLines(policy, 'https://a.example'),
      'access-control-allow-origin: https://a.example\r\nvary: origin\r\naccess-control-allow-methods: GET, PUT\r\naccess-control-allow-headers: content-type\r\naccess-control-max-age: 600\r\n',
    );
    assert.equal(preflightLines(policy, 'https://b.example'), 'vary: origin\r\n');
  });

  it('replaces what the function says of it', () => {
    const block = 'a: b\r\nAccess-Control-Allow-Origin: *\r\nvary: accept\r\nc: d\r\n';
    assert.equal(
      withCors(block, 'access-control-allow-origin: x\r\n'),
      'a: b\r\nvary: accept\r\nc: d\r\naccess-control-allow-origin: x\r\n',
    );
    assert.equal(withCors(block, ''), block);
  });
});
