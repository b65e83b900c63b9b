import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openObjectFiles } from './object-files.ts';

test('objects are files below their bucket, and nothing else can be reached', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-objects-'));
  try {
    let minted = 0;
    const files = openObjectFiles({ folder: join(folder, 'objects'), mintUuid: () => String(minted++) });
    await writeFile(join(folder, 'secret'), 'no');
    assert.equal(await files.read('data', 'a/b.json', 100), undefined);
    assert.deepEqual(await files.list('data', '', 10), []);
    await files.write('data', 'a/b.json', '[1]');
    await files.write('data', 'a/b.json', '[1,2]');
    await files.write('data', 'c.csv', 'x');
    assert.equal(String(await files.read('data', 'a/b.json', 100)), '[1,2]');
    assert.equal(await files.read('data', 'a', 100), undefined);
    assert.deepEqual(
      (await files.list('data', '', 10)).map(({ key, bytes }) => [key, bytes]),
      [
        ['a/b.json', 5],
        ['c.csv', 1],
      ],
    );
    assert.deepEqual(
      (await files.list('data', 'c', 10)).map(({ key }) => key),
      ['c.csv'],
    );
    await assert.rejects(files.read('data', 'a/b.json', 3), { code: 'E_PAYLOAD_TOO_LARGE' });
    for (const [bucket, key] of [
      ['data', '../../secret'],
      ['..', 'secret'],
      ['data', ''],
      ['data', 'a\0b'],
    ] as const)
      await assert.rejects(files.read(bucket, key, 100), { code: 'E_BAD_REQUEST' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
