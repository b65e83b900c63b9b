import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { DatabaseSync } from 'node:sqlite';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import type { JournalEntry } from '../model/journal.ts';
import type { Transition } from '../ports/journal-store.ts';
import { openForWriting } from './database.ts';
import { GroupCommit } from './group-commit.ts';
import { HeldExecutions } from './held-executions.ts';
import { createJournalReads } from './journal-reads.ts';
import { toStoredStart } from './journal-start.ts';
import { createJournalWrites, type JournalReads, type JournalWrites } from './journal-store.ts';
import { toStoredTransition } from './journal-transition.ts';
import { flattenOperations } from './operation.ts';

const NODE = 'node' as NodeId;
const [ONE, TWO] = ['one' as ExecutionId, 'two' as ExecutionId];
const ROW = 'SELECT entries, bytes FROM executions WHERE id = ?';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0).reverse()) end();
});

interface Opened {
  readonly db: DatabaseSync;
  readonly writes: JournalWrites;
  readonly reads: JournalReads;
  /** Runs appends as one group; an answer each: what came of it, or the code of its error. */
  append(...transitions: Transition[]): unknown[];
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lambent-held-'));
  endings.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function open(folder: string): Opened {
  const db = openForWriting({ folder, nowMs: 0, pagesMax: 0 });
  endings.push(() => db.isOpen && db.close());
  const held = new HeldExecutions(db);
  const writes = createJournalWrites(db, held);
  const group = new GroupCommit(db, flattenOperations({ journal: writes }), () => held.forgetAll());
  return {
    ...{ db, writes, reads: createJournalReads(db) },
    append: (...transitions) =>
      group
        .run(
          transitions.map((each, id) => ({ id, name: 'journal.append', args: [toStoredTransition(each)] })),
        )
        .map((answer) => (answer.ok ? answer.value : answer.error.code)),
  };
}

function start({ writes }: Opened, id: ExecutionId): void {
  const entries: JournalEntry[] = [{ kind: 'started', atMs: 1, input: { json: null }, seed: '0'.repeat(32) }];
  const place = { app: 'a', workflow: 'w', kind: 'code', version: 'v', deployment: 1 } as const;
  writes.create(
    toStoredStart({
      ...{ ...place, app: place.app as never, id, entries, priority: 0, parent: undefined },
      ...{ expiresMs: undefined, claimBy: NODE },
    }),
    1,
  );
}

function noting(id: ExecutionId, seq: number, changes: Partial<Transition> = {}): Transition {
  const entries: JournalEntry[] = [{ kind: 'noted', atMs: 2, note: { text: 'n' } }];
  return {
    ...{ id, seq, entries, fence: 1, nowMs: 2, next: { status: 'running' } },
    ...{ consumed: [], awaits: [], awaitsNoMore: [], messages: [], starts: [] },
    ...changes,
  };
}

/** The store refuses it: an operation waits once. */
const FAULTY = {
  awaits: [
    { op: 1, key: 'k' },
    { op: 1, key: 'k' },
  ],
};

describe('what the writer remembers of held executions', () => {
  it('is forgotten with what was undone, alone and in a group', () => {
    const store = open(newFolder());
    start(store, ONE);
    start(store, TWO);
    assert.deepEqual(
      store.append(noting(ONE, 1), noting(TWO, 1), noting(ONE, 2, FAULTY), noting(ONE, 2), noting(TWO, 3)),
      [true, true, 'E_STORE_FAILED', true, false],
    );
    assert.deepEqual(store.append(noting(ONE, 3, FAULTY)), ['E_STORE_FAILED']);
    assert.deepEqual(store.append(noting(ONE, 3), noting(TWO, 2)), [true, true]);
    assert.equal(store.reads.history(ONE, 0, 10).length, 4);
    assert.equal(store.reads.find(ONE)?.entries, 4);
    assert.equal(store.reads.find(TWO)?.entries, 3);
  });

  it('is found again in the journal by who opens the store after a death', () => {
    const folder = newFolder();
    const before = open(folder);
    start(before, ONE);
    assert.deepEqual(before.append(noting(ONE, 1), noting(ONE, 2)), [true, true]);
    assert.equal(before.db.prepare(ROW).get(ONE)?.entries, 1, 'its row is not written at each append');
    before.db.close();

    const after = open(folder);
    assert.deepEqual(after.append(noting(ONE, 3)), [true]);
    assert.equal(after.writes.recover('other' as NodeId, 3, 10), 1);
    assert.equal(after.reads.find(ONE)?.entries, 4);
    assert.deepEqual(after.append(noting(ONE, 4)), [false], 'nobody holds it');
    const [claimed] = after.writes.claim('other' as NodeId, 3, 1);
    const bytes = claimed!.entries.reduce((sum, text) => sum + text.length, 0);
    assert.deepEqual([claimed!.record.entries, claimed!.record.bytes, claimed!.fence], [4, bytes, 2]);
    assert.deepEqual(after.append(noting(ONE, 4), noting(ONE, 4, { fence: 2 })), [false, true]);
  });

  it('goes into the row when the claim is given back, at the end, and where the journal has grown a lot', () => {
    const store = open(newFolder());
    const row = (): unknown[] => Object.values(store.db.prepare(ROW).get(ONE)!);
    const sizes = (): unknown[] =>
      Object.values(
        store.db.prepare('SELECT sum(count) AS entries, sum(length(entries)) AS bytes FROM journal').get()!,
      );
    start(store, ONE);
    const large = { kind: 'noted', atMs: 2, note: { text: 'n'.repeat(70_000) } } as const;
    store.append(noting(ONE, 1, { entries: [large] }));
    assert.deepEqual(row(), sizes());
    store.append(noting(ONE, 2), noting(ONE, 3, { next: { status: 'ready' } }));
    assert.deepEqual(row(), sizes());
    const { fence } = store.writes.claim(NODE, 3, 1)[0]!;
    store.append(noting(ONE, 4, { fence }));
    assert.equal(store.writes.release(ONE, fence - 1, 4, 3), false);
    assert.equal(store.writes.release(ONE, fence, 4, 3), true);
    assert.deepEqual(row(), sizes());
    const again = store.writes.claim(NODE, 4, 1)[0]!.fence;
    const ended: JournalEntry = {
      kind: 'ended',
      atMs: 5,
      outcome: { status: 'succeeded', output: { json: 1 } },
    };
    store.append(noting(ONE, 5, { fence: again, entries: [ended], next: { status: 'ended' } }));
    assert.deepEqual(row(), sizes());
  });
});
