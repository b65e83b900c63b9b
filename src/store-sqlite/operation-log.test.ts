import assert from 'node:assert/strict';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { LambentError } from '../base/errors.ts';
import type { Request } from './group-commit.ts';
import { LOG_BYTES, LOG_FILE, OperationLog } from './operation-log.ts';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0).reverse()) end();
});

function open(folder = mkdtempSync(join(tmpdir(), 'lambent-log-'))): { folder: string; log: OperationLog } {
  const log = new OperationLog(folder);
  endings.push(() => {
    log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, log };
}

const group = (...texts: string[]): Request[] =>
  texts.map((text, id) => ({ id, name: 'add', args: [text, 1] }));

/** Changes one byte of the file. */
function damage(folder: string, at: number): void {
  const path = join(folder, LOG_FILE);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from([readFileSync(path)[at]! ^ 0xff]), 0, 1, at);
  closeSync(file);
}

describe('the operation log', () => {
  it('gives back the groups of an epoch in order, also to another process', () => {
    const { folder, log } = open();
    assert.deepEqual(log.read(7), []);
    assert.equal(log.append(7, group('ä', '\u{1f600}')), true);
    assert.equal(log.append(7, group('b')), true);
    assert.deepEqual(new OperationLog(folder).read(7), [group('ä', '\u{1f600}'), group('b')]);
    assert.equal(log.groups, 2);
    assert.equal(statSync(join(folder, LOG_FILE)).size, LOG_BYTES);
  });

  it('gives back nothing of an epoch that is over, wherever its records end', () => {
    const { folder, log } = open();
    for (const text of ['a', 'b', 'c']) log.append(1, group(text));
    log.clear();
    assert.deepEqual(log.read(2), []);
    log.append(2, group('d'));
    assert.deepEqual([log.read(1), log.read(2)], [[], [group('d')]]);
    log.clear();
    log.append(3, group('longer than the others'));
    assert.deepEqual([log.read(2), log.read(3)], [[], [group('longer than the others')]]);
    log.close();
    // The file is used as it is.
    const { log: next } = open(folder);
    next.append(4, group('e'));
    assert.deepEqual([next.read(3), next.read(4)], [[], [group('e')]]);
  });

  it('gives back what is before a record that is not whole, byte for byte', () => {
    const { folder, log } = open();
    log.append(1, group('first'));
    const size = 32 + JSON.stringify([['add', 'first', 1]]).length;
    log.append(1, group('again'));
    for (let at = size; at < 2 * size; at += 1) {
      damage(folder, at);
      assert.deepEqual(log.read(1), [group('first')], `byte ${at - size}`);
      damage(folder, at);
    }
    assert.deepEqual(log.read(1), [group('first'), group('again')]);
  });

  it('refuses what another version wrote, if it is of this epoch', () => {
    const { folder, log } = open();
    log.append(1, group('a'));
    const record = readFileSync(join(folder, LOG_FILE)).subarray(
      0,
      32 + JSON.stringify([['add', 'a', 1]]).length,
    );
    record.writeUInt32LE(2, 8);
    record.writeUInt32LE(crc32(record.subarray(8)), 4);
    const file = openSync(join(folder, LOG_FILE), 'r+');
    writeSync(file, record, 0, record.length, 0);
    closeSync(file);
    assert.throws(
      () => log.read(1),
      (thrown) => thrown instanceof LambentError && thrown.code === 'E_STORE_NEWER',
    );
    assert.deepEqual(log.read(2), []);
  });

  it('takes no group that has no room, and again when it was cleared', () => {
    const { log } = open();
    const half = 'x'.repeat(LOG_BYTES / 2 - 100);
    assert.deepEqual(
      [log.append(1, group(half)), log.append(1, group(half)), log.append(1, group(half))],
      [true, true, false],
    );
    assert.equal(log.read(1).length, 2);
    log.clear();
    assert.equal(log.append(2, group(half)), true);
    assert.equal(log.append(3, group('x'.repeat(LOG_BYTES))), false);
  });

  it('takes nothing any more once the disk refused it', () => {
    const { folder, log } = open();
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'no folder');
    assert.throws(() => log.append(1, group('a')));
    assert.equal(log.append(1, group('a')), false);
    assert.equal(log.groups, 0);
  });
});
