import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '../../base/random.ts';
import { toJsonValue } from './column-value.ts';
import { parseMessage } from './pgoutput.ts';
import { toChangeEvent } from './row-event.ts';
import { CLOUD_EVENT_BYTES_MAX, encodeCloudEvent, parseCloudEvent } from '../../model/cloud-event.ts';

/** What no server of ours sends: broken bytes, huge rows, strange names. test/table.test.ts has what servers send. */

const NONE = new Set<number>();
const relation = {
  ...{ id: 1, schema: 'public', table: 'odd "name"', identity: 'd' },
  columns: [
    { name: '__proto__', type: 25, isKey: true },
    { name: 'large', type: 25, isKey: false },
    { name: 'small', type: 23, isKey: false },
  ],
};
const place = { trigger: 'shop/t', slot: 's', lsn: '0/1', index: 0, timeMs: 0, xid: 7, depth: 0 };

describe('messages of pgoutput', () => {
  it('are read or refused, whatever the bytes', () => {
    const random = createSeededRandom(7);
    let refused = 0;
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Buffer.from(random.bytes(1 + Math.floor(random.fraction() * 60)));
      bytes[0] = 'BCRIUDTMYO'.charCodeAt(Math.floor(random.fraction() * 10));
      try {
        parseMessage(bytes);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
        refused += 1;
      }
    }
    assert.ok(refused > 1_000);
  });
});

describe('an event of a changed row', () => {
  it('leaves out the largest values when it would be too large, and says which', () => {
    const text = 'é'.repeat(CLOUD_EVENT_BYTES_MAX);
    const event = toChangeEvent(
      {
        ...{ action: 'update', relation, primaryKey: new Set<string>(), bytes: 2 * text.length },
        new: ['a/b,ü\u0001', text, '3'],
        old: { whole: true, tuple: ['a', text, '2'] },
      },
      place,
      NONE,
    );
    const data = event.data as Record<string, Record<string, unknown>>;
    assert.deepEqual(data.omitted, ['old.large', 'large']);
    assert.deepEqual([data.new!.small, data.old!.small], [3, 2]);
    assert.equal(Object.entries(data.new!)[0]![1], 'a/b,ü\u0001');
    assert.equal(event.subject, 'public.odd%20%22name%22/a');
    assert.deepEqual(parseCloudEvent(JSON.parse(encodeCloudEvent(event).toString())).id, 's/0/1/0');
  });
});

describe('values', () => {
  for (const [text, type, expected] of [
    ['[0:1]={1,2}', 1007, [1, 2]],
    ['{}', 1009, []],
    ['{"a,\\\\b","NULL",NULL}', 1009, ['a,\\b', 'NULL', null]],
    ['{x}', 99_999, '{x}'],
    ['2026-01-01 00:00:00+00 BC', 1184, '2026-01-01 00:00:00+00 BC'],
    ['-Infinity', 701, '-Infinity'],
  ] as const)
    it(`${text} of type ${type}`, () => {
      assert.deepEqual(toJsonValue(text, type, NONE), expected);
    });

  it('that are no arrays are refused', () => {
    for (const text of ['{1', '{"', '{{1}', 'x', '{1}x{'])
      assert.throws(() => toJsonValue(text, 1007, NONE), RangeError, text);
  });
});
