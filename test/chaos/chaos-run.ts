/**
 * The kill harness: a platform as its users start it, killed with SIGKILL at seeded random moments, as are the
 * processes of its functions, while events, batches and a schedule run through it; then a checker that knows only the
 * promises compares what was acknowledged with what was seen. With `rows`, rows are committed in a MariaDB meanwhile,
 * which is killed as well.
 *
 * With `bug: 'ack-early'` a sender is told that its event is taken before the platform has it: the checker must notice,
 * or it is worth nothing.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { createSeededRandom, type Random } from '../../src/base/random.ts';
import { writeApp } from '../platform-harness.ts';
import { descendantsOf, poll } from '../process-table.ts';
import { type Server, startServer, untilGone, waitForToken } from '../server-process.ts';
import { checkLedger, checkRows } from './check-ledger.ts';
import { Ledger } from './ledger.ts';
import { RowWriter } from './row-writer.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly bug: 'none' | 'ack-early';
  /** Needs MariaDB. */
  readonly rows: boolean;
}

export interface ChaosReport {
  readonly seed: number;
  readonly bug: ChaosOptions['bug'];
  readonly nodeKills: number;
  readonly instanceKills: number;
  readonly databaseKills: number;
  /** Rows whose commit was answered. */
  readonly rows: number;
  readonly acknowledged: number;
  /** Sent again because no answer came. */
  readonly sentAgain: number;
  readonly seen: number;
  readonly repeated: number;
  /** Dead letters by the code of their error. */
  readonly dead: Readonly<Record<string, number>>;
  readonly ticks: number;
  readonly problems: readonly string[];
}

const KEYS = 5;
const SETTLE_MS = 60_000;
/** With the deliberate bug, the platform gets an event so much later than its sender is told. */
const LATE_MS = 60;

const REPORT = `
const report = async (by, events) => {
  const seen = events.map(({ id, subject, data, time, type }) => ({
    by, id, key: subject, place: data.place ?? 0, instantMs: type === 'lambent.schedule' ? Date.parse(time) : undefined,
  }));
  const answer = await fetch(process.env.LEDGER, { method: 'POST', body: JSON.stringify(seen) });
  if (!answer.ok) throw new Error('the ledger does not answer');
  await answer.text();
};
const fail = (share) => { if (Math.random() < share) throw new Error('now and then'); };
`;

const files = (ledger: string, database: string | undefined): Record<string, string> => ({
  'lambent.yaml': `
app: chaos
env: { LEDGER: "${ledger}" }
functions:
  ordered:
    on:
      - { events: { type: [chaos] }, key: subject, attempts: 1000, retryFirst: 20ms, retryMax: 200ms }
  batched:
    on:
      - { events: { type: [chaos] }, batch: 20, attempts: 1000, retryFirst: 20ms, retryMax: 200ms }
  dying:
    on:
      - { events: { type: [chaos] }, attempts: 2, retryFirst: 10ms }
  ticking:
    on:
      - { schedule: every 1s, missed: all, attempts: 1000, retryFirst: 20ms, retryMax: 200ms }
${
  database === undefined
    ? ''
    : `  rows:
    env: { DB: "${database}" }
    on:
      - { mysql: { url: DB, table: changes }, key: data.new.name, attempts: 1000, retryFirst: 20ms, retryMax: 200ms }
`
}`,
  ...(database === undefined
    ? {}
    : {
        'functions/rows.js': `${REPORT}
export const handler = async ({ data: { new: row } }) => {
  await report('rows', [{ id: row.id, subject: row.name, data: row }]);
  fail(0.1);
};`,
      }),
  'functions/ordered.js': `${REPORT}
export const handler = async (event) => { await report('ordered', [event]); fail(0.1); };`,
  'functions/batched.js': `${REPORT}
export const handler = async ({ events }) => {
  await report('batched', events);
  fail(0.05);
  return { batchItemFailures: events.filter(() => Math.random() < 0.05).map(({ id }) => ({ itemIdentifier: id })) };
};`,
  'functions/dying.js': `${REPORT}
export const handler = async (event) => { fail(0.3); await report('dying', [event]); };`,
  'functions/ticking.js': `${REPORT}
export const handler = async (event) => { await report('ticking', [event]); fail(0.1); };`,
});

class Chaos {
  readonly #options: ChaosOptions;
  readonly #random: Random;
  readonly #ledger = new Ledger();
  readonly #dataDir: string;
  #server: Server;
  #token: string;
  #isOver = false;
  #sent = 0;
  #sentAgain = 0;
  readonly #places = new Map<string, number>();
  readonly #deadByCode = new Map<string, number>();
  nodeKills = 0;
  instanceKills = 0;

  readonly #rows: RowWriter | undefined;

  private constructor(
    options: ChaosOptions,
    dataDir: string,
    ledger: Ledger,
    server: Server,
    token: string,
    rows: RowWriter | undefined,
  ) {
    this.#options = options;
    this.#rows = rows;
    this.#random = createSeededRandom(options.seed);
    this.#dataDir = dataDir;
    this.#ledger = ledger;
    this.#server = server;
    this.#token = token;
  }

  static async begin(options: ChaosOptions, folder: string): Promise<Chaos> {
    const ledger = new Ledger();
    const rows = options.rows ? await RowWriter.start(createSeededRandom(options.seed + 1)) : undefined;
    const app = await writeApp(join(folder, 'app'), files(await ledger.open(), rows?.url));
    const dataDir = join(folder, 'data');
    const server = await startServer(dataDir, [app]);
    const chaos = new Chaos(options, dataDir, ledger, server, await waitForToken(server), rows);
    // Rows that were there before the trigger began are not its own.
    if (rows !== undefined) await poll(() => chaos.#isReading());
    rows?.begin();
    return chaos;
  }

  async run(): Promise<ChaosReport> {
    const senders = [0, 1].map((sender) => this.#send(sender));
    const endMs = systemClock.monotonicMs() + this.#options.durationMs;
    while (systemClock.monotonicMs() < endMs) {
      await delay(200 + this.#random.fraction() * 1_500);
      await this.#kill();
    }
    this.#isOver = true;
    await Promise.all(senders);
    await this.#rows?.end();
    await this.#settle();
    const dead = await this.#deadLetters();
    const { acknowledged, seen } = this.#ledger;
    const rows = this.#rows?.acknowledged ?? [];
    const problems = [
      ...checkLedger({
        ...{ acknowledged, seen, dead, functions: ['ordered', 'batched', 'dying'] },
        ...{ ordered: 'ordered', scheduled: 'ticking', everyMs: 1_000 },
      }),
      ...checkRows({ acknowledged: rows, seen, dead, functions: ['rows'], ordered: 'rows' }),
    ];
    const distinct = new Set(seen.map(({ by, id }) => `${by} ${id}`)).size;
    return {
      seed: this.#options.seed,
      bug: this.#options.bug,
      nodeKills: this.nodeKills,
      instanceKills: this.instanceKills,
      databaseKills: this.#rows?.kills ?? 0,
      rows: rows.length,
      acknowledged: acknowledged.length,
      sentAgain: this.#sentAgain,
      seen: seen.length,
      repeated: seen.length - distinct,
      dead: Object.fromEntries(this.#deadByCode),
      ticks: new Set(seen.filter(({ by }) => by === 'ticking').map(({ id }) => id)).size,
      problems,
    };
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#ledger.close();
    await this.#rows?.close();
    const { child } = this.#server;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }

  async #kill(): Promise<void> {
    if (this.#rows !== undefined && this.#random.fraction() < 0.2) return this.#rows.kill();
    const { child } = this.#server;
    const below = descendantsOf(child.pid!);
    if (below.length > 0 && this.#random.fraction() < 0.4) {
      const pid = below[Math.floor(this.#random.fraction() * below.length)]!;
      this.instanceKills += 1;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended by itself.
      }
      return;
    }
    this.nodeKills += 1;
    child.kill('SIGKILL');
    await once(child, 'exit');
    await untilGone(below);
    this.#server = await startServer(this.#dataDir);
  }

  /** One sender owns its keys, sends one request at a time, and sends it again until it is acknowledged. */
  async #send(sender: number): Promise<void> {
    while (!this.#isOver) {
      const events = Array.from({ length: 1 + Math.floor(this.#random.fraction() * 8) }, () => {
        const key = `k${sender}-${Math.floor(this.#random.fraction() * KEYS)}`;
        const place = (this.#places.get(key) ?? 0) + 1;
        this.#places.set(key, place);
        this.#sent += 1;
        const base = {
          specversion: '1.0',
          id: `e${sender}-${this.#sent}`,
          source: `/chaos/${sender}`,
          type: 'chaos',
        };
        return { ...base, subject: key, data: { place } };
      });
      for (let tries = 0; !(await this.#post(events)); tries += 1) {
        if (tries > 0) this.#sentAgain += 1;
        await delay(25);
        // What nobody acknowledged is nobody's promise.
        if (this.#isOver && tries > 400) return;
      }
      for (const { id, subject, data } of events)
        this.#ledger.acknowledged.push({ id, key: subject, place: data.place });
      await delay(this.#random.fraction() * 20);
    }
  }

  async #post(events: readonly object[]): Promise<boolean> {
    const request = async (): Promise<boolean> => {
      try {
        const answer = await fetch(`${this.#server.url}/_lambent/events`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${this.#token}`,
            'content-type': 'application/cloudevents-batch+json',
          },
          body: JSON.stringify(events),
          signal: AbortSignal.timeout(5_000),
        });
        await answer.arrayBuffer();
        return answer.status === 202;
      } catch {
        return false;
      }
    };
    if (this.#options.bug === 'none') return request();
    void delay(LATE_MS).then(request);
    return true;
  }

  /** Whether the table's trigger reads. */
  async #isReading(): Promise<boolean> {
    const { items } = (await this.#get('/triggers')) as { items: { id: string; trouble?: string }[] };
    const found = items.find(({ id }) => id === 'chaos/rows-mysql');
    return found !== undefined && found.trouble === undefined;
  }

  /** Waits until nothing is owed any more, and the last row was read. */
  async #settle(): Promise<void> {
    const endMs = systemClock.monotonicMs() + SETTLE_MS;
    const last = this.#rows?.acknowledged.at(-1)?.id;
    while (systemClock.monotonicMs() < endMs) {
      const { items } = (await this.#get('/triggers')) as { items: { id: string; owed: number }[] };
      const isRead = last === undefined || this.#ledger.seen.some(({ id }) => id === last);
      // The schedule goes on, but between two ticks there is nothing.
      if (isRead && items.every(({ owed }) => owed === 0)) return;
      await delay(50);
    }
    throw new Error(`deliveries are still owed ${SETTLE_MS / 1_000} s after the last kill`);
  }

  async #deadLetters(): Promise<Set<string>> {
    const found = new Set<string>();
    for (let after = 0; ; ) {
      const { items } = (await this.#get(`/dead-letters?limit=1000&after=${after}`)) as {
        items: { key: number; trigger: string; id: string; error: { code: string } }[];
      };
      for (const { trigger, id, error } of items) {
        found.add(`${/\/([a-z]+)/.exec(trigger)![1]} ${id}`);
        this.#deadByCode.set(error.code, (this.#deadByCode.get(error.code) ?? 0) + 1);
      }
      if (items.length === 0) return found;
      after = items.at(-1)!.key;
    }
  }

  async #get(path: string): Promise<unknown> {
    const answer = await fetch(`${this.#server.url}/_lambent/api/v1${path}`, {
      headers: { authorization: `Bearer ${this.#token}` },
    });
    return answer.json();
  }
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-chaos-'));
  const chaos = await Chaos.begin(options, folder);
  try {
    return await chaos.run();
  } finally {
    await chaos.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** For people: what was done to it, and whether the promises held. */
export function reportText(report: ChaosReport): string {
  const { problems } = report;
  const bug = report.bug === 'none' ? '' : `, with the deliberate bug ${report.bug}`;
  return [
    `seed ${report.seed}${bug}`,
    `  killed: the platform ${report.nodeKills} times, one of its processes ${report.instanceKills} times, the database ${report.databaseKills} times`,
    `  acknowledged: ${report.acknowledged} events (${report.sentAgain} requests sent again), ${report.rows} rows`,
    `  seen: ${report.seen} times, ${report.repeated} of them again; dead letters ${JSON.stringify(report.dead)}; ${report.ticks} ticks`,
    problems.length === 0 ? '  every promise held' : `  ${problems.length} promises broken:`,
    ...problems.slice(0, 10).map((problem) => `    ${problem}`),
    '',
  ].join('\n');
}
