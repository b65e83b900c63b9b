import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppName, FunctionName } from '../../model/function.ts';
import { SAVED_EVENTS_MAX, type SavedEvent, type SavedEventStore } from '../saved-events.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const shop = 'shop' as AppName;
const [pay, mail] = ['pay', 'mail'] as FunctionName[] as [FunctionName, FunctionName];
const saved = (name: string, event = '{ "a": 1.0 }'): SavedEvent => ({ name, event, savedMs: 1_000 });

/** Holds an adapter to every sentence of `SavedEventStore`. */
export function exerciseSavedEventStore(open: OpenFresh<SavedEventStore>): void {
  describe('SavedEventStore', () => {
    it('keeps events as they were written, by name, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        for (const each of [saved('b'), saved('a')]) assert.equal(await store.put(shop, pay, each), true);
        await store.put(shop, mail, saved('c'));
        assert.deepEqual(await (await fresh.reopen()).list(shop, pay), [saved('a'), saved('b')]);
      }));

    it('puts a new one in the place of the old one, also when there is room for no other', () =>
      withFresh(open, async (store) => {
        for (let place = 0; place < SAVED_EVENTS_MAX; place += 1)
          await store.put(shop, pay, saved(`e${place}`));
        assert.equal(await store.put(shop, pay, saved('one more')), false);
        assert.equal(await store.put(shop, pay, saved('e0', '[]')), true);
        const all = await store.list(shop, pay);
        assert.deepEqual([all.length, all[0]], [SAVED_EVENTS_MAX, saved('e0', '[]')]);
      }));

    it('removes one, and all of an app', () =>
      withFresh(open, async (store) => {
        await store.put(shop, pay, saved('a'));
        await store.put(shop, mail, saved('b'));
        assert.equal(await store.remove(shop, pay, 'a'), true);
        assert.equal(await store.remove(shop, pay, 'a'), false);
        await store.removeApp('other' as AppName);
        assert.equal((await store.list(shop, mail)).length, 1);
        await store.removeApp(shop);
        assert.deepEqual(await store.list(shop, mail), []);
      }));
  });
}
