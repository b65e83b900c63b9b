import type { DatabaseSync } from 'node:sqlite';
import type { AppName } from '../model/function.ts';
import type { SealedSecret, SecretStore } from '../ports/secret-store.ts';
import type { Caller } from './operation.ts';
import { bytesOf, numberOf, textOf } from './row.ts';

export type SecretWrites = ReturnType<typeof createSecretWrites>;
export type SecretReads = ReturnType<typeof createSecretReads>;

export function createSecretStore(write: Caller<SecretWrites>, read: Caller<SecretReads>): SecretStore {
  return {
    putSecret: (secret) => write('put', [secret]),
    listSecrets: () => read('list', []),
    removeSecret: (app, name) => write('remove', [app, name]),
  };
}

export function createSecretWrites(db: DatabaseSync) {
  const put = db.prepare(`
    INSERT INTO secrets (app, name, sealed, updated_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (app, name) DO UPDATE SET sealed = excluded.sealed, updated_ms = excluded.updated_ms`);
  const remove = db.prepare('DELETE FROM secrets WHERE app = ? AND name = ?');
  return {
    put({ app, name, sealed, updatedMs }: SealedSecret): void {
      put.run(app, name, sealed, updatedMs);
    },
    remove: (app: AppName, name: string): boolean => remove.run(app, name).changes === 1,
  };
}

export function createSecretReads(db: DatabaseSync) {
  const list = db.prepare('SELECT app, name, sealed, updated_ms FROM secrets ORDER BY app, name');
  return {
    list: (): SealedSecret[] =>
      list.all().map((row) => ({
        app: textOf(row, 'app') as AppName,
        name: textOf(row, 'name'),
        sealed: bytesOf(row, 'sealed'),
        updatedMs: numberOf(row, 'updated_ms'),
      })),
  };
}
