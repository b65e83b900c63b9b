import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { createSeededRandom } from '../base/random.ts';
import { AsciiFolded, ByteReader, ByteWriter } from './byte-columns.ts';

function roundTrip(values: readonly number[]): { bytes: number; values: number[]; single: number[] } {
  const writer = new ByteWriter();
  writer.numbers(Float64Array.from(values));
  const bytes = writer.finish();
  const column = new ByteReader(new Uint8Array(bytes)).numbers(values.length);
  const single = values.map((_, row) => column.at(row));
  return { bytes: bytes.byteLength, values: [...column.values()], single };
}

const HEADER_BYTES = 16;
const up = <Item = number>(count: number, step: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, i) => step(i));

describe('columns of numbers', () => {
  const cases: [name: string, values: number[], bytesAValue: number][] = [
    ['none', [], 0],
    ['one', [7], 0],
    ['constant', up(1_000, () => 1_800_000_000_000.5), 0],
    ['a ramp', up(1_000, (i) => 5_000_000_000 + i), 0],
    ['a span of a byte', up(1_000, (i) => 1_800_000_000_000 + ((i * 7) % 256)), 1],
    ['a span of two bytes', up(1_000, (i) => -40_000 + ((i * 7_919) % 65_536)), 2],
    ['a span of four bytes', up(1_000, (i) => (i * 4_294_967) % 4_294_967_296), 4],
    ['a wider span', up(1_000, (i) => i * 8_589_934_592 + (i % 3)), 8],
    ['fractions', up(1_000, (i) => i / 3), 8],
    ['extremes', [0, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, Number.MAX_VALUE], 8],
    ['the border of a byte', [0, 255], 1],
    ['beyond it', [0, 256], 2],
    ['the border of four bytes', [0, 0xffff_ffff], 4],
    ['beyond that', [0, 0x1_0000_0000], 8],
  ];
  for (const [name, values, bytesAValue] of cases) {
    it(`keep ${name}`, () => {
      const result = roundTrip(values);
      assert.deepEqual(result.values, values);
      assert.deepEqual(result.single, values);
      assert.equal(result.bytes, HEADER_BYTES + Math.ceil((bytesAValue * values.length) / 8) * 8);
    });
  }

  it('keep one another apart, at whatever offset', () => {
    const random = createSeededRandom(3);
    const columns = up(50, () =>
      up(Math.floor(random.fraction() * 40), () => Math.floor(random.fraction() * 300)),
    );
    const writer = new ByteWriter();
    for (const column of columns) writer.numbers(Float64Array.from(column));
    // One byte off, as bytes from anywhere may be.
    const shifted = new Uint8Array(writer.finish().byteLength + 1);
    shifted.set(writer.finish(), 1);
    const reader = new ByteReader(shifted.subarray(1));
    for (const column of columns) assert.deepEqual([...reader.numbers(column.length).values()], column);
  });

  it('that are cut short or of an unknown kind are damage', () => {
    const writer = new ByteWriter();
    writer.numbers(Float64Array.from([1, 5, 3]));
    const bytes = new Uint8Array(writer.finish());
    const isDamage = (thrown: unknown): boolean =>
      thrown instanceof LambentError && thrown.code === 'E_STORE_DAMAGED';
    assert.throws(() => new ByteReader(bytes.slice(0, 12)).numbers(3), isDamage);
    assert.throws(() => new ByteReader(bytes).numbers(30), isDamage);
    bytes[0] = 99;
    assert.throws(() => new ByteReader(bytes).numbers(3), isDamage);
  });
});

describe('tables of strings', () => {
  const read = (values: string[]) => {
    const writer = new ByteWriter();
    writer.u32(1);
    writer.strings(values);
    writer.strings(['after']);
    const reader = new ByteReader(new Uint8Array(writer.finish()));
    assert.equal(reader.u32(), 1);
    const table = reader.strings();
    assert.equal(reader.strings().at(0), 'after');
    return table;
  };

  it('keep texts of every sort', () => {
    const values = ['', 'plain', 'größer', '', '☃', '𝄞'.repeat(100), 'line\nbreak\u0000null', ''];
    assert.deepEqual(read(values).all(), values);
    assert.deepEqual(read([]).all(), []);
    assert.equal(read(values).at(2), 'größer');
  });

  it('find a text as a look at each string does', () => {
    const random = createSeededRandom(11);
    const letters = [...'aAbBzZ09/%ßÀàé☃𝄞'];
    const text = (most: number): string =>
      up(Math.floor(random.fraction() * most), () => 0)
        .map(() => letters[Math.floor(random.fraction() * letters.length)])
        .join('');
    for (let round = 0; round < 200; round += 1) {
      const values = up(30, () => 0).map(() => text(12));
      const needle = text(4);
      const fold = (value: string): string => value.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
      assert.deepEqual(
        [...read(values).matches(new AsciiFolded(needle))],
        values.map((value) => (fold(value).includes(fold(needle)) ? 1 : 0)),
        JSON.stringify({ values, needle }),
      );
    }
  });
});
