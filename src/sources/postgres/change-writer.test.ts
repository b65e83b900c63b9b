import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom, type Random } from '../../base/random.ts';
import { encodeCloudEvent } from '../../model/cloud-event.ts';
import type { SealedEvent } from '../../model/sealed-event.ts';
import { ChangeWriter } from './change-writer.ts';
import { type Column, parseMessage, type Relation } from './pgoutput.ts';
import { toChangeEvent, type TransactionPlace } from './row-event.ts';

/** The short way must write what the long way writes, byte for byte, or leave the change to it. */

const TYPES: Readonly<Record<number, readonly string[]>> = {
  25: ['', 'plain', 'a "quoted\\ one"\n', 'größe ☃ 🙂', '\u0000\u007f', 'x'.repeat(300), "a/b,c d!*'()"],
  23: ['0', '-12', '2147483647'],
  20: ['9007199254740993', '-1'],
  16: ['t', 'f'],
  701: ['1.5', 'NaN', '-Infinity', '1e+300', '-0'],
  1700: ['12.50', 'NaN'],
  3802: ['{"a": [1, null]}', 'null', '"t"'],
  17: ['\\x00ff', '\\x'],
  1184: [
    '2026-01-31 12:00:00.123456+00',
    '2026-01-31 12:00:00+00',
    'infinity',
    '0044-03-15 00:00:00+00 BC',
    '12026-01-31 12:00:00+00',
  ],
  1114: ['2026-01-31 12:00:00', '2026-01-31 12:00:00.5', '2026-01-31 ', '12026-01-31 12:00:00', '-infinity'],
  1007: ['{1,NULL,3}', '{{1},{2}}', '{}'],
  2950: ['0b2f1f9e-7a2e-4c39-9b5e-0d1f6a1c2d3e'],
  // Of the database's own: an array, and one that is none.
  90001: ['{a,"b c"}'],
  90002: ['mood'],
};
const ARRAY_TYPES = new Set([90001]);
const NAMES = ['id', 'naïve "name"', '__proto__', 'a', 'b', 'c', 'd'];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random.fraction() * items.length)]!;
}

function makeRelation(random: Random): Relation {
  const count = 1 + Math.floor(random.fraction() * NAMES.length);
  const columns = NAMES.slice(0, count).map(
    (name): Column => ({
      name,
      type: Number(pick(random, Object.keys(TYPES))),
      isKey: random.fraction() < 0.4,
    }),
  );
  const schema = pick(random, ['public', 'odd schema']);
  return {
    id: 7,
    schema,
    table: pick(random, ['orders', 'Ünü"']),
    identity: pick(random, ['d', 'f', 'n']),
    columns,
  };
}

function makeTuple(random: Random, { columns }: Relation, isSent: boolean): Buffer {
  const parts: Buffer[] = [Buffer.from([0, columns.length])];
  for (const { type } of columns) {
    const drawn = random.fraction();
    if (drawn < 0.1) parts.push(Buffer.from('n'));
    else if (drawn < 0.15 && !isSent) parts.push(Buffer.from('u'));
    else {
      const value = Buffer.from(pick(random, TYPES[type]!));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(value.length);
      parts.push(Buffer.from('t'), length, value);
    }
  }
  return Buffer.concat(parts);
}

function makeChange(random: Random, relation: Relation): Buffer {
  const kind = pick(random, ['I', 'U', 'D']);
  const isOldSent = kind === 'D' || (kind === 'U' && random.fraction() < 0.6);
  const old = [Buffer.from(pick(random, ['K', 'O'])), makeTuple(random, relation, random.fraction() < 0.8)];
  const next = [Buffer.from('N'), makeTuple(random, relation, kind === 'I')];
  return Buffer.concat([
    Buffer.from(kind),
    Buffer.from([0, 0, 0, relation.id]),
    ...(isOldSent ? old : []),
    ...(kind === 'D' ? [] : next),
  ]);
}

function theLongWay(
  message: Buffer,
  relation: Relation,
  primaryKey: ReadonlySet<string>,
  place: TransactionPlace,
) {
  const parsed = parseMessage(message);
  assert.ok(parsed.kind === 'insert' || parsed.kind === 'update' || parsed.kind === 'delete');
  return toChangeEvent(
    {
      ...{ action: parsed.kind, relation, primaryKey, bytes: message.length },
      new: 'new' in parsed ? parsed.new : undefined,
      old: 'old' in parsed ? parsed.old : undefined,
    },
    place,
    ARRAY_TYPES,
  );
}

/** As it comes: with others before and behind it. */
function written(
  writer: ChangeWriter,
  message: Buffer,
  relation: Relation,
  place: TransactionPlace,
): SealedEvent | undefined {
  const [before, behind] = [Buffer.from('Nt\0'), Buffer.from('t\0\0\0\u0001xN\0\u0001n')];
  const bytes = Buffer.concat([before, message, behind]);
  return writer.write(bytes, before.length, before.length + message.length, relation, place);
}

describe('the short way of a changed row', () => {
  it('writes what the long way writes, of any row that it takes', () => {
    const random = createSeededRandom(11);
    let taken = 0;
    for (let table = 0; table < 400; table += 1) {
      const relation = makeRelation(random);
      const primaryKey = new Set(
        random.fraction() < 0.5 ? relation.columns.slice(0, 2).map(({ name }) => name) : [],
      );
      const writer = new ChangeWriter('shop/t', 'slot_1', primaryKey, ARRAY_TYPES);
      for (let index = 0; index < 25; index += 1) {
        const place: TransactionPlace = {
          ...{ trigger: 'shop/t', slot: 'slot_1', lsn: `0/${Math.floor(index / 10)}`, index },
          ...{ timeMs: 1_800_000_000_123, xid: 77, depth: index % 10 < 5 ? 0 : 3 },
        };
        const message = makeChange(random, relation);
        const sealed = written(writer, message, relation, place);
        if (sealed === undefined) continue;
        taken += 1;
        const event = theLongWay(message, relation, primaryKey, place);
        assert.equal(Buffer.from(sealed.text).toString(), encodeCloudEvent(event).toString());
        const { id, source, type, subject } = event;
        assert.deepEqual(
          { id: sealed.id, source: sealed.source, type: sealed.type, subject: sealed.subject },
          { id, source, type, subject },
        );
      }
    }
    assert.ok(taken > 7_000, `${taken} were taken`);
  });

  it('leaves to the long way what is large, and bytes that are no change', () => {
    const relation: Relation = {
      ...{ id: 7, schema: 'public', table: 'orders', identity: 'd' },
      columns: [{ name: 'id', type: 25, isKey: true }],
    };
    const writer = new ChangeWriter('shop/t', 's', new Set(['id']), ARRAY_TYPES);
    const place = { trigger: 'shop/t', slot: 's', lsn: '0/1', index: 0, timeMs: 0, xid: 1, depth: 0 };
    const insert = (text: string): Buffer => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      return Buffer.concat([Buffer.from('I\0\0\0\u0007N\0\u0001t'), length, Buffer.from(text)]);
    };
    assert.notEqual(written(writer, insert('1'), relation, place), undefined);
    assert.equal(written(writer, insert('x'.repeat(70_000)), relation, place), undefined);
    assert.equal(
      written(writer, insert('x'.repeat(2_000)), relation, place),
      undefined,
      'a key that is digested',
    );
    const random = createSeededRandom(5);
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Buffer.concat([
        insert('abc').subarray(0, Math.floor(random.fraction() * 16)),
        random.bytes(9),
      ]);
      bytes[0] = 'IUDTRM'.charCodeAt(Math.floor(random.fraction() * 6));
      const sealed = written(writer, bytes, relation, place);
      if (sealed !== undefined) assert.equal(sealed.parsed.id, 's/0/1/0');
    }
  });

  it('lets no event change while the next are written', () => {
    const relation: Relation = {
      ...{ id: 7, schema: 'public', table: 'orders', identity: 'd' },
      columns: [
        { name: 'id', type: 23, isKey: true },
        { name: 'note', type: 25, isKey: false },
      ],
    };
    const writer = new ChangeWriter('shop/t', 's', new Set(['id']), ARRAY_TYPES);
    const note = 'n'.repeat(5_000);
    const sealed = Array.from({ length: 50 }, (_, index) => {
      const parts = [String(index), note].map((value) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(value.length);
        return Buffer.concat([Buffer.from('t'), length, Buffer.from(value)]);
      });
      const message = Buffer.concat([Buffer.from('I\0\0\0\u0007N\0\u0002'), ...parts]);
      const place = { trigger: 'shop/t', slot: 's', lsn: '0/1', index, timeMs: 0, xid: 1, depth: 0 };
      return written(writer, message, relation, place)!;
    });
    sealed.forEach((each, at) => {
      const data = each.parsed.data as { new: { id: number; note: string } };
      assert.deepEqual([each.parsed.id, data.new.id, data.new.note], [`s/0/1/${at}`, at, note]);
    });
  });
});
