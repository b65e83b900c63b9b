import type { DatabaseSync } from 'node:sqlite';
import type { ObjectKey, ObjectKind, StateMachineStore, StoredObject } from '../ports/state-machine-store.ts';
import type { Caller } from './operation.ts';
import { textOf } from './row.ts';

export type StateMachineWrites = ReturnType<typeof createStateMachineWrites>;
export type StateMachineReads = ReturnType<typeof createStateMachineReads>;

/** An object on its way between threads: its value as text. */
type Packed = readonly [kind: string, key: string, value: string];

const pack = ({ kind, key, value }: StoredObject): Packed => [kind, key, JSON.stringify(value)];

export function createStateMachineStore(
  write: Caller<StateMachineWrites>,
  read: Caller<StateMachineReads>,
): StateMachineStore {
  return {
    create: (objects) => write('create', [objects.map(pack)]),
    put: (objects) => write('put', [objects.map(pack)]),
    remove: (keys) => write('remove', [keys]),
    async get(kind, key) {
      const text = await read('get', [kind, key]);
      return text === undefined ? undefined : (JSON.parse(text) as unknown);
    },
    async list(kind, prefix, after, limit) {
      const found = await read('list', [kind, prefix, after, limit]);
      return found.map(([key, text]) => ({ kind, key, value: JSON.parse(text) as unknown }));
    },
  };
}

export function createStateMachineWrites(db: DatabaseSync) {
  const insert = db.prepare(
    'INSERT INTO state_machine_objects (kind, key, value) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO NOTHING',
  );
  const upsert = db.prepare(
    'INSERT INTO state_machine_objects (kind, key, value) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value',
  );
  const remove = db.prepare('DELETE FROM state_machine_objects WHERE kind = ? AND key = ?');
  const put = (objects: readonly Packed[]): void => {
    for (const object of objects) upsert.run(...object);
  };
  return {
    create([first, ...others]: readonly Packed[]): boolean {
      if (first === undefined || insert.run(...first).changes === 0) return false;
      put(others);
      return true;
    },
    put,
    remove(keys: readonly ObjectKey[]): void {
      for (const { kind, key } of keys) remove.run(kind, key);
    },
  };
}

export function createStateMachineReads(db: DatabaseSync) {
  const find = db.prepare('SELECT value FROM state_machine_objects WHERE kind = ? AND key = ?');
  const list = db.prepare(
    'SELECT key, value FROM state_machine_objects WHERE kind = ? AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?',
  );
  return {
    get(kind: ObjectKind, key: string): string | undefined {
      const row = find.get(kind, key);
      return row === undefined ? undefined : textOf(row, 'value');
    },
    list(kind: ObjectKind, prefix: string, after: string, limit: number): [key: string, value: string][] {
      // No key has a character beyond this one.
      const end = `${prefix}\u{10ffff}`;
      return list
        .all(kind, after, prefix, end, limit)
        .map((row) => [textOf(row, 'key'), textOf(row, 'value')]);
    },
  };
}
