import assert from 'node:assert/strict';
import { it } from 'node:test';
import { proxiesOnly } from './go-toolchain.ts';

it('uploads are built with the proxies of a setting, and never with hosts of their own', () => {
  for (const [setting, proxies] of [
    ['https://a.test,direct', 'https://a.test'],
    ['https://a.test|https://b.test,direct', 'https://a.test|https://b.test'],
    ['https://a.test|direct|https://b.test', 'https://a.test|https://b.test'],
    ['direct,https://a.test', 'https://a.test'],
    ['https://a.test/direct, direct ', 'https://a.test/direct'],
    ['file:///modules', 'file:///modules'],
    ['direct', 'off'],
    ['off', 'off'],
    ['', 'off'],
  ] as const)
    assert.equal(proxiesOnly(setting), proxies, setting);
});
