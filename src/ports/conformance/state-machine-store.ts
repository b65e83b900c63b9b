import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StateMachineStore, StoredObject } from '../state-machine-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const machine = (key: string, value: unknown = { name: key }): StoredObject => ({
  kind: 'machine',
  key,
  value,
});

/** Holds an adapter to every sentence of `StateMachineStore`. */
export function exerciseStateMachineStore(open: OpenFresh<StateMachineStore>): void {
  describe('StateMachineStore', () => {
    it('keeps what was created, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const definition: StoredObject = { kind: 'definition', key: 'd1', value: '{"StartAt":"A"}' };
        assert.equal(await store.create([machine('a'), definition]), true);
        const again = await fresh.reopen();
        assert.deepEqual(await again.get('machine', 'a'), { name: 'a' });
        assert.equal(await again.get('definition', 'd1'), '{"StartAt":"A"}');
        assert.equal(await again.get('machine', 'd1'), undefined);
      }));

    it('creates all or none', () =>
      withFresh(open, async (store) => {
        await store.create([machine('a', 1)]);
        assert.equal(await store.create([machine('a', 2), machine('b', 2)]), false);
        assert.deepEqual([await store.get('machine', 'a'), await store.get('machine', 'b')], [1, undefined]);
      }));

    it('of two that create the same at once, lets one win', () =>
      withFresh(open, async (store) => {
        const won = await Promise.all([store.create([machine('x', 1)]), store.create([machine('x', 2)])]);
        assert.deepEqual(won.toSorted(), [false, true]);
      }));

    it('puts in place of what is there, and removes', () =>
      withFresh(open, async (store) => {
        await store.put([machine('a', 1), machine('b', 1)]);
        await store.put([machine('a', 2)]);
        assert.equal(await store.get('machine', 'a'), 2);
        await store.remove([machine('a'), machine('never')]);
        assert.deepEqual([await store.get('machine', 'a'), await store.get('machine', 'b')], [undefined, 1]);
      }));

    it('lists by prefix, in order of keys, page by page', () =>
      withFresh(open, async (store) => {
        await store.put(['m:b', 'm:a', 'm:ü', 'n:a', 'm', 'l:z'].map((key) => machine(key)));
        const keys = async (after: string, limit: number): Promise<string[]> =>
          (await store.list('machine', 'm:', after, limit)).map(({ key }) => key);
        assert.deepEqual(await keys('', 2), ['m:a', 'm:b']);
        assert.deepEqual(await keys('m:b', 2), ['m:ü']);
        assert.equal((await store.list('machine', '', '', 100)).length, 6);
        assert.deepEqual(await store.list('alias', '', '', 100), []);
      }));
  });
}
