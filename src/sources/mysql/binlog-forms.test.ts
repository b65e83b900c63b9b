import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { parseEvent, parseHead } from './binlog-event.ts';
import { ByteReader } from './byte-reader.ts';
import { Checksums } from './checksums.ts';
import { readValue } from './column-value.ts';
import { gtidBytes, MariaGtids, MysqlGtids } from './gtid-state.ts';
import { parseJsonBinary } from './json-binary.ts';
import { readStatement } from './statement.ts';
import { TYPE } from './table-map.ts';

/** Forms of MySQL's that no MariaDB writes, and what must be refused. Values are of MySQL's documentation. */

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const column = { name: 'c', meta: 0, isUnsigned: false, collation: undefined, values: [] };

describe('GTIDs', () => {
  it('of MariaDB are the last of each domain', () => {
    const state = new MariaGtids('0-1-5,2-1-7');
    state.add('0-3-6');
    assert.equal(state.text(), '0-3-6,2-1-7');
    assert.throws(() => new MariaGtids('nonsense'), RangeError);
  });

  it('of MySQL are sets, in which neighbours become one', () => {
    const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
    const state = new MysqlGtids(`${uuid.toUpperCase()}:1-5:8,\n00000000-0000-0000-0000-000000000001:3`);
    for (const number of [7, 6, 12]) state.add(`${uuid}:${number}`);
    assert.equal(state.text(), `${uuid}:1-8:12,00000000-0000-0000-0000-000000000001:3`);
    assert.equal(new MysqlGtids('').text(), '');
    assert.throws(() => new MysqlGtids('x:y'), RangeError);
  });

  it('are sent to MySQL with ends that are excluded', () => {
    assert.deepEqual(
      gtidBytes(new MysqlGtids('00000000-0000-0000-0000-0000000000ff:1-5')),
      hex(
        '0100000000000000 000000000000000000000000000000ff 0100000000000000 0100000000000000 0600000000000000',
      ),
    );
  });
});

describe('JSON of MySQL', () => {
  for (const [bytes, value] of [
    ['', null],
    ['04 01', true],
    ['04 00', null],
    ['05 feff', -2],
    ['0b 000000000000f03f', 1],
    ['0c 02 c3bc', 'ü'],
    // {"a": [1, "b"], "c": null}
    [
      '00 0200 2300 1200 0100 1300 0100 02 1400 04 0000 61 63 0200 0f00 05 0100 0c 0a00 01 62 00000000',
      { a: [1, 'b'], c: null },
    ],
  ] as const)
    it(JSON.stringify(value), () => assert.deepEqual(parseJsonBinary(hex(bytes)), value));

  it('that ends too early, or nests in itself, is refused', () => {
    assert.throws(() => parseJsonBinary(hex('00 0200')), RangeError);
    assert.throws(() => parseJsonBinary(hex('02 0100 0700 02 0000')), RangeError);
    assert.throws(() => parseJsonBinary(hex('63')), RangeError);
  });
});

describe('values', () => {
  it('of times before version 5.6', () => {
    const read = (type: number, bytes: string) =>
      readValue(new ByteReader(hex(bytes)), { ...column, type }, new Map());
    assert.equal(read(TYPE.oldDatetime, '5aaf711b6b120000'), '2025-12-31T23:59:30');
    assert.equal(read(TYPE.oldTime, '3f2a 00'), '01:08:15');
    assert.equal(read(TYPE.oldTimestamp, '80000000'), '1970-01-01T00:02:08Z');
    assert.throws(() => read(200, '00'), /unknown type 200/);
  });
});

describe('events', () => {
  const event = (type: number, body: Buffer): Buffer => {
    const head = Buffer.alloc(19);
    head.writeUInt8(type, 4);
    head.writeUInt32LE(19 + body.length, 9);
    return Buffer.concat([head, body]);
  };
  const parse = (bytes: Buffer) => parseEvent(parseHead(bytes), bytes);

  it('with a GTID of MySQL', () => {
    const bytes = event(33, hex('00 3e11fa4771ca11e19e33c80aa9429562 1700000000000000'));
    assert.deepEqual(parse(bytes), {
      ...{ kind: 'gtid', isSingle: false },
      gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:23',
    });
  });

  it('of a compressed transaction', () => {
    const inner = Buffer.concat([event(16, Buffer.alloc(8)), event(29, hex('02 6869'))]);
    const packed = zstdCompressSync(inner);
    const body = Buffer.concat([hex('02 01 00 03 01'), Buffer.from([inner.length]), hex('00'), packed]);
    const payload = parse(event(40, body));
    assert.ok(payload.kind === 'payload');
    assert.deepEqual(payload.events.map(parse), [{ kind: 'xid' }, { kind: 'statement', sql: 'hi' }]);
  });

  it('that cannot be read as rows are told as such', () => {
    assert.equal(parse(event(39, Buffer.alloc(8))).kind, 'unreadable');
    assert.equal(parse(event(200, Buffer.alloc(8))).kind, 'other');
    assert.throws(() => parseHead(Buffer.alloc(5)), RangeError);
    assert.throws(() => parse(event(23, Buffer.alloc(3))), RangeError);
  });

  it('whose checksum is wrong are refused', () => {
    const checksums = new Checksums();
    const plain = event(15, Buffer.alloc(10));
    assert.equal(checksums.take(plain), plain);
    const described = event(15, Buffer.concat([Buffer.alloc(10), hex('01 00000000')]));
    assert.throws(() => checksums.take(described), /checksum is wrong/);
  });
});

describe('statements', () => {
  for (const [sql, kind] of [
    ['BEGIN', 'begin'],
    ['XA START x', 'begin'],
    ['COMMIT', 'end'],
    ['ROLLBACK', 'end'],
    ['ROLLBACK TO `a`', 'other'],
    ['/* a */ -- b\n insert into t values (1)', 'change'],
    ['ALTER TABLE t ADD c int', 'other'],
  ] as const)
    it(`${JSON.stringify(sql)} is ${kind}`, () => assert.equal(readStatement(sql, 'd').kind, kind));

  it('that change rows are ours only where they name our table', () => {
    const mentions = (sql: string, current: string): boolean => {
      const statement = readStatement(sql, current);
      return statement.kind === 'change' && statement.mentions('shop', 'rows');
    };
    assert.equal(mentions('INSERT INTO `ROWS` VALUES (1)', 'shop'), true);
    assert.equal(mentions('UPDATE shop.rows SET a = 1', 'other'), true);
    assert.equal(mentions('INSERT INTO more_rows VALUES (1)', 'shop'), false);
    assert.equal(mentions('DELETE FROM rows', 'other'), false);
  });

  it('that truncate name their table', () => {
    const read = (sql: string) => readStatement(sql, 'd');
    assert.deepEqual(read('truncate t'), { kind: 'truncate', schema: 'd', table: 't' });
    assert.deepEqual(read('TRUNCATE TABLE `o``o` . `t t`'), {
      kind: 'truncate',
      schema: 'o`o',
      table: 't t',
    });
    assert.deepEqual(read('TRUNCATE TABLE o.t /* generated */'), {
      kind: 'truncate',
      schema: 'o',
      table: 't',
    });
  });
});
