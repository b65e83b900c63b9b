import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LARGE_PAYLOAD_BYTES_MAX } from '../model/journal.ts';
import type { PayloadStore } from '../ports/payload-store.ts';
import { openPayloadStore } from './payload-store.ts';

describe('PayloadStore of files', () => {
  let folder: string;
  let store: PayloadStore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-payloads-'));
    store = await openPayloadStore({ folder });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const keep = async (text: string, piece = 100_000) => {
    const writer = store.begin();
    const bytes = Buffer.from(text);
    try {
      for (let at = 0; at < bytes.length; at += piece) await writer.write(bytes.subarray(at, at + piece));
      return await writer.finish();
    } finally {
      await writer.abandon();
    }
  };
  const textOf = async (blob: string, from?: number): Promise<string> =>
    Buffer.concat(await Array.fromAsync(store.read(blob, from))).toString('utf8');
  /** As if it had been stored at this moment. */
  const storedAt = (blob: string, ms: number) =>
    utimes(join(folder, blob.slice(0, 2), blob), ms / 1_000, ms / 1_000);
  const none = async () => new Set<string>();

  it('gives back what was stored, from any place; the same value has one name and one copy', async () => {
    const text = JSON.stringify('ä'.repeat(200_000));
    const large = await keep(text);
    assert.equal(large.bytes, Buffer.byteLength(text));
    assert.equal(await textOf(large.blob), text);
    assert.equal(await textOf(large.blob, large.bytes - 3), 'ä"');
    assert.deepEqual(await keep(text, 1_007), large);
    assert.deepEqual(await readdir(join(folder, large.blob.slice(0, 2))), [large.blob]);
    assert.deepEqual(await readdir(join(folder, 'working')), []);
  });

  it('refuses what is no JSON, what is too large, and names that lead elsewhere', async () => {
    await assert.rejects(keep('[1,'), { code: 'E_BAD_REQUEST' });
    await assert.rejects(keep('[1,}'), { code: 'E_BAD_REQUEST' });
    const writer = store.begin();
    const piece = Buffer.alloc(8 * 1024 * 1024, ' ');
    const write = async () => {
      for (let bytes = 0; bytes <= LARGE_PAYLOAD_BYTES_MAX; bytes += piece.length) await writer.write(piece);
    };
    await assert.rejects(write(), { code: 'E_PAYLOAD_TOO_LARGE' });
    await writer.abandon();
    await assert.rejects(Array.fromAsync(store.read('../secret')), { code: 'E_BAD_REQUEST' });
    await assert.rejects(Array.fromAsync(store.read('0'.repeat(64))), { code: 'E_STORE_DAMAGED' });
  });

  it('has no name for what was not finished, and forgets it when it is opened again', async () => {
    const writer = store.begin();
    await writer.write(Buffer.from('"half'));
    assert.notDeepEqual(await readdir(join(folder, 'working')), []);
    store = await openPayloadStore({ folder });
    assert.deepEqual(await readdir(join(folder, 'working')), []);
    await writer.abandon();
  });

  it('removes what nobody refers to, unless it was stored, or stored again, a short time ago', async () => {
    const [old, kept, fresh, again] = [await keep('1'), await keep('2'), await keep('3'), await keep('4')];
    for (const { blob } of [old, kept, again]) await storedAt(blob, 1_000);
    const asked: string[] = [];
    const gone = await store.sweep(2_000, async (blobs) => {
      asked.push(...blobs);
      // Stored again while the sweep looks who refers to it.
      await keep('4');
      return new Set([kept.blob]);
    });
    assert.equal(gone, 1);
    assert.ok(!asked.includes(fresh.blob));
    await assert.rejects(textOf(old.blob), { code: 'E_STORE_DAMAGED' });
    for (const [{ blob }, text] of [
      [kept, '2'],
      [fresh, '3'],
      [again, '4'],
    ] as const)
      assert.equal(await textOf(blob), text);
    await storedAt(kept.blob, 1_000);
    assert.equal(await store.sweep(2_000, none), 1);
  });
});
