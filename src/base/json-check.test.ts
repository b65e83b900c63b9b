import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonCheck } from './json-check.ts';

/** Given byte by byte, and as a whole. */
function isJson(bytes: Uint8Array): boolean {
  const [whole, single] = [new JsonCheck(), new JsonCheck()];
  const asWhole = whole.push(bytes) && whole.end();
  const asSingle = [...bytes].every((byte) => single.push(Uint8Array.of(byte))) && single.end();
  assert.equal(asWhole, asSingle, 'however it is cut');
  return asWhole;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const TEXTS = [
  ...[
    '1',
    '0',
    '-0',
    '01',
    '-',
    '1.',
    '.5',
    '1.5e+3',
    '1e',
    '1E9',
    '1e-',
    '-1.0e-10',
    '0.0',
    '00',
    '1 2',
    '+1',
  ],
  ...['true', 'tru', 'truee', 'nul', 'null', 'false', 'False', '', ' ', ' \n\t\r1 ', '\u00a01', '\ufeff1'],
  ...['""', '"', '"a', '"\\u00e4"', '"\\u00g4"', '"\\x"', '"\\"', '"\\\\"', '"ä€😀"', '"a\nb"', '"\\ud800"'],
  ...['[]', '[', ']', '[1', '[1]', '[1,]', '[,1]', '[1 2]', '[[],[1,[2]]]', '[}', '[1]]'],
  ...[
    '{}',
    '{',
    '{"a"}',
    '{"a":}',
    '{"a":1}',
    '{"a":1,}',
    '{a:1}',
    '{"a":1 "b":2}',
    '{"a":{"b":[1,{}]}}',
    '{1:2}',
    '{]',
  ],
];

describe('JsonCheck', () => {
  for (const text of TEXTS)
    it(`says of ${JSON.stringify(text)} what JSON.parse says`, () => {
      assert.equal(isJson(Buffer.from(text)), parses(text));
    });

  it('says of texts with one wrong byte what JSON.parse says', () => {
    const text = '{"name":[1.5e3,-2,"\\u0041\\n",true,null,{"x":{}}],"more":"ok"}';
    for (let at = 0; at < text.length; at += 1)
      for (const byte of ['"', ',', '}', '0', 'e', '\\', ' ', ':', '[']) {
        const changed = text.slice(0, at) + byte + text.slice(at + 1);
        assert.equal(isJson(Buffer.from(changed)), parses(changed), changed);
      }
  });

  it('refuses what is not UTF-8, and what is nested too deeply', () => {
    assert.equal(isJson(Buffer.from([0x22, 0xff, 0x22])), false);
    assert.equal(isJson(Buffer.from([0x22, 0xc3])), false);
    assert.equal(isJson(Buffer.from(`${'['.repeat(500)}${']'.repeat(500)}`)), true);
    assert.equal(isJson(Buffer.from(`${'['.repeat(501)}${']'.repeat(501)}`)), false);
  });
});
