/**
 * `table`: from COMMIT in PostgreSQL to the start of the function, and rows a second until the last one is delivered to a
 * warm function, beside `pg_recvlogical` that writes the same stream to a file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type FunctionStarts, openFunctionStarts } from './function-starts.ts';
import { type Lambent, startLambent, withFolder } from './lambent.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import type { RaceOptions } from './race-options.ts';
import { formatTable, median, printResult, quantile, rounded } from './report.ts';

/** Written in transactions of `TRANSACTION` rows, one after another. */
const ROWS = 50_000;
const TRANSACTION = 100;
const SINGLES = 100;
const WAIT_MS_MAX = 60_000;

export async function raceTable(options: RaceOptions): Promise<void> {
  await withFolder(async (folder) => {
    const database = await startPostgres(join(folder, 'postgres'), ['wal_level=logical']);
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(`CREATE TABLE singles (id int PRIMARY KEY);
      CREATE TABLE orders (id bigserial PRIMARY KEY, customer text, total numeric, note text, at timestamptz DEFAULT now())`);
    await client.query(`CREATE PUBLICATION bench FOR TABLE orders`);
    const starts = await openFunctionStarts();
    const app = join(folder, 'app');
    const lambent = await startApp(folder, app, database.url, starts);
    try {
      await deployApp(lambent, app);
      const latencies = await measureLatency(client, starts.next);
      await removeApp(lambent);
      const rates = { lambent: [] as number[], receiver: [] as number[] };
      for (let round = 0; round <= options.rounds; round += 1) {
        const receiver = await receive(client, database, join(folder, 'stream'));
        // Only one of them reads at a time.
        await deployApp(lambent, app);
        const own = await deliver(client, lambent);
        await removeApp(lambent);
        console.log(`round ${round}: ${rounded(own)} rows/s, pg_recvlogical ${rounded(receiver)} rows/s`);
        // The first round warms up.
        if (round > 0) {
          rates.receiver.push(receiver);
          rates.lambent.push(own);
        }
      }
      report(options, latencies, rates);
    } finally {
      await lambent.stop();
      starts.close();
      await client.end();
      database.stop();
    }
  });
}

async function startApp(folder: string, app: string, url: string, starts: FunctionStarts): Promise<Lambent> {
  await mkdir(join(app, 'functions'), { recursive: true });
  await mkdir(join(folder, 'data'));
  await writeFile(join(app, 'functions/start.js'), starts.handler);
  await writeFile(join(app, 'functions/take.js'), 'export default async () => null;\n');
  await writeFile(
    join(app, 'lambent.yaml'),
    `app: bench
env: { DB: "${url}" }
functions:
  start: { minInstances: 1, on: [{ name: singles, postgres: { url: DB, table: singles } }] }
  take: { minInstances: 1, concurrency: 100, on: [{ name: orders, postgres: { url: DB, table: orders }, batch: 500 }] }
`,
  );
  Object.assign(process.env, { LAMBENT_ISOLATION: 'process', LAMBENT_ACCEPT_ISOLATION: 'E' });
  return startLambent({ mode: 'start', dataDir: join(folder, 'data'), folders: [] });
}

async function deployApp(lambent: Lambent, app: string): Promise<void> {
  await lambent.deploy(app);
  await until(async () => {
    const triggers = await triggersOf(lambent);
    return triggers.length > 0 && triggers.every(({ trouble }) => trouble === undefined);
  });
}

async function removeApp(lambent: Lambent): Promise<void> {
  await fetch(`${lambent.origin}/_lambent/api/v1/apps/bench`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${lambent.token}` },
  });
}

interface TriggerState {
  readonly id: string;
  readonly owed: number;
  readonly delivered: number;
  readonly trouble?: string;
}

async function triggersOf(lambent: Lambent): Promise<TriggerState[]> {
  const answer = await fetch(`${lambent.origin}/_lambent/api/v1/triggers`, {
    headers: { authorization: `Bearer ${lambent.token}` },
  });
  return ((await answer.json()) as { items: TriggerState[] }).items;
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const endMs = performance.now() + WAIT_MS_MAX; ; await sleep(5)) {
    if (await holds()) return;
    if (performance.now() > endMs) throw new Error('what was waited for did not come');
  }
}

async function measureLatency(client: Client, next: () => Promise<number>): Promise<number[]> {
  const latencies: number[] = [];
  for (let at = 0; at < SINGLES; at += 1) {
    const started = next();
    await client.query('INSERT INTO singles VALUES ($1)', [at]);
    const committedMs = performance.timeOrigin + performance.now();
    latencies.push((await started) - committedMs);
    await sleep(5);
  }
  return latencies.slice(SINGLES / 10);
}

async function writeRows(client: Client): Promise<void> {
  for (let at = 0; at < ROWS; at += TRANSACTION)
    await client.query(`INSERT INTO orders (customer, total, note)
      SELECT 'customer ' || i, i * 1.25, repeat('x', 60) FROM generate_series(1, ${TRANSACTION}) i`);
}

/** Rows a second, from the first commit's beginning until the last row is delivered and that is durable. */
async function deliver(client: Client, lambent: Lambent): Promise<number> {
  const countOf = async (): Promise<number> =>
    (await triggersOf(lambent)).find(({ id }) => id === 'bench/orders')!.delivered;
  const before = await countOf();
  const startMs = performance.now();
  await writeRows(client);
  await until(async () => (await countOf()) === before + ROWS);
  return ROWS / ((performance.now() - startMs) / 1_000);
}

/** The same for `pg_recvlogical`: until all of it is in the file. */
async function receive(client: Client, { bin, url }: PostgresServer, file: string): Promise<number> {
  await client.query(`SELECT pg_create_logical_replication_slot('bench', 'pgoutput')`);
  const options = ['-o', 'proto_version=1', '-o', 'publication_names=bench'];
  const program = spawn(
    join(bin, 'pg_recvlogical'),
    ['-d', url, '--slot=bench', '--start', '-f', file, '-F', '0', '-s', '1', ...options],
    { stdio: 'ignore' },
  );
  try {
    await until(async () => {
      const { rows } = await client.query(
        `SELECT 1 FROM pg_replication_slots WHERE slot_name = 'bench' AND active`,
      );
      return rows.length === 1;
    });
    const startMs = performance.now();
    await writeRows(client);
    const { rows } = await client.query<{ last: string }>('SELECT max(id)::text AS last FROM orders');
    const last = Buffer.from(rows[0]!.last);
    await until(() => existsSync(file) && readFileSync(file).lastIndexOf(last) >= 0);
    return ROWS / ((performance.now() - startMs) / 1_000);
  } finally {
    await end(program);
    await rm(file, { force: true });
    await until(() =>
      client.query(`SELECT pg_drop_replication_slot('bench')`).then(
        () => true,
        () => false,
      ),
    );
  }
}

async function end(program: ChildProcess): Promise<void> {
  const ended = once(program, 'exit');
  program.kill('SIGINT');
  await ended;
}

function report(
  options: RaceOptions,
  latencies: readonly number[],
  rates: { lambent: readonly number[]; receiver: readonly number[] },
): void {
  const [own, receiver] = [rounded(median(rates.lambent)), rounded(median(rates.receiver))];
  const [p50, p99] = [rounded(median(latencies)), rounded(quantile(latencies, 0.99))];
  console.log(
    `\n${formatTable([
      ['', 'rows a second'],
      ['Lambent, delivered to a function', String(own)],
      ['pg_recvlogical, into a file', String(receiver)],
    ])}`,
  );
  console.log(`\nCOMMIT -> function start: p50 ${p50} ms, p99 ${p99} ms`);
  printResult({
    bench: 'table',
    rounds: options.rounds,
    lambent: { rowsPerS: own, startMs: p50, startP99Ms: p99 },
    peers: { pg_recvlogical: receiver },
    ratios: { pg_recvlogical: rounded(own / receiver) },
    unit: 'rows/s',
  });
}
