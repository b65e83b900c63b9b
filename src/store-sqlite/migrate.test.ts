import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { inspectDatabase, loadMigrations, type Migration, migrate } from './migrate.ts';

/*
 * The migrations that exist. A released one never changes: databases out there had it as it was. To change the
 * stored shape, add the next file and its hash here.
 */
const RELEASED: Record<string, string> = {
  '0001-initial': 'b0fb89f75d2dc5dba5a5fa5148da8afc9530827d74c7461211d8f9da3a84a771',
  '0002-async-caller': 'ccd9b6d2dc3ab52b2979cc6d5d65bdb86e53f1e1f82db07e25624b2ce85bc54c',
  '0003-journal': '8137d2940407b4dc6f08df986b7031620701f9038ffa9858c9f7a8c869f1902d',
  '0004-events': '4b92c65bd214af249a30fa9970a4772f923a332c251bddb99151644c61304b00',
  '0005-state-machines': 'bcbee8c3aa2b4085f426cd8f9c2067927308a8d1356e071c901ff87e15a0a5d0',
  '0006-secrets': 'c9e4ee59b77cbaf39cc3f5e8c74e39b8003024ea37f589521a09a31a76602df7',
  '0007-connections': 'd6c11b724f297af7c75eaf1e011df5ac100e1ee2613e72538d8b1ef0cc564392',
  '0008-journal-in-order': 'bce1d4a485e3802fc3b69803345736b848606e5611dcfff3cb5f1c424f8f5f43',
  '0009-event-scopes': 'c05dacb7693bd013538f71f813b1d528a77b3e3ced5f43c46a0a3c853bce6314',
  '0010-execution-origin': '9998702872788c9de9db42a1f2faf731f71c14e16bd971599b14c04169f5fa55',
  '0011-lists': '3acab640d460ead766995e7d33471bacb26003427dd856399d6cd928cce17e24',
  '0012-delivery-rows': '98cd6ef18f7cd2ccc7fb2fe0f100cd0569d11b23d80bacc1531e93b143dbd342',
  '0013-call-history': '2e6afa5ed800012aa9115d6fe25a8c6ce8e1ffaf2270ba4ab31d6a1e2b132774',
  '0014-large-payloads': 'aae9418fff5ed76d78aacccf93be9336d20d03cff0059db9cd66bfa4feb1e79b',
  '0015-execution-rules': '9c042064acd3242cb41d5344c20e7c9a8fd1be8ed0e3a3216f033cf0b79f9d8a',
  '0016-attempts-of-a-trigger': '0944e2b1b8ad681df6ccb51fee44cc634719d09145368003ec61f1d97c8bc1b1',
  '0017-latency-minutes': '0c3606a8833f5221ba8ced5cee3a066ea9b223fe50231d1ec57530f6f0758f10',
};

const step = (number: number, sql: string): Migration => ({ number, name: `step-${number}`, sql, hash: sql });

describe('migrations', () => {
  it('are the released ones, unchanged', () => {
    const now = loadMigrations().map(({ number, name, hash }) => [
      `${String(number).padStart(4, '0')}-${name}`,
      hash,
    ]);
    assert.deepEqual(Object.fromEntries(now), RELEASED);
  });

  it('bring an empty database up to date, and one that had some of them', () => {
    const db = new DatabaseSync(':memory:');
    const [first] = loadMigrations();
    const known = [first!, step(2, 'CREATE TABLE two (x)'), step(3, 'ALTER TABLE two ADD COLUMN y')];
    assert.equal(inspectDatabase(db, known, 'db'), 0);
    migrate(db, known.slice(0, 2), 0, 5);
    assert.equal(inspectDatabase(db, known, 'db'), 2);
    migrate(db, known, 2, 6);
    assert.equal(inspectDatabase(db, known, 'db'), 3);
    assert.deepEqual(
      db
        .prepare('SELECT number, applied_ms FROM migrations')
        .all()
        .map((row) => [row.number, row.applied_ms]),
      [
        [1, 5],
        [2, 5],
        [3, 6],
      ],
    );
    db.prepare('SELECT y FROM two').all();
  });

  it('leave no half of a step that fails', () => {
    const db = new DatabaseSync(':memory:');
    const [first] = loadMigrations();
    const bad = step(2, 'CREATE TABLE two (x); INSERT INTO missing VALUES (1)');
    assert.throws(() => migrate(db, [first!, bad], 0, 0));
    assert.equal(inspectDatabase(db, [first!], 'db'), 1);
    assert.equal(db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'two'").get()!.n, 0);
    assert.equal(db.isTransaction, false);
  });

  it('are the same whatever line ends a checkout gave them, and have no gaps', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lambent-migrations-'));
    try {
      const url = pathToFileURL(`${folder}/`);
      writeFileSync(join(folder, '0001-one.sql'), 'SELECT 1;\r\nSELECT 2;\r\n');
      const [windows] = loadMigrations(url);
      writeFileSync(join(folder, '0001-one.sql'), 'SELECT 1;\nSELECT 2;\n');
      assert.deepEqual(loadMigrations(url)[0], windows);
      writeFileSync(join(folder, '0003-three.sql'), 'SELECT 3;');
      assert.throws(() => loadMigrations(url), /Migration 2 is missing/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('keep what is owed, and the keys that were given', () => {
    const db = new DatabaseSync(':memory:');
    const known = loadMigrations();
    const before = known.findIndex(({ name }) => name === 'delivery-rows');
    migrate(db, known.slice(0, before), 0, 5);
    db.exec(`INSERT INTO deliveries (key, trigger, event, owed_ms, due_ms, attempts, ordering)
      VALUES (3, 1, 8, 10, 11, 2, 'k'), (9, 1, 9, 10, 10, 0, NULL);
      DELETE FROM deliveries WHERE key = 9`);
    migrate(db, known, before, 6);
    const row = { ...db.prepare('SELECT * FROM deliveries').get()! };
    assert.deepEqual(row, {
      ...{ key: 3, trigger: 1, event: 8, count: 1, owed_ms: 10, due_ms: 11, attempts: 2, session: null },
      ...{ ordering: 'k', by_subject: 0, parked: 0, body: null },
    });
    assert.equal(db.prepare('SELECT next_key FROM event_totals').get()!.next_key, 10);
  });
});
