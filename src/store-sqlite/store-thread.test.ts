import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import type { AccessWrites } from './access-store.ts';
import type { Caller } from './operation.ts';
import { MESSAGE_CALLS_MAX, StoreThread, type ThreadLimits } from './store-thread.ts';

const endings: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function startWriter(
  onFailed: (error: LambentError) => void,
  limits?: ThreadLimits,
): Promise<{ thread: StoreThread; add: (name: string) => Promise<boolean>; call: Caller<AccessWrites> }> {
  const folder = mkdtempSync(join(tmpdir(), 'lambent-thread-'));
  endings.push(() => rmSync(folder, { recursive: true, force: true }));
  const listener = { onTrouble() {}, onFailed };
  const thread = new StoreThread('writer', listener, limits);
  endings.push(() => thread.close());
  await thread.open({ folder, nowMs: 0, pagesMax: 0 });
  const call = thread.caller<AccessWrites>('access');
  return { thread, call, add: (name) => call('add', [{ name, hash: name, createdMs: 0 }]) };
}

const hasCode =
  (code: string) =>
  (thrown: unknown): boolean =>
    thrown instanceof LambentError && thrown.code === code;

describe('StoreThread', () => {
  it('rejects what waits, and all that follows, when the thread dies', async () => {
    const failures: string[] = [];
    const { thread, add } = await startWriter((error) => failures.push(error.code));
    const waiting = [add('a'), add('b')].map((each) => assert.rejects(each, hasCode('E_STORE_FAILED')));
    await thread.terminate();
    await Promise.all(waiting);
    await assert.rejects(add('c'), hasCode('E_STORE_FAILED'));
    assert.equal(thread.waiting, 0);
    assert.deepEqual(failures, ['E_STORE_FAILED']);
  });

  it('refuses more calls than may wait, and takes them again later', async () => {
    const { add } = await startWriter(() => {}, { callsMax: 3, bytesMax: 1_000 });
    const waiting = ['a', 'b', 'c'].map(add);
    await assert.rejects(add('d'), hasCode('E_OVERLOADED'));
    assert.deepEqual(await Promise.all(waiting), [true, true, true]);
    assert.equal(await add('d'), true);
  });

  it('refuses more bytes than may wait, but never a single call for its size', async () => {
    const { call } = await startWriter(() => {}, { callsMax: 100, bytesMax: 1_000 });
    const add = (name: string, bytes: number): Promise<boolean> =>
      call('add', [{ name, hash: name, createdMs: 0 }], { bytes });
    const large = add('a', 5_000);
    await assert.rejects(add('b', 1), hasCode('E_OVERLOADED'));
    assert.equal(await large, true);
    assert.equal(await add('b', 1), true);
  });

  it('rejects alone a call whose arguments cannot cross threads', async () => {
    const { add, call } = await startWriter(() => {});
    const first = add('a');
    const bad = call('add', [{ name: 'b', hash: (() => 'h') as unknown as string, createdMs: 0 }]);
    const last = add('c');
    await assert.rejects(bad, hasCode('E_INTERNAL'));
    assert.deepEqual(await Promise.all([first, last]), [true, true]);
  });

  it('answers all calls of a turn, also where they are more than one message carries', async () => {
    const { add, call } = await startWriter(() => {});
    const names = Array.from({ length: MESSAGE_CALLS_MAX - 1 }, (_, place) => `first ${place}`);
    const first = names.map(add);
    // With this one the message is full, and leaves.
    const bad = call('add', [{ name: 'b', hash: (() => 'h') as unknown as string, createdMs: 0 }]);
    const last = names.map((name) => add(`last ${name}`));
    await assert.rejects(bad, hasCode('E_INTERNAL'));
    assert.ok((await Promise.all([...first, ...last])).every((added) => added));
  });

  it('rejects an operation that does not exist', async () => {
    const { thread } = await startWriter(() => {});
    const call = thread.caller<{ nothing: () => void }>('access');
    await assert.rejects(call('nothing', []), hasCode('E_INTERNAL'));
  });
});
