import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { delay, systemClock } from '../src/base/clock.ts';
import { createSeededRandom, type Random } from '../src/base/random.ts';
import type { JournalEntry } from '../src/model/journal.ts';
import { freePort } from './broker-servers.ts';
import { MariaDbServer, mariaDbMissing } from './mariadb-server.ts';
import { REPOSITORY } from './platform-harness.ts';
import { findPostgres, PostgresCluster } from './postgres-cluster.ts';
import { poll } from './process-table.ts';
import { type Server, startServer, waitForToken } from './server-process.ts';

/**
 * `examples/etl` as a stranger runs it, against a real PostgreSQL and a real MariaDB: what it promises, and that it keeps
 * that on a platform that is killed. The databases themselves count how often each step ran.
 */

const EXAMPLE = join(REPOSITORY, 'examples/etl');
const programs = await findPostgres();
const skip =
  (process.platform !== 'linux' && 'the databases are started as on Linux') ||
  (programs === undefined && 'there is no PostgreSQL: apt-get install postgresql') ||
  (await mariaDbMissing());

/** Of each way to write the workflow. */
const EXECUTIONS = 8;
const ORDERS_EACH = 5;
/** Every fourth region is unknown to MariaDB. */
const isKnown = (place: number): boolean => place % 4 !== 3;
const KILLS_MAX = 5;

interface Execution {
  readonly id: string;
  readonly status: string;
  readonly entries: number;
}

let folder = '';
let app = '';
let postgres: PostgresCluster;
let mariadb: MariaDbServer;
let server: Server | undefined;
let token = '';
let secrets: Readonly<Record<string, string>> = {};

describe('the example etl', { timeout: 400_000, skip }, () => {
  before(async () => {
    const port = await freePort();
    [postgres, mariadb] = await Promise.all([PostgresCluster.start(programs!, port), MariaDbServer.start()]);
    folder = await mkdtemp(join(tmpdir(), 'lambent-etl-'));
    app = join(folder, 'etl');
    // A copy, so that it installs what its lock file says, and names the ports of these databases.
    await cp(EXAMPLE, app, { recursive: true, filter: (path) => !/node_modules|\.lambent$/.test(path) });
    const manifest = await readFile(join(app, 'lambent.yaml'), 'utf8');
    await writeFile(
      join(app, 'lambent.yaml'),
      manifest.replaceAll(':5432', `:${port}`).replaceAll(':3306', `:${mariadb.port}`),
    );
    secrets = {
      ORDERS_URL: `postgres://owner@localhost:${port}/postgres`,
      REPORTS_URL: `mysql://root@localhost:${mariadb.port}/test`,
    };
  });
  after(async () => {
    await postgres?.remove();
    await mariadb?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    await postgres.sql('DROP TABLE IF EXISTS orders, steps');
    await mariadb.sql('DROP TABLE IF EXISTS reports, regions, steps');
    await postgres.sql(await readFile(join(EXAMPLE, 'databases/orders.sql'), 'utf8'));
    await mariadb.sql(await readFile(join(EXAMPLE, 'databases/reports.sql'), 'utf8'));
  });
  afterEach(async () => {
    if (server !== undefined) await kill(server);
    server = undefined;
    token = '';
  });

  const limit = { timeout: 120_000 };
  for (const [what, path] of [
    ['as code', '/reports'],
    ['as a state machine', '/states/reports'],
  ] as const) {
    it(`answers a request with what both databases then have: ${what}`, limit, async () => {
      server = await startServer(join(folder, 'dev'), [app], [], { LAMBENT_ISOLATION: 'best' }, 'dev');
      await tellSecrets();
      const post = (region: string) =>
        fetch(server!.url + path, { method: 'POST', body: JSON.stringify({ region }) });
      const good = await post('north');
      assert.equal(good.status, 200, server.output());
      const report = good.headers.get('lambent-execution')!;
      assert.deepEqual(await good.json(), {
        report,
        region: 'north',
        orders: 3,
        cents: 14_100,
        best: 'desk',
      });

      const bad = await post('atlantis');
      assert.equal(bad.status, 500);
      assert.match(await bad.text(), /foreign key constraint fails/);
      assert.deepEqual(await stored(), {
        // The one was marked, and released again.
        marks: { north: [report], south: [null], atlantis: [null] },
        reports: [[report, 'north', '3', '14100', 'desk']],
      });
    });
  }

  it('finishes on a platform that is killed again and again, and does each step once', limit, async (t) => {
    const seed = Number(process.env.LAMBENT_SEED ?? systemClock.nowMs() % 1_000_000);
    t.diagnostic(`LAMBENT_SEED=${seed} draws the same moments again`);
    const random = createSeededRandom(seed);
    const places = Array.from({ length: EXECUTIONS * 2 }, (_, place) => place);
    await postgres.sql(`
      DELETE FROM orders;
      INSERT INTO orders (region, product, cents)
        SELECT 'region ' || place, 'product ' || number, place + number
        FROM generate_series(0, ${places.length - 1}) place, generate_series(1, ${ORDERS_EACH}) number`);
    const known = places.filter(isKnown).map((place) => `('region ${place}')`);
    await mariadb.sql(`INSERT INTO regions VALUES ${known.join()}`);

    const data = join(folder, 'start');
    server = await startServer(data, [app]);
    token = await waitForToken(server);
    await tellSecrets();
    const workflowOf = (place: number): string => (place < EXECUTIONS ? 'report' : 'report-states');
    const ids = await Promise.all(
      places.map(async (place) => {
        const path = `/apps/etl/workflows/${workflowOf(place)}/executions?key=${place}`;
        return (await api<Execution>('POST', path, { region: `region ${place}` })).id;
      }),
    );
    await killAgainAndAgain(data, ids, random);
    for (const [place, id] of ids.entries()) {
      const { status } = await api<Execution>('GET', `/executions/${id}/result?wait=60`);
      assert.equal(status, isKnown(place) ? 'succeeded' : 'failed', `${workflowOf(place)} ${id}`);
    }
    const { marks, reports } = await stored();
    for (const [place, id] of ids.entries())
      assert.deepEqual(marks[`region ${place}`], [isKnown(place) ? id : null], `${workflowOf(place)} ${id}`);
    const expected = places.filter(isKnown).map((place) => {
      const cents = ORDERS_EACH * place + (ORDERS_EACH * (ORDERS_EACH + 1)) / 2;
      const best = `product ${ORDERS_EACH}`;
      return [ids[place]!, `region ${place}`, String(ORDERS_EACH), String(cents), best];
    });
    const byRegion = (rows: string[][]) => rows.toSorted((a, b) => (a[1]! < b[1]! ? -1 : 1));
    assert.deepEqual(byRegion(reports), byRegion(expected));
    await checkRuns(ids);
  });
});

async function api<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${server!.url}/_lambent/api/v1${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as Answer;
}

async function tellSecrets(): Promise<void> {
  for (const [name, value] of Object.entries(secrets))
    await api('PUT', `/apps/etl/secrets/${name}`, { value });
}

/** The marks of orders in PostgreSQL by region, and the reports in MariaDB. */
async function stored(): Promise<{ marks: Record<string, unknown>; reports: string[][] }> {
  const rows = await postgres.sql(
    'SELECT region, array_agg(DISTINCT report) AS reports FROM orders GROUP BY region',
  );
  return {
    marks: Object.fromEntries(rows.map(({ region, reports }) => [region, reports])),
    reports: await mariadb.sql('SELECT id, region, orders, cents, best FROM reports ORDER BY region'),
  };
}

/** No step ran more often than its attempts were recorded, and none after its result was. */
async function checkRuns(ids: readonly string[]): Promise<void> {
  const runs = new Map<string, number>();
  for (const { id, runs: count } of await postgres.sql('SELECT id, runs FROM steps'))
    runs.set(String(id), Number(count));
  for (const [id, count] of await mariadb.sql('SELECT id, runs FROM steps')) runs.set(id!, Number(count));
  for (const id of ids) {
    const { items } = await api<{ items: JournalEntry[] }>('GET', `/executions/${id}/history?limit=1000`);
    const names = new Map<number, string>();
    const attempts = new Map<string, number>();
    const ended = new Set<number>();
    for (const entry of items) {
      if (entry.kind === 'opened') {
        const { task } = entry;
        const name = task.kind === 'call' ? task.function : task.kind === 'step' ? 'release' : undefined;
        if (name !== undefined) names.set(entry.op, name);
      }
      const name = 'op' in entry ? names.get(entry.op) : undefined;
      if (name === undefined || !('op' in entry)) continue;
      assert.ok(!ended.has(entry.op), `${id}: something follows the result of ${name}`);
      if (entry.kind === 'opened' || entry.kind === 'attempted')
        attempts.set(name, (attempts.get(name) ?? 0) + 1);
      if (entry.kind === 'completed' || entry.kind === 'failed') ended.add(entry.op);
    }
    for (const [name, count] of attempts) {
      const ran = runs.get(`${id}/${name}`) ?? 0;
      assert.ok(ran <= count, `${id}/${name} ran ${ran} times, by ${count} recorded attempts`);
    }
  }
}

/** Waits until the executions have so many entries together, or have all ended. Gives how many are open. */
async function untilEntries(wanted: number, ids: readonly string[]): Promise<number> {
  let own: Execution[] = [];
  let open = 0;
  const isSo = async (): Promise<boolean> => {
    own = await executions(ids);
    open = own.filter(({ status }) => status === 'running' || status === 'waiting').length;
    return open === 0 || entriesIn(own) >= wanted;
  };
  await poll(isSo, () => ({ wanted, own }));
  return open;
}

async function executions(ids: readonly string[]): Promise<Execution[]> {
  const { items } = await api<{ items: Execution[] }>('GET', '/executions?limit=1000');
  return items.filter(({ id }) => ids.includes(id));
}

async function entriesOf(ids: readonly string[]): Promise<number> {
  return entriesIn(await executions(ids));
}

async function killAgainAndAgain(data: string, ids: readonly string[], random: Random): Promise<void> {
  let kills = 0;
  for (; kills < KILLS_MAX; kills += 1) {
    // Not after a time, which is nothing on a slow machine and all of it on a fast one, but after some progress.
    const progress = 5 + Math.floor(random.fraction() * 20);
    const open = await untilEntries((await entriesOf(ids)) + progress, ids);
    if (open === 0) break;
    await delay(systemClock, Math.floor(random.fraction() * 20));
    await kill(server!);
    server = await startServer(data);
  }
  assert.ok(kills >= 2, `it was killed ${kills} times only`);
}

function entriesIn(executions: readonly Execution[]): number {
  return executions.reduce((sum, { entries }) => sum + entries, 0);
}

async function kill({ child }: Server): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
