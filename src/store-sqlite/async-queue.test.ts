import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import type { InvocationId, NodeId } from '../base/ids.ts';
import { ASYNC_PAGE_BYTES_MAX, createQueueReads, createQueueWrites } from './async-queue.ts';
import { loadMigrations, migrate } from './migrate.ts';

const node = '01a3d0b2-0000-7000-8000-00000000000a' as NodeId;
const failure = { code: 'E_FUNCTION_ERROR', errorType: 'Error', errorMessage: 'no', stackTrace: [] } as const;

function setUp(owedMax: number, deadMax: number) {
  const db = new DatabaseSync(':memory:');
  migrate(db, loadMigrations(), 0, 0);
  return { db, writes: createQueueWrites(db, { owedMax, deadMax }), reads: createQueueReads(db) };
}

function invocation(place: number, payloadBytes = 2) {
  const id = `01a3d0b2-1111-7000-8000-${place.toString(16).padStart(12, '0')}` as InvocationId;
  const payload = Buffer.alloc(payloadBytes, ' ');
  return { id, app: 'shop', function: 'mail', payload, traceparent: undefined, acceptedMs: place } as never;
}

describe('limits of the asynchronous queue', () => {
  it('refuses more than may be owed, but not the same id again', () => {
    const { db, writes, reads } = setUp(3, 10);
    const enqueue = (place: number): void => {
      // As the group commit does: what throws is undone.
      db.exec('SAVEPOINT one');
      try {
        writes.enqueue(invocation(place));
      } catch (thrown) {
        db.exec('ROLLBACK TO one');
        throw thrown;
      } finally {
        db.exec('RELEASE one');
      }
    };
    for (const place of [1, 2, 3, 3, 1]) enqueue(place);
    const isOverloaded = (thrown: unknown): boolean =>
      thrown instanceof LambentError && thrown.code === 'E_OVERLOADED' && thrown.retryAfterS === 5;
    assert.throws(() => enqueue(4), isOverloaded);
    assert.deepEqual(reads.counts(), { waiting: 3, claimed: 0, dead: 0 });
    const [claimed] = writes.claim(node, 10, 1);
    assert.throws(() => enqueue(4), isOverloaded);
    writes.complete(claimed!.id, claimed!.fence);
    enqueue(4);
    assert.equal(db.prepare('SELECT count(*) AS n FROM async_payloads').get()!.n, 3);
  });

  it('lets the oldest of the dead go when there are too many', () => {
    const { db, writes, reads } = setUp(100, 3);
    for (let place = 1; place <= 5; place += 1) {
      writes.enqueue(invocation(place));
      const [claimed] = writes.claim(node, 10, 1);
      writes.fail(claimed!.id, claimed!.fence, failure, undefined, place * 10);
    }
    assert.deepEqual(reads.counts(), { waiting: 0, claimed: 0, dead: 3 });
    assert.deepEqual(
      reads.listDead(10).map((each) => each.diedMs),
      [50, 40, 30],
    );
    assert.equal(db.prepare('SELECT count(*) AS n FROM async_payloads').get()!.n, 3);
  });

  it('gives no more bytes at once than the limit, and one that is larger alone', () => {
    const { writes } = setUp(100, 3);
    const third = ASYNC_PAGE_BYTES_MAX / 3;
    [third, third, third, ASYNC_PAGE_BYTES_MAX + 1, 2, 2].forEach((bytes, place) => {
      writes.enqueue(invocation(place, bytes));
    });
    assert.deepEqual(
      [0, 0, 0, 0].map(() => writes.claim(node, 100, 10).length),
      [3, 1, 2, 0],
    );
  });
});
