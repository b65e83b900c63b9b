/**
 * The kill harness: a platform as its users start it, killed with SIGKILL at seeded random moments, as are the
 * processes of its functions, while events, batches and a schedule run through it; then a checker that knows only the
 * promises compares what was acknowledged with what was seen. Rows are committed in a MariaDB and a PostgreSQL meanwhile, and
 * messages sent to a Redis, a NATS, a Mosquitto, a RabbitMQ and a Kafka, which are killed as well; of PostgreSQL's rows, many
 * are there before the trigger begins, and the platform is killed while it reads them.
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
import {
  kafkaService,
  MOSQUITTO,
  mqttService,
  natsService,
  RABBITMQ,
  rabbitMqService,
  redisService,
} from './chaos-broker.ts';
import { type ChaosService, mariaDbService, postgresService } from './chaos-service.ts';
import { ServiceWriter } from './service-writer.ts';
import { findPostgres } from '../postgres-cluster.ts';
import { mariaDbMissing } from '../mariadb-server.ts';
import { missing, NATS, REDIS } from '../broker-servers.ts';
import { kafkaUnavailable } from '../kafka-server.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly bug: 'none' | 'ack-early';
  /** With those that can run here; `quick` are those that begin within a second or two. */
  readonly services: 'none' | 'quick' | 'all';
}

export interface ChaosReport {
  readonly seed: number;
  readonly bug: ChaosOptions['bug'];
  readonly nodeKills: number;
  readonly instanceKills: number;
  /** By the functions that they run. */
  readonly services: Readonly<Record<string, { readonly kills: number; readonly acknowledged: number }>>;
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
/** Between two writes to a service, for each service that there is: all of them end on this one machine. */
const PAUSE_MS = 8;
/** Without any delivery that is done. */
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

const files = (ledger: string, services: readonly ChaosService[]): Record<string, string> => ({
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
${services.map(serviceFunction).join('')}`,
  ...Object.fromEntries(
    services.map(({ name, row }) => [
      `functions/${name}.js`,
      `${REPORT}
export const handler = async (event) => {
  const row = ${row};
  await report('${name}', [{ id: row.id, subject: row.name, data: row }]);
  fail(0.1);
};`,
    ]),
  ),
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

function serviceFunction({ name, url, trigger, key }: ChaosService): string {
  return `  ${name}:
    env: { DB: "${url}" }
    on:
      - { ${trigger}, key: ${key}, attempts: 1000, retryFirst: 20ms, retryMax: 200ms }
`;
}

async function startServices(wanted: ChaosOptions['services']): Promise<ChaosService[]> {
  if (wanted === 'none') return [];
  const programs = await findPostgres();
  const quick: readonly [isHere: boolean, start: () => Promise<ChaosService>][] = [
    [(await mariaDbMissing()) === false, mariaDbService],
    [programs !== undefined, () => postgresService(programs!)],
    [(await missing(REDIS)) === false, redisService],
    [(await missing(NATS)) === false, natsService],
    [(await missing(MOSQUITTO)) === false, mqttService],
  ];
  const slow: typeof quick = [
    [(await missing(RABBITMQ)) === false, rabbitMqService],
    [kafkaUnavailable === false, kafkaService],
  ];
  const all = wanted === 'all' ? [...quick, ...slow] : quick;
  return Promise.all(all.filter(([isHere]) => isHere).map(([, start]) => start()));
}

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

  readonly #writers: readonly ServiceWriter[];
  /** Services that were killed, until they are there again. */
  readonly #coming = new Set<Promise<void>>();

  private constructor(
    options: ChaosOptions,
    dataDir: string,
    ledger: Ledger,
    server: Server,
    token: string,
    writers: readonly ServiceWriter[],
  ) {
    this.#options = options;
    this.#writers = writers;
    this.#random = createSeededRandom(options.seed);
    this.#dataDir = dataDir;
    this.#ledger = ledger;
    this.#server = server;
    this.#token = token;
  }

  static async begin(options: ChaosOptions, folder: string): Promise<Chaos> {
    const ledger = new Ledger();
    const services = await startServices(options.services);
    const writers = services.map(
      (service, at) =>
        new ServiceWriter(service, createSeededRandom(options.seed + 1 + at), services.length * PAUSE_MS),
    );
    const app = await writeApp(join(folder, 'app'), files(await ledger.open(), services));
    const dataDir = join(folder, 'data');
    const server = await startServer(dataDir, [app]);
    const chaos = new Chaos(options, dataDir, ledger, server, await waitForToken(server), writers);
    // Where rows that were there before are not the trigger's, only those after it began are.
    await poll(() => chaos.#areReading());
    // In the midst of those that are.
    for (const { service } of writers)
      if (service.existing.length > 0) {
        await poll(() => ledger.seen.some(({ by }) => by === service.name));
        await chaos.#killNode();
      }
    for (const writer of writers) writer.begin();
    return chaos;
  }

  async run(): Promise<ChaosReport> {
    const senders = [0, 1].map((sender) => this.#send(sender));
    const endMs = systemClock.monotonicMs() + this.#options.durationMs;
    while (systemClock.monotonicMs() < endMs) {
      await delay(200 + this.#random.fraction() * 1_500);
      await this.#kill();
    }
    // However short the run was, nothing is spared; and all are there again for what is still to be read.
    for (const writer of this.#writers) if (writer.kills === 0) void this.#killService(writer);
    await Promise.all(this.#coming);
    this.#isOver = true;
    await Promise.all(senders);
    for (const writer of this.#writers) await writer.end();
    await this.#settle();
    const dead = await this.#deadLetters();
    const { acknowledged, seen } = this.#ledger;
    const problems = [
      ...checkLedger({
        ...{ acknowledged, seen, dead, functions: ['ordered', 'batched', 'dying'] },
        ...{ ordered: 'ordered', scheduled: 'ticking', everyMs: 1_000 },
      }),
      ...this.#writers.flatMap(({ service: { name }, acknowledged: written }) =>
        checkRows({ acknowledged: written, seen, dead, functions: [name], ordered: name }),
      ),
    ];
    const distinct = new Set(seen.map(({ by, id }) => `${by} ${id}`)).size;
    return {
      seed: this.#options.seed,
      bug: this.#options.bug,
      nodeKills: this.nodeKills,
      instanceKills: this.instanceKills,
      services: Object.fromEntries(
        this.#writers.map(({ service: { name }, kills, acknowledged: written }) => [
          name,
          { kills, acknowledged: written.length },
        ]),
      ),
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
    for (const writer of this.#writers) await writer.close();
    const { child } = this.#server;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }

  async #kill(): Promise<void> {
    const count = this.#writers.length;
    if (count > 0 && this.#random.fraction() < 0.3)
      return void this.#killService(this.#writers[Math.floor(this.#random.fraction() * count)]!);
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
    await this.#killNode();
  }

  /** Some take long to come again; meanwhile everything else goes on, and dies as well. */
  #killService(writer: ServiceWriter): void {
    const coming = writer.kill();
    this.#coming.add(coming);
    coming.catch(() => {});
  }

  async #killNode(): Promise<void> {
    const { child } = this.#server;
    const below = descendantsOf(child.pid!);
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

  /** Whether every service's trigger reads. */
  async #areReading(): Promise<boolean> {
    const { items } = (await this.#get('/triggers')) as { items: { id: string; trouble?: string }[] };
    return this.#writers.every(({ service: { name } }) => {
      const found = items.find(({ id }) => id.startsWith(`chaos/${name}-`));
      return found !== undefined && found.trouble === undefined;
    });
  }

  /** Waits until nothing is owed any more, and everything was read; what was not by then is for the checker. */
  async #settle(): Promise<void> {
    let fewest = Number.POSITIVE_INFINITY;
    let endMs = 0;
    for (let isOwed = true; isOwed || systemClock.monotonicMs() < endMs; ) {
      const { items } = (await this.#get('/triggers')) as { items: { id: string; owed: number }[] };
      const owed = items.reduce((sum, each) => sum + each.owed, 0);
      // The schedule goes on, but between two ticks there is nothing.
      isOwed = owed > 0;
      if (!isOwed && this.#isAllSeen()) return;
      if (owed < fewest) [fewest, endMs] = [owed, systemClock.monotonicMs() + SETTLE_MS];
      if (isOwed && systemClock.monotonicMs() > endMs)
        throw new Error(`${owed} deliveries are still owed, and no fewer since ${SETTLE_MS / 1_000} s`);
      await delay(50);
    }
  }

  #isAllSeen(): boolean {
    const seen = new Set(this.#ledger.seen.map(({ by, id }) => `${by} ${id}`));
    return this.#writers.every(({ service: { name }, acknowledged }) =>
      acknowledged.every(({ id }) => seen.has(`${name} ${id}`)),
    );
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
    `  killed: the platform ${report.nodeKills} times, one of its processes ${report.instanceKills} times`,
    ...Object.entries(report.services).map(
      ([name, { kills, acknowledged }]) =>
        `  ${name}: ${acknowledged} promised by a service that was killed ${kills} times`,
    ),
    `  acknowledged: ${report.acknowledged} events (${report.sentAgain} requests sent again)`,
    `  seen: ${report.seen} times, ${report.repeated} of them again; dead letters ${JSON.stringify(report.dead)}; ${report.ticks} ticks`,
    problems.length === 0 ? '  every promise held' : `  ${problems.length} promises broken:`,
    ...problems.slice(0, 10).map((problem) => `    ${problem}`),
    '',
  ].join('\n');
}
