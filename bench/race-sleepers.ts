/**
 * `sleepers`: what 1,000,000 executions that wait cost, and how soon the first step of 100,000 that were under way runs
 * after the platform was killed.
 *
 * A real platform is killed with one execution asleep and one within a step. Their rows are copied while it is down, so
 * that what it finds at its next start is what it would have left behind.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, printResult, rounded } from './report.ts';

const SLEEPING = 1_000_000;
const OPEN = 100_000;
/** What the product promises. */
const FIRST_STEP_MS = 2_000;
/** How long the platform is left alone before its memory is read. */
const SETTLE_MS = 3_000;

const workflows = (port: number): Record<string, string> => ({
  'lambent.yaml': `app: bench
workflows:
  sleeps: { routes: ["POST /sleeps"] }
  works: { routes: ["POST /works"] }
`,
  'workflows/sleeps.js': `import { workflow } from 'lambent';
export default workflow(async (ctx, input) => {
  await ctx.step('before', () => input);
  await ctx.sleep('30d');
});`,
  'workflows/works.js': `import { workflow } from 'lambent';
export default workflow(async (ctx) => {
  await ctx.step('call', async () => { await fetch('http://127.0.0.1:${port}/'); });
});`,
});

export async function raceSleepers(_options: RaceOptions): Promise<void> {
  Object.assign(process.env, { LAMBENT_ISOLATION: 'process', LAMBENT_ACCEPT_ISOLATION: 'E' });
  await withFolder(async (folder) => {
    const calls = await openCalls();
    const app = join(folder, 'app');
    await mkdir(join(app, 'workflows'), { recursive: true });
    for (const [path, text] of Object.entries(workflows(calls.port))) await writeFile(join(app, path), text);
    const dataDir = join(folder, 'data');
    await mkdir(dataDir);
    const start = (folders: string[]): Promise<Lambent> => startLambent({ mode: 'start', dataDir, folders });
    let lambent = await start([app]);
    try {
      const empty = await memoryOf(lambent);
      await begin(lambent, 'sleeps');
      const called = calls.next();
      await begin(lambent, 'works');
      await called;
      await untilAsleep(lambent);
      await kill(lambent);

      copyRows(dataDir, 'waiting', SLEEPING);
      lambent = await start([]);
      const startMs = lambent.startMs;
      const sleeping = await memoryOf(lambent);
      await kill(lambent);

      copyRows(dataDir, 'running', OPEN);
      calls.answer();
      const first = calls.next();
      const beginMs = performance.now();
      lambent = await start([]);
      const readyMs = performance.now() - beginMs;
      await first;
      const firstMs = performance.now() - beginMs;
      const doneBefore = calls.count();
      await sleep(SETTLE_MS);
      const stepsPerS = ((calls.count() - doneBefore) * 1_000) / SETTLE_MS;
      report({ empty, sleeping, startMs, readyMs, firstMs, stepsPerS });
    } finally {
      await lambent.stop();
      calls.close();
    }
  });
}

/** Hears from steps that run. Until it is told to, it does not answer: they are under way when the platform is killed. */
async function openCalls() {
  let told: (() => void) | undefined;
  let count = 0;
  let answers = false;
  const server = createServer((_request, response) => {
    count += 1;
    told?.();
    if (answers) response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    answer(): void {
      answers = true;
    },
    next: (): Promise<void> =>
      new Promise((resolve) => {
        told = resolve;
      }),
    close(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function begin(lambent: Lambent, workflow: string): Promise<void> {
  const answer = await fetch(`${lambent.origin}/${workflow}`, {
    method: 'POST',
    headers: { prefer: 'respond-async' },
    body: '{"order":"0123456789","amount":17}',
  });
  if (answer.status !== 202) throw new Error(`${workflow} was not started: ${await answer.text()}`);
}

async function untilAsleep(lambent: Lambent): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const answer = await fetch(`${lambent.origin}/_lambent/api/v1/executions?status=waiting`, {
      headers: { authorization: `Bearer ${lambent.token}` },
    });
    if (((await answer.json()) as { items: unknown[] }).items.length > 0) return;
    await sleep(20);
  }
  throw new Error('the execution does not fall asleep');
}

async function kill(lambent: Lambent): Promise<void> {
  process.kill(lambent.program.pid, 'SIGKILL');
  await lambent.program.stop();
}

/** Copies the one execution that has this status, with its journal, until there are so many. */
function copyRows(dataDir: string, status: string, count: number): void {
  const db = new DatabaseSync(join(dataDir, 'lambent.db'));
  try {
    const columns = db
      .prepare("SELECT name FROM pragma_table_info('executions') WHERE name NOT IN ('key', 'id')")
      .all()
      .map(({ name }) => name)
      .join();
    const row = db
      .prepare('SELECT key, max(key) OVER () AS last FROM executions WHERE status = ?')
      .get(status);
    if (row === undefined) throw new Error(`no execution is ${status}`);
    const last = Number(db.prepare('SELECT max(key) AS key FROM executions').get()!.key);
    db.exec('BEGIN');
    db.prepare(`
      WITH RECURSIVE place (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM place WHERE n < ${count - 1})
      INSERT INTO executions (key, id, ${columns})
        SELECT ${last} + n, format('01a00000-%04x-7%03x-8000-%012x', n / 65536, n % 4096, ${last} + n), ${columns}
        FROM place, executions WHERE key = ?`).run(row.key!);
    db.prepare(`
      INSERT INTO journal (execution, seq, count, entries)
        SELECT e.key, j.seq, j.count, j.entries FROM executions e, journal j WHERE e.key > ${last} AND j.execution = ?`).run(
      row.key!,
    );
    db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}

/** Resident memory of the platform's process, in MB, when it has come to rest. */
async function memoryOf(lambent: Lambent): Promise<number> {
  await sleep(SETTLE_MS);
  const status = readFileSync(`/proc/${lambent.program.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}

interface Figures {
  readonly empty: number;
  readonly sleeping: number;
  readonly startMs: number;
  readonly readyMs: number;
  readonly firstMs: number;
  readonly stepsPerS: number;
}

function report(figures: Figures): void {
  const { empty, sleeping, startMs, readyMs, firstMs, stepsPerS } = figures;
  console.log(
    formatTable([
      ['executions', 'MB', 'ms to the start', 'ms to the first step', 'steps/s then'],
      ['none', String(rounded(empty)), '', '', ''],
      [`${SLEEPING} asleep`, String(rounded(sleeping)), String(rounded(startMs)), '', ''],
      [
        `… and ${OPEN} within a step`,
        '',
        String(rounded(readyMs)),
        String(rounded(firstMs)),
        String(rounded(stepsPerS)),
      ],
    ]),
  );
  printResult({
    bench: 'sleepers',
    rounds: 1,
    lambent: { emptyMb: rounded(empty), sleepingMb: rounded(sleeping), firstStepMs: rounded(firstMs) },
    peers: { bound: { firstStepMs: FIRST_STEP_MS } },
    ratios: { bound: rounded(FIRST_STEP_MS / firstMs) },
    unit: 'ms',
  });
}
