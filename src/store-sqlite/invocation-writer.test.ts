import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { InvocationRecord } from '../model/invocation.ts';
import { failure, mixedRecords, record, startMs } from '../ports/conformance/telemetry-samples.ts';
import { BLOCK_RECORDS_MAX } from './invocation-block.ts';
import { batchRecords, columnsFromBatch } from './invocation-columns.ts';
import { InvocationPruner, PRUNE_BLOCKS_A_STEP } from './invocation-pruner.ts';
import { createInvocationReads } from './invocation-scan.ts';
import { createInvocationWriter, MERGE_BLOCKS } from './invocation-writer.ts';
import { loadMigrations, migrate } from './migrate.ts';

function setUp() {
  const db = new DatabaseSync(':memory:');
  migrate(db, loadMigrations(), 0, 0);
  const writer = createInvocationWriter(db);
  const append = (records: readonly InvocationRecord[]): void =>
    // As it crosses to the store's thread.
    writer.append(columnsFromBatch(structuredClone(batchRecords(records))));
  const blocks = (): number[] =>
    db
      .prepare('SELECT count FROM invocation_blocks ORDER BY id')
      .all()
      .map((row) => row.count as number);
  const partCount = (): number => db.prepare('SELECT count(*) AS n FROM invocation_parts').get()!.n as number;
  return {
    db,
    writer,
    append,
    blocks,
    partCount,
    reads: createInvocationReads(db),
    pruner: new InvocationPruner(db),
  };
}

function listAll(reads: ReturnType<typeof createInvocationReads>): InvocationRecord[] {
  const items: InvocationRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = reads.listInvocations({}, 1_000, cursor);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

describe('blocks of invocations', () => {
  it('hold a batch each, and a large batch in several', () => {
    const { append, blocks, partCount } = setUp();
    append(mixedRecords(10, 1_000, 1));
    append(mixedRecords(BLOCK_RECORDS_MAX * 2 + 1, 1_000, 2));
    assert.deepEqual(blocks(), [10, BLOCK_RECORDS_MAX, BLOCK_RECORDS_MAX, 1]);
    assert.equal(partCount(), 4 * 4);
  });

  it('are split where errors are long', () => {
    const { append, blocks, reads } = setUp();
    const records = Array.from({ length: 12 }, (_, place) =>
      record({
        status: 'error',
        error: { ...failure, errorMessage: `${place}`, stackTrace: [String(place).repeat(700_000)] },
      }),
    );
    append(records);
    assert.ok(blocks().length > 1 && blocks().length < 12, String(blocks()));
    assert.deepEqual(reads.findInvocation(records[7]!.id), records[7]);
  });

  it('that are small are merged until few are left, and nothing is lost or changed', () => {
    const { append, blocks, partCount, reads, writer } = setUp();
    const records = mixedRecords(6_000, 3_600_000, 3);
    for (let at = 0; at < records.length; at += 3) {
      append(records.slice(at, at + 3));
      writer.merge();
    }
    while (writer.merge()) {
      // Until there is nothing to do.
    }
    assert.ok(blocks().length <= 3 * MERGE_BLOCKS, `${blocks().length} blocks`);
    assert.equal(partCount(), blocks().length * 4);
    const wanted = records.toReversed().sort((a, b) => b.arrivedMs - a.arrivedMs);
    assert.deepEqual(listAll(reads), wanted);
  });

  it('are found by what the caller called its request', () => {
    const { append, reads } = setUp();
    const records = mixedRecords(40, 1_000, 4);
    append(records);
    const found = reads.listInvocations({ text: 'Order-35' }, 10).items;
    assert.deepEqual(found, [records[35]]);
  });

  it('of the first format, which had no request ids of callers, are read and merged as before', () => {
    const { db, append, reads, writer } = setUp();
    const records = mixedRecords(MERGE_BLOCKS, 1_000, 5).map((each) => ({
      ...each,
      callerRequestId: undefined,
    }));
    for (const each of records) append([each]);
    // A constant column and an empty table of strings, at the end of the texts.
    db.exec('UPDATE invocation_parts SET data = substr(data, 1, length(data) - 24) WHERE id % 4 = 1');
    db.exec('UPDATE invocation_blocks SET format = 1');
    const wanted = records.toReversed().sort((a, b) => b.arrivedMs - a.arrivedMs);
    assert.deepEqual(listAll(reads), wanted);
    assert.equal(reads.listInvocations({ text: 'items' }, 100).items.length, MERGE_BLOCKS);
    assert.equal(writer.merge(), true);
    assert.deepEqual(listAll(reads), wanted);
  });

  it('that are large are left alone', () => {
    const { append, writer } = setUp();
    for (let count = 0; count < MERGE_BLOCKS; count += 1) append(mixedRecords(1_024, 1_000, count));
    assert.equal(writer.merge(), false);
  });

  it('are pruned in bounded steps', () => {
    const { append, blocks, pruner } = setUp();
    const count = PRUNE_BLOCKS_A_STEP * 2 + 10;
    for (let place = 0; place < count; place += 1) append([record({ arrivedMs: startMs + place })]);
    assert.deepEqual(pruner.prune(startMs + count, 0), { removed: PRUNE_BLOCKS_A_STEP, more: true });
    assert.deepEqual(pruner.prune(0, 5), { removed: PRUNE_BLOCKS_A_STEP, more: true });
    assert.deepEqual(pruner.prune(0, 5), { removed: 5, more: false });
    assert.equal(blocks().length, 5);
  });

  it('find records by how they ended among many that ended well', () => {
    const { append, reads } = setUp();
    const rare = record({ status: 'crashed', arrivedMs: startMs + 5 });
    append([...mixedRecords(2_000, 1_000, 5), rare]);
    append(mixedRecords(2_000, 1_000, 6));
    assert.deepEqual(reads.listInvocations({ status: 'crashed' }, 10).items, [rare]);
  });

  it('find functions also where there are too many to list', () => {
    const { append, reads } = setUp();
    const records = Array.from({ length: 1_000 }, (_, place) =>
      record({
        app: `app-${place % 500}` as never,
        function: `f${place}` as never,
        arrivedMs: startMs + place,
      }),
    );
    append(records);
    assert.deepEqual(reads.listInvocations({ app: 'app-499' as never }, 10).items, [
      records[999],
      records[499],
    ]);
    assert.deepEqual(reads.listInvocations({ function: 'f7' as never }, 10).items, [records[7]]);
    assert.deepEqual(reads.listInvocations({ app: 'app-5' as never, function: 'f7' as never }, 10).items, []);
  });
});
