/** `npm run bench -- NAME [--rounds N] [--seconds N]`: runs one race. bench/README.md says what the figures mean. */
import { installPeers } from './peers.ts';
import type { RaceOptions } from './race-options.ts';

interface Race {
  readonly text: string;
  readonly needsPeers: boolean;
  run(options: RaceOptions): Promise<void>;
}

// Each race is loaded when it runs: a race that is broken does not stop the others.
const RACES: Record<string, Race> = {
  http: {
    text: 'a warm hello, 32 connections and 1: handlers of Lambent, bare node:http, workerd, serverless-offline, functions-framework',
    needsPeers: true,
    run: async (options) => (await import('./race-http.ts')).raceHttp(options),
  },
  cold: {
    text: 'scale from zero to the first byte, by language, beside starting a bare server',
    needsPeers: false,
    run: async (options) => (await import('./race-cold.ts')).raceCold(options),
  },
  contained: {
    text: 'a warm hello with full isolation beside the same without any',
    needsPeers: false,
    run: async (options) => (await import('./race-contained.ts')).raceContained(options),
  },
  burst: {
    text: '200 cold requests at once to 50 functions, and the latency of a warm one beside them',
    needsPeers: false,
    run: async (options) => (await import('./race-burst.ts')).raceBurst(options),
  },
  idle: {
    text: 'memory of a warm instance without work, one of eight of its language',
    needsPeers: false,
    run: async (options) => (await import('./race-idle.ts')).raceIdle(options),
  },
  langs: {
    text: 'a warm hello in Node.js, Python and Go, each against a bare server of its language',
    needsPeers: false,
    run: async (options) => (await import('./race-langs.ts')).raceLangs(options),
  },
  events: {
    text: 'durable accepted -> delivered, beside jobs of graphile-worker on PostgreSQL; 202 -> start; 1,000,000 waiting',
    needsPeers: true,
    run: async (options) => (await import('./race-events.ts')).raceEvents(options),
  },
  table: {
    text: 'COMMIT in PostgreSQL -> function start; rows a second delivered, beside pg_recvlogical into a file',
    needsPeers: false,
    run: async (options) => (await import('./race-table.ts')).raceTable(options),
  },
  density: {
    text: '10 deployed functions beside 10,000: routing, memory, start-up',
    needsPeers: false,
    run: async (options) => (await import('./race-density.ts')).raceDensity(options),
  },
  deploy: {
    text: 'a deploy, and a reload in dev, to the first new answer',
    needsPeers: false,
    run: async (options) => (await import('./race-deploy.ts')).raceDeploy(options),
  },
  steps: {
    text: 'durable steps a second: workflows of ten recorded steps, 50 at a time and one at a time, beside Restate and DBOS',
    needsPeers: true,
    run: async (options) => (await import('./race-steps.ts')).raceSteps(options),
  },
  sleepers: {
    text: 'memory of 1,000,000 executions that wait, and the first step after a kill with 100,000 under way',
    needsPeers: false,
    run: async (options) => (await import('./race-sleepers.ts')).raceSleepers(options),
  },
  history: {
    text: 'every list and filter of the API at 1,000,000 recorded invocations: p95 under 100 ms',
    needsPeers: false,
    run: async (options) => (await import('./race-history.ts')).raceHistory(options),
  },
  asl: {
    text: 'durable state transitions a second: state machines of ten states, 50 at a time and one at a time',
    needsPeers: false,
    run: async (options) => (await import('./race-asl.ts')).raceAsl(options),
  },
};

function readNumber(args: readonly string[], name: string, fallback: number): number {
  const at = args.indexOf(`--${name}`);
  if (at < 0) return fallback;
  const value = Number(args[at + 1]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} needs a whole number from 1 on`);
  return value;
}

const args = process.argv.slice(2);
const race = RACES[args[0] ?? ''];
if (race === undefined) {
  const list = Object.entries(RACES).map(([name, { text }]) => `  ${name.padEnd(8)} ${text}`);
  console.error(`npm run bench -- NAME [--rounds N] [--seconds N]\n\n${list.join('\n')}`);
  process.exitCode = 2;
} else {
  if (race.needsPeers) installPeers();
  await race.run({ rounds: readNumber(args, 'rounds', 5), seconds: readNumber(args, 'seconds', 3) });
}
