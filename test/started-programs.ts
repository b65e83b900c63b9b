/**
 * Programs that a file of tests starts. They tell what they printed when a test fails or is given up. A file whose tests have
 * all ended must end: one that does not, as a test that was given up went on and started another program, would keep the
 * whole run from its end. It is ended, and fails with what it left.
 */
import type { ChildProcess } from 'node:child_process';
import { after, beforeEach, type TestContext } from 'node:test';

/** How long a file may go on behind its last test: what it opened for all of them is closed then. */
const PATIENCE_MS = 60_000;
/** Of what a program printed, how much is told. */
const OUTPUT_CHARS_MAX = 4_000;

interface Started {
  /** Everything, or the end, of what it printed so far. */
  output(): string;
  kill(): void;
}

const running = new Map<ChildProcess, Started>();

/** Makes the program known until it has ended. */
export function noteProgram(child: ChildProcess, started: Started): void {
  running.set(child, started);
  child.once('exit', () => running.delete(child));
}

// A program may use what tests use; it has no tests.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  beforeEach((context) => tellIfFailed(context as TestContext));
  after(() => void setTimeout(giveUp, PATIENCE_MS).unref());
}

function tellIfFailed(test: TestContext): void {
  // It comes at each end, that of a time limit included.
  test.signal.addEventListener('abort', () => {
    if (test.passed) return;
    for (const [child, { output }] of running)
      console.error(
        `“${test.fullName}” failed. ${nameOf(child)} printed:\n${output().slice(-OUTPUT_CHARS_MAX)}`,
      );
  });
}

/** Nothing but a thing that was left can keep the process here. */
function giveUp(): void {
  const left = [...process.getActiveResourcesInfo(), ...[...running.keys()].map(nameOf)];
  for (const { kill } of running.values()) kill();
  console.error(`The tests have ended, and their process does not. It waits for ${left.join(', ')}.`);
  process.exit(1);
}

function nameOf({ spawnargs, pid }: ChildProcess): string {
  return `${spawnargs.join(' ').slice(0, 200)} (process ${pid})`;
}
