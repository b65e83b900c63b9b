import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../src/base/clock.ts';
import { createSqliteSources } from '../src/sources/sqlite/sqlite-source.ts';
import { poll } from './process-table.ts';
import { type RowData, replay, SourceLog } from './source-log.ts';

/** Rows that a table of a file of SQLite's has before its trigger begins, while others write it, and when all is broken off. */

const ROWS = 700;

describe('rows that a table of SQLite has', { timeout: 60_000 }, () => {
  let folder = '';
  let database: DatabaseSync;
  let log: SourceLog;
  /** What happens before a part of the rows is stored. */
  let beforePart: (part: number) => void;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-existing-'));
    await mkdir(join(folder, 'own'));
    database = new DatabaseSync(join(folder, 'shop.db'), { timeout: 10_000 });
    // One has a column that hides the row's number, the other has none, and a key of several types.
    database.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE rows (id INTEGER PRIMARY KEY, rowid TEXT, note TEXT);
      CREATE TABLE keyed (a, b, note TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;`);
    const insert = database.prepare('INSERT INTO rows VALUES (?, ?, ?)');
    database.exec('BEGIN');
    for (let id = 1; id <= ROWS; id += 1) insert.run(id, `r${id}`, 'first');
    for (let each = 0; each < ROWS; each += 1) {
      const value = [each, each + 0.5, `t${each}`, Buffer.from([each & 255, each >> 8])][each % 4]!;
      database.prepare('INSERT INTO keyed VALUES (?, ?, ?)').run(value, each, 'first');
    }
    database.exec('COMMIT');
    beforePart = () => {};
    log = logOf({ table: 'rows' });
  });
  afterEach(async () => {
    await log.source?.remove?.();
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  function logOf(settings: object): SourceLog {
    return new SourceLog(
      createSqliteSources(join(folder, 'own')),
      systemClock,
      () => `sqlite://${join(folder, 'shop.db')}`,
      { actions: ['insert', 'update', 'delete'], backfill: true, ...settings },
    );
  }
  function open(): void {
    let parts = 0;
    log.beforeStore = async (events) => {
      if (events.some(({ type }) => type === 'lambent.sqlite.existing')) beforePart(parts++);
    };
    log.open();
  }
  const told = (): RowData[] => log.stored.map(({ data }) => data as RowData);
  const existing = (): RowData[] => told().filter(({ action }) => action === 'existing');
  const rowsNow = (): Map<string, unknown> =>
    new Map(
      database
        .prepare('SELECT * FROM rows')
        .all()
        .map((row) => [JSON.stringify({ id: row.id }), { ...row }]),
    );
  /** Two rows that are told by then or not, one that goes, one that comes. */
  const change = (): void =>
    database.exec(`UPDATE rows SET note = 'changed' WHERE id IN (2, ${ROWS - 1});
      DELETE FROM rows WHERE id = ${ROWS}; INSERT INTO rows VALUES (${ROWS + 1}, 'new', 'new')`);

  it('are told as they were at one moment, and what changes meanwhile comes after', async () => {
    const former = rowsNow();
    beforePart = (part) => {
      if (part === 1) change();
    };
    open();
    await poll(() => log.stored.length >= ROWS + 4);
    assert.deepEqual(replay(told().slice(0, ROWS)), former);
    assert.deepEqual(
      told()
        .slice(ROWS)
        .map(({ action, key }) => `${action} ${String(key.id)}`),
      ['update 2', `update ${ROWS - 1}`, `delete ${ROWS}`, `insert ${ROWS + 1}`],
    );
    assert.deepEqual(replay(told()), rowsNow());
    assert.equal(new Set(log.stored.map(({ id }) => id)).size, ROWS + 4);
  });

  it('are told on from the last stored one when reading is broken off, and no change is missed', async () => {
    beforePart = (part) => {
      if (part !== 2) return;
      change();
      throw new Error('the disk is full');
    };
    open();
    await poll(() => log.source!.status().trouble === 'the disk is full');
    await log.source!.close();
    assert.ok(existing().length > 0 && existing().length < ROWS);
    beforePart = () => {};
    open();
    await poll(() => told().some(({ action }) => action === 'insert'));
    assert.deepEqual(replay(told()), rowsNow());
    const keys = existing().map(({ key }) => JSON.stringify(key));
    assert.equal(new Set(keys).size, keys.length);
    // And in a further life nothing is told again.
    const count = log.stored.length;
    await log.source!.close();
    open();
    database.exec(`INSERT INTO rows VALUES (${ROWS + 2}, 'last', 'last')`);
    await poll(() => told().some(({ key }) => key.id === ROWS + 2));
    assert.equal(log.stored.length, count + 1);
  });

  it('are those that `where` and `columns` leave, in a table without numbers of rows as well', async () => {
    log = logOf({ table: 'keyed', columns: ['b'], where: 'b >= 100' });
    open();
    await poll(() => log.position?.includes('"existing"') === false);
    assert.equal(existing().length, ROWS - 100);
    assert.deepEqual(Object.keys(existing()[0]!.new!), ['b']);
    const numbers = existing().map(({ new: row }) => Number(row!.b));
    assert.equal(new Set(numbers).size, ROWS - 100);
  });
});
