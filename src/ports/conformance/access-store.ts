import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccessStore, AccessToken } from '../access-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const token = (name: string, hash: string): AccessToken => ({ name, hash, createdMs: 1_800_000_000_000 });

/** Holds an adapter to every sentence of `AccessStore`. */
export function exerciseAccessStore(open: OpenFresh<AccessStore>): void {
  describe('AccessStore', () => {
    it('stores a token, finds it by its hash and lists it, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        assert.equal(await store.addToken(token('first', 'aa')), true);
        assert.deepEqual(await store.findToken('aa'), token('first', 'aa'));
        const again = await fresh.reopen();
        assert.deepEqual(await again.findToken('aa'), token('first', 'aa'));
        assert.deepEqual(await again.listTokens(), [token('first', 'aa')]);
      }));

    it('refuses a name that is taken and changes nothing', () =>
      withFresh(open, async (store) => {
        await store.addToken(token('ci', 'aa'));
        assert.equal(await store.addToken(token('ci', 'bb')), false);
        assert.equal(await store.findToken('bb'), undefined);
        assert.deepEqual(await store.listTokens(), [token('ci', 'aa')]);
      }));

    it('of two that add the same name at once, lets one win', () =>
      withFresh(open, async (store) => {
        const won = await Promise.all([store.addToken(token('x', 'aa')), store.addToken(token('x', 'bb'))]);
        assert.deepEqual(won.toSorted(), [false, true]);
        assert.equal((await store.listTokens()).length, 1);
      }));

    it('removes by name, and says when there is none', () =>
      withFresh(open, async (store) => {
        await store.addToken(token('ci', 'aa'));
        assert.equal(await store.removeToken('ci'), true);
        assert.equal(await store.removeToken('ci'), false);
        assert.equal(await store.findToken('aa'), undefined);
        assert.equal(await store.addToken(token('ci', 'cc')), true);
      }));
  });
}
