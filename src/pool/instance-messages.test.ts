import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '../base/random.ts';
import { CALL_HEAD_BYTES_MAX } from '../model/frames.ts';
import { parseCall, parseFailure, parseLog, parseReady } from './instance-messages.ts';

function callOf(stream: number, head: unknown, body = '', headBytes?: number): Buffer {
  const text = Buffer.from(typeof head === 'string' ? head : JSON.stringify(head));
  const fixed = Buffer.alloc(8);
  fixed.writeUInt32LE(stream, 0);
  fixed.writeUInt32LE(headBytes ?? text.length, 4);
  return Buffer.concat([fixed, text, Buffer.from(body)]);
}

describe('the opening of a call', () => {
  it('gives stream, operation, arguments and the beginning of the payload', () => {
    const call = parseCall(callOf(7, { operation: 'invoke', args: { function: 'a', ü: [1] } }, '{"x":1}'))!;
    assert.deepEqual(
      [call.invocationStream, call.head, call.body.toString()],
      [7, { operation: 'invoke', args: { function: 'a', ü: [1] } }, '{"x":1}'],
    );
  });

  it('is refused when a part is missing, too long or of the wrong kind', () => {
    const good = { operation: 'invoke', args: {} };
    const wrong = [
      Buffer.alloc(0),
      Buffer.alloc(7),
      callOf(1, good, '', 9_999),
      callOf(1, '{"operation":'),
      callOf(1, []),
      callOf(1, { operation: 'invoke' }),
      callOf(1, { operation: 7, args: {} }),
      callOf(1, { operation: 'x'.repeat(65), args: {} }),
      callOf(1, { operation: 'invoke', args: 'none' }),
      callOf(1, { operation: 'invoke', args: { long: 'x'.repeat(CALL_HEAD_BYTES_MAX) } }),
    ];
    for (const [at, bytes] of wrong.entries()) assert.equal(parseCall(bytes), undefined, `case ${at}`);
  });
});

describe('whatever an instance says', () => {
  it('is read or refused, and nothing throws', () => {
    const random = createSeededRandom(11);
    const samples = [
      callOf(1, { operation: 'invoke', args: { __proto__: null } }, 'body'),
      Buffer.from('{"code":"E_FUNCTION_ERROR","errorType":"T","errorMessage":"m","stackTrace":["s"]}'),
      Buffer.from('{"protocol":1,"handlerKind":"lambda","upgrades":true}'),
      Buffer.concat([Buffer.from([1, 4]), Buffer.alloc(8), Buffer.from('a line')]),
    ];
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Buffer.from(samples[round % samples.length]!);
      // A few bytes are changed, and the end is cut off.
      for (let change = 0; change < 1 + (round % 4); change += 1) {
        const at = Math.floor(random.fraction() * bytes.length);
        bytes[at] = Math.floor(random.fraction() * 256);
      }
      const cut = bytes.subarray(0, Math.ceil(random.fraction() * bytes.length));
      for (const parse of [parseCall, parseFailure, parseReady, parseLog]) {
        parse(bytes);
        parse(cut);
      }
    }
  });
});
