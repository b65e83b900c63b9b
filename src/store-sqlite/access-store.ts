import type { DatabaseSync } from 'node:sqlite';
import type { AccessStore, AccessToken } from '../ports/access-store.ts';
import type { Caller } from './operation.ts';
import { numberOf, type Row, textOf } from './row.ts';

export type AccessWrites = ReturnType<typeof createAccessWrites>;
export type AccessReads = ReturnType<typeof createAccessReads>;

export function createAccessStore(write: Caller<AccessWrites>, read: Caller<AccessReads>): AccessStore {
  return {
    addToken: (token) => write('add', [token]),
    findToken: (hash) => read('find', [hash]),
    listTokens: () => read('list', []),
    removeToken: (name) => write('remove', [name]),
  };
}

export function createAccessWrites(db: DatabaseSync) {
  const insert = db.prepare(
    'INSERT INTO access_tokens (name, hash, created_ms) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING',
  );
  const remove = db.prepare('DELETE FROM access_tokens WHERE name = ?');
  return {
    add: (token: AccessToken): boolean => insert.run(token.name, token.hash, token.createdMs).changes === 1,
    remove: (name: string): boolean => remove.run(name).changes === 1,
  };
}

export function createAccessReads(db: DatabaseSync) {
  const find = db.prepare('SELECT name, hash, created_ms FROM access_tokens WHERE hash = ? LIMIT 1');
  const list = db.prepare('SELECT name, hash, created_ms FROM access_tokens ORDER BY created_ms, name');
  return {
    find(hash: string): AccessToken | undefined {
      const row = find.get(hash);
      return row === undefined ? undefined : toToken(row);
    },
    list: (): AccessToken[] => list.all().map(toToken),
  };
}

function toToken(row: Row): AccessToken {
  return { name: textOf(row, 'name'), hash: textOf(row, 'hash'), createdMs: numberOf(row, 'created_ms') };
}
