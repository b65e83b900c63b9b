/**
 * `npm run check`: everything that must hold before a change is accepted, the cheapest first. Each step is
 * printed with its time; the first one that fails ends the run and is named on the last line.
 * `npm run check -- types tidy` runs only the steps named. `--fix` lets the format and lint steps write.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** What the step may do instead under `--fix`. */
  readonly fix?: readonly string[];
  /** A step that takes longer is interrupted and counts as failed. */
  readonly limitMs: number;
}

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const MINUTE_MS = 60_000;
/** What is interrupted has so long to say what it was at: the test runner tells what failed, and which tests ran. */
const LAST_WORDS_MS = 20_000;

const STEPS: readonly Step[] = [
  {
    name: 'format',
    command: ['biome', 'format', '--max-diagnostics=20', '.'],
    fix: ['biome', 'format', '--write', '.'],
    limitMs: 2 * MINUTE_MS,
  },
  {
    name: 'lint',
    command: ['biome', 'lint', '--error-on-warnings', '--max-diagnostics=50', '.'],
    fix: ['biome', 'lint', '--write', '--error-on-warnings', '.'],
    limitMs: 2 * MINUTE_MS,
  },
  { name: 'types', command: ['tsc', '--noEmit'], limitMs: 5 * MINUTE_MS },
  { name: 'tidy', command: ['node', '--test', 'tools/**/*.test.ts'], limitMs: 2 * MINUTE_MS },
  { name: 'tests', command: ['npm', 'test', '--silent'], limitMs: 30 * MINUTE_MS },
];

/** Runs one step; resolves with why it failed, or with `undefined`. */
function run(command: readonly string[], limitMs: number): Promise<string | undefined> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    // Its own process group, so that stopping it stops what it started.
    const child = spawn(program!, args, {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    let late = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended by itself meanwhile.
      }
    };
    let lastWords: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      late = true;
      stop('SIGINT');
      lastWords = setTimeout(() => stop('SIGKILL'), LAST_WORDS_MS);
    }, limitMs);
    const interrupt = (): void => stop('SIGINT');
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    const done = (reason: string | undefined): void => {
      clearTimeout(timer);
      clearTimeout(lastWords);
      process.removeListener('SIGINT', interrupt);
      process.removeListener('SIGTERM', interrupt);
      resolve(reason);
    };
    child.on('error', (error) => done(error.message));
    child.on('exit', (code, signal) => {
      if (late) done(`it took longer than ${limitMs / MINUTE_MS} minutes`);
      else if (code !== 0) done(signal === null ? `exit code ${code}` : `ended by ${signal}`);
      else done(undefined);
    });
  });
}

function chooseSteps(names: readonly string[]): readonly Step[] {
  const unknown = names.filter((name) => !STEPS.some((step) => step.name === name));
  if (unknown.length > 0) {
    const known = STEPS.map((step) => step.name).join(', ');
    throw new Error(`no step is called ${unknown.join(', ')}; the steps are ${known}`);
  }
  return names.length === 0 ? STEPS : STEPS.filter((step) => names.includes(step.name));
}

const args = process.argv.slice(2);
const fix = args.includes('--fix');
const steps = chooseSteps(args.filter((arg) => arg !== '--fix'));
const startMs = performance.now();
let failure: string | undefined;
for (const step of steps) {
  const command = fix && step.fix !== undefined ? step.fix : step.command;
  console.log(`\n== ${step.name}: ${command.join(' ')}`);
  const stepStartMs = performance.now();
  const reason = await run(command, step.limitMs);
  const tookS = ((performance.now() - stepStartMs) / 1000).toFixed(1);
  console.log(`== ${step.name}: ${reason === undefined ? 'passed' : `FAILED (${reason})`} in ${tookS} s`);
  if (reason !== undefined) {
    failure = step.name;
    break;
  }
}
const totalS = ((performance.now() - startMs) / 1000).toFixed(1);
if (failure === undefined) console.log(`\ncheck passed in ${totalS} s`);
else console.log(`\ncheck FAILED at step "${failure}" after ${totalS} s`);
process.exitCode = failure === undefined ? 0 : 1;
