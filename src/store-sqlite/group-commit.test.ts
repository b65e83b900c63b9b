import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { GroupCommit, type Request } from './group-commit.ts';
import type { Operation } from './operation.ts';

function setUp(): { db: DatabaseSync; group: GroupCommit } {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE t (x INTEGER PRIMARY KEY)');
  const insert = db.prepare('INSERT INTO t VALUES (?)');
  const operations = new Map<string, Operation>([
    ['insert', (x: number) => Number(insert.run(x).lastInsertRowid)],
    [
      'insertThenThrow',
      (x: number) => {
        insert.run(x);
        throw new Error('after the insert');
      },
    ],
    // As SQLite does by itself when it runs out of space or memory in the middle.
    ['breakOff', () => db.exec('ROLLBACK')],
  ]);
  return { db, group: new GroupCommit(db, operations) };
}

const requests = (...acts: [string, number?][]): Request[] =>
  acts.map(([name, x], id) => ({ id, name, args: x === undefined ? [] : [x] }));

const stored = (db: DatabaseSync): unknown[] =>
  db
    .prepare('SELECT x FROM t ORDER BY x')
    .all()
    .map((row) => row.x);

describe('GroupCommit', () => {
  it('answers in order and counts one transaction', () => {
    const { db, group } = setUp();
    const answers = group.run(requests(['insert', 1], ['insert', 2], ['insert', 3]));
    assert.deepEqual(
      answers.map((each) => each.ok && each.value),
      [1, 2, 3],
    );
    assert.deepEqual([group.transactions, group.operations], [1, 3]);
    assert.deepEqual(stored(db), [1, 2, 3]);
  });

  it('undoes a failing operation wherever it stands', () => {
    for (const at of [0, 1, 2]) {
      const { db, group } = setUp();
      const acts: [string, number][] = [
        ['insert', 0],
        ['insert', 1],
        ['insert', 2],
      ];
      acts[at] = ['insertThenThrow', at];
      const answers = group.run(requests(...acts));
      assert.deepEqual(
        answers.map((each) => each.ok),
        [0, 1, 2].map((each) => each !== at),
      );
      assert.deepEqual(
        stored(db),
        [0, 1, 2].filter((each) => each !== at),
      );
    }
  });

  it('undoes a single failing operation, and an unknown one', () => {
    const { db, group } = setUp();
    assert.equal(group.run(requests(['insertThenThrow', 1]))[0]?.ok, false);
    assert.equal(group.run(requests(['nonsense']))[0]?.ok, false);
    assert.equal(group.run(requests(['insert', 2]))[0]?.ok, true);
    assert.deepEqual(stored(db), [2]);
  });

  it('tries each alone when the database gave the transaction up', () => {
    const { db, group } = setUp();
    const answers = group.run(requests(['insert', 1], ['breakOff'], ['insert', 2]));
    assert.deepEqual(
      answers.map((each) => each.ok),
      [true, false, true],
    );
    assert.deepEqual(stored(db), [1, 2]);
    assert.equal(db.isTransaction, false);
  });
});
