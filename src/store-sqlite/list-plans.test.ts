import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { DEAD_OF_TRIGGER_SQL, TRIGGER_ATTEMPTS_SQL } from './event-reads.ts';
import { executionListSql, type ListField } from './journal-reads.ts';
import { loadMigrations, migrate } from './migrate.ts';

/** How SQLite finds what is asked for, in a line. */
function planOf(db: DatabaseSync, sql: string): string {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row.detail))
    .join('; ');
}

test('each filter of the list of executions is a range of an index, in the order that is wanted', () => {
  const db = new DatabaseSync(':memory:');
  migrate(db, loadMigrations(), 0, 0);
  const ranges: Record<string, string> = {
    before: 'INTEGER PRIMARY KEY (rowid<?)',
    app: 'INDEX executions_by_app (app=?)',
    'app before': 'INDEX executions_by_app (app=? AND rowid<?)',
    status: 'INDEX executions_by_status (status=?)',
    'status before': 'INDEX executions_by_status (status=? AND rowid<?)',
    'app status before': 'INDEX executions_by_app_status (app=? AND status=? AND rowid<?)',
    'workflow before': 'INDEX executions_by_name (workflow=? AND rowid<?)',
    'app workflow before': 'INDEX executions_by_workflow (app=? AND workflow=? AND rowid<?)',
    'app workflow status': 'INDEX executions_by_workflow_status (app=? AND workflow=? AND status=?)',
    'app workflow status before':
      'INDEX executions_by_workflow_status (app=? AND workflow=? AND status=? AND rowid<?)',
    'parent before': 'INDEX executions_by_parent (parent=? AND rowid<?)',
  };
  for (const [fields, range] of Object.entries(ranges)) {
    const plan = planOf(db, executionListSql(fields.split(' ') as ListField[]));
    assert.ok(
      plan.replaceAll('key<?', 'rowid<?').includes(`SEARCH executions USING ${range}`),
      `${fields}: ${plan}`,
    );
    assert.doesNotMatch(plan, /TEMP B-TREE|SCAN/, fields);
  }
  assert.match(
    planOf(db, executionListSql([])),
    /^SCAN executions; CORRELATED SCALAR SUBQUERY \d; SEARCH j USING INDEX journal_by_execution \(execution=\?\)$/,
    'all of them, by their own order, and of those that are held the end of the journal',
  );
  db.close();
});

test('blocks of invocations are visited by the newest that they hold', () => {
  const db = new DatabaseSync(':memory:');
  migrate(db, loadMigrations(), 0, 0);
  const plan = planOf(
    db,
    'SELECT id, format, last_ms FROM invocation_blocks WHERE last_ms >= 1 AND first_ms < 2 ORDER BY last_ms DESC, id DESC',
  );
  assert.match(plan, /SEARCH invocation_blocks USING INDEX invocation_blocks_by_last \(last_ms>\?\)/);
  assert.doesNotMatch(plan, /TEMP B-TREE/);
  db.close();
});

test('attempts and dead letters of a trigger are ranges of an index', () => {
  const db = new DatabaseSync(':memory:');
  migrate(db, loadMigrations(), 0, 0);
  const plan = planOf(db, TRIGGER_ATTEMPTS_SQL);
  assert.match(
    plan,
    /SEARCH a USING INDEX delivery_attempts_by_trigger \(trigger=\? AND \(started_ms,event,/,
  );
  assert.doesNotMatch(plan, /TEMP B-TREE|SCAN [a-z]/);
  const letters = planOf(db, DEAD_OF_TRIGGER_SQL);
  assert.match(letters, /SEARCH d USING INDEX dead_letters_by_trigger \(trigger=\? AND key>\?\)/);
  assert.doesNotMatch(letters, /TEMP B-TREE|SCAN [a-z]/);
  db.close();
});
