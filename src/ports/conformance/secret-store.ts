import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppName } from '../../model/function.ts';
import type { SealedSecret, SecretStore } from '../secret-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const secret = (app: string, name: string, byte: number): SealedSecret => ({
  app: app as AppName,
  name,
  sealed: Uint8Array.of(byte, 0, 255),
  updatedMs: 1_800_000_000_000 + byte,
});

/** Holds an adapter to every sentence of `SecretStore`. */
export function exerciseSecretStore(open: OpenFresh<SecretStore>): void {
  describe('SecretStore', () => {
    it('keeps secrets by app and name, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const [shop, blog, other] = [secret('shop', 'B', 1), secret('blog', 'B', 2), secret('shop', 'A', 3)];
        for (const each of [shop, blog, other]) await store.putSecret(each);
        assert.deepEqual(await store.listSecrets(), [blog, other, shop]);
        assert.deepEqual(await (await fresh.reopen()).listSecrets(), [blog, other, shop]);
      }));

    it('puts a new value in the place of the old one', () =>
      withFresh(open, async (store) => {
        await store.putSecret(secret('shop', 'A', 1));
        await store.putSecret(secret('shop', 'A', 2));
        assert.deepEqual(await store.listSecrets(), [secret('shop', 'A', 2)]);
      }));

    it('removes by app and name, and says when there is none', () =>
      withFresh(open, async (store) => {
        await store.putSecret(secret('shop', 'A', 1));
        await store.putSecret(secret('blog', 'A', 2));
        assert.equal(await store.removeSecret('shop' as AppName, 'A'), true);
        assert.equal(await store.removeSecret('shop' as AppName, 'A'), false);
        assert.deepEqual(await store.listSecrets(), [secret('blog', 'A', 2)]);
      }));
  });
}
