import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, it } from 'node:test';
import type { ExecutionId } from '../base/ids.ts';
import { DATABASE_FILE, openForWriting } from './database.ts';
import { type Answer, GroupCommit, type Request } from './group-commit.ts';
import { HeldExecutions } from './held-executions.ts';
import { createJournalReads } from './journal-reads.ts';
import { createJournalWrites } from './journal-store.ts';
import { LoggedCommit } from './logged-commit.ts';
import { flattenOperations, type Operation } from './operation.ts';
import { OperationLog } from './operation-log.ts';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0).reverse()) end();
});

/**
 * A group as format 1 has it. What is in a log is run by whatever version starts next: should an operation's arguments
 * change, the old shape is still read, or `FORMAT` changes with it.
 */
const RECORDED = `[
  ["journal.create", {"id":"a","app":"shop","workflow":"mail","kind":"code","version":"v","deployment":1,"priority":0,
    "claimBy":"node","entries":"[{\\"kind\\":\\"started\\",\\"atMs\\":1,\\"input\\":{\\"json\\":null},\\"seed\\":\\"0\\"}]","count":1}, 5],
  ["journal.append", {"id":"a","fence":1,"seq":1,"next":{"status":"running"},"nowMs":6,
    "entries":"[{\\"kind\\":\\"noted\\",\\"atMs\\":6,\\"note\\":1}]","count":1,
    "beside":{"consumed":[],"awaitsNoMore":[],"messages":[],"starts":[],"awaits":[{"op":1,"key":"event:paid","detail":null}]}}],
  ["journal.append", {"id":"a","fence":1,"seq":2,"next":{"status":"waiting","dueMs":99},"nowMs":7,"entries":"","count":0}],
  ["journal.deliver", "a", {"kind":"signal","name":"more","input":{"json":1}}, 8],
  ["journal.settleAwaiting", "a", 1, {"kind":"completed","op":1,"output":{"json":2}}, 9]
]`;

interface Opened {
  readonly db: DatabaseSync;
  readonly logged: LoggedCommit;
  run(...acts: [string, number?][]): unknown[];
  /** What another connection sees. */
  seen(): unknown[];
  /** As a death would leave it: nothing is committed any more. */
  die(): void;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lambent-logged-'));
  endings.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `journal.append` stands for what is logged, `telemetry.append` for what is not. */
function open(folder = newFolder()): Opened {
  const db = openForWriting({ folder, nowMs: 0, pagesMax: 0 });
  db.exec('CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY, place INTEGER)');
  const insert = db.prepare('INSERT INTO t SELECT ?, count(*) FROM t');
  const add = (x: number): boolean => insert.run(x).changes === 1;
  const operations = new Map<string, Operation>([
    ['journal.append', add],
    ['telemetry.append', add],
    ['journal.create', () => db.exec('ROLLBACK')],
  ]);
  const log = new OperationLog(folder);
  const logged = new LoggedCommit(db, new GroupCommit(db, operations), log);
  logged.recover();
  const close = (): void => {
    log.close();
    if (db.isOpen) db.close();
  };
  endings.push(close);
  const answerOf = (answer: Answer): unknown => (answer.ok ? answer.value : answer.error.code);
  return {
    ...{ db, logged },
    run: (...acts) =>
      logged
        .run(acts.map(([name, x], id): Request => ({ id, name, args: x === undefined ? [] : [x] })))
        .map(answerOf),
    seen() {
      const other = new DatabaseSync(join(folder, DATABASE_FILE), { readOnly: true });
      const rows = other.prepare('SELECT x FROM t ORDER BY place').all();
      other.close();
      return rows.map(({ x }) => x);
    },
    // Closing undoes a transaction that is open.
    die: close,
  };
}

describe('LoggedCommit', () => {
  it('acknowledges from the log, and commits when told to', () => {
    const { logged, run, seen } = open();
    assert.deepEqual(run(['journal.append', 1], ['journal.append', 2]), [true, true]);
    assert.deepEqual(run(['journal.append', 3]), [true]);
    assert.deepEqual([logged.isOpen, seen()], [true, []]);
    logged.settle();
    assert.deepEqual([logged.isOpen, seen()], [false, [1, 2, 3]]);
  });

  it('loses nothing that it acknowledged when the process dies, and does nothing twice', () => {
    const folder = newFolder();
    const expected: number[] = [];
    for (let life = 0; life < 6; life += 1) {
      const { run, seen, die } = open(folder);
      assert.deepEqual(seen(), expected);
      for (let group = 0; group <= life; group += 1) {
        const xs = [0, 1].map((place) => 100 * life + 10 * group + place);
        assert.deepEqual(run(...xs.map((x): [string, number] => ['journal.append', x])), [true, true]);
        expected.push(...xs);
        if (group === 3) {
          assert.deepEqual(run(['telemetry.append', -life]), [true]);
          expected.push(-life);
        }
      }
      die();
    }
    assert.deepEqual(open(folder).seen(), expected);
  });

  it('commits what is open with what is not logged', () => {
    const { logged, run, seen } = open();
    run(['journal.append', 1]);
    assert.deepEqual(run(['journal.append', 2], ['telemetry.append', 3]), [true, true]);
    assert.deepEqual([logged.isOpen, seen()], [false, [1, 2, 3]]);
  });

  it('commits by itself after 64 groups', () => {
    const { logged, run, seen } = open();
    for (let x = 0; x < 64; x += 1) run(['journal.append', x]);
    assert.deepEqual([logged.isOpen, seen().length], [true, 0]);
    run(['journal.append', 64]);
    assert.deepEqual([logged.isOpen, seen().length], [false, 65]);
  });

  it('keeps what it acknowledged when a later operation fails, whether it is undone alone or with everything', () => {
    for (const failing of [['journal.append', 1] as [string, number], ['journal.create'] as [string]]) {
      const { logged, run, seen, db } = open();
      run(['journal.append', 1]);
      run(['journal.append', 2]);
      const answers = run(['journal.append', 3], failing, ['journal.append', 4]);
      assert.deepEqual([answers[0], answers[2]], [true, true]);
      assert.notEqual(answers[1], true);
      assert.deepEqual([logged.isOpen, db.isTransaction, seen()], [false, false, [1, 2, 3, 4]]);
      run(['journal.append', 5]);
      logged.settle();
      assert.deepEqual(seen(), [1, 2, 3, 4, 5]);
    }
  });

  it('does what a log of format 1 holds', () => {
    const folder = newFolder();
    const acts = JSON.parse(RECORDED) as [string, ...unknown[]][];
    const log = new OperationLog(folder);
    log.append(
      1,
      acts.map(([name, ...args], id) => ({ id, name, args })),
    );
    log.close();
    const db = openForWriting({ folder, nowMs: 0, pagesMax: 0 });
    endings.push(() => db.close());
    const journal = createJournalWrites(db, new HeldExecutions(db));
    new LoggedCommit(
      db,
      new GroupCommit(db, flattenOperations({ journal })),
      new OperationLog(folder),
    ).recover();
    const reads = createJournalReads(db);
    const { status, entries, dueMs } = reads.find('a' as ExecutionId)!;
    assert.deepEqual({ status, entries, dueMs }, { status: 'ready', entries: 2, dueMs: 8 });
    assert.deepEqual(
      reads.history('a' as ExecutionId, 0, 9).map((each) => each.seq),
      [0, 1],
    );
    assert.deepEqual(
      reads.inbox('a' as ExecutionId).map(({ input }) => (JSON.parse(input) as { kind: string }).kind),
      ['signal', 'completed'],
    );
    assert.deepEqual(reads.findAwaiting('event:paid', 9, 0), []);
  });

  it('takes nothing new while what it acknowledged cannot be committed, and then has all of it', () => {
    const { logged, run, seen, db, die } = open();
    run(['journal.append', 1]);
    // Whatever prevents a commit: here somebody undid the transaction, and the database may not be changed.
    db.exec('ROLLBACK; PRAGMA query_only = ON');
    logged.settle();
    assert.equal(logged.isOpen, true);
    assert.deepEqual(run(['journal.append', 2]), ['E_STORE_FAILED']);
    assert.deepEqual(run(['telemetry.append', 2]), ['E_STORE_FAILED']);
    assert.deepEqual(seen(), []);
    db.exec('PRAGMA query_only = OFF');
    assert.deepEqual(run(['journal.append', 2]), [true]);
    assert.deepEqual(seen(), [1, 2]);
    die();
  });
});
