/**
 * Programs that a file of tests starts. They tell what they printed when a test fails or is given up, and they end with
 * the file's last test at the latest: a test that is given up goes on, may start another one, and each would keep the file,
 * and with it the whole run, from its end. A file that passes leaves none.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { after, beforeEach, type TestContext } from 'node:test';

/** How long a file may go on behind its last test. */
const PATIENCE_MS = 30_000;
/** Of what a program printed, how much is told. */
const OUTPUT_CHARS_MAX = 4_000;

interface Started {
  /** Everything, or the end, of what it printed so far. */
  output(): string;
  kill(): void;
}

const running = new Map<ChildProcess, Started>();
let isOver = false;

/** Sees to it that the program has ended when the file's tests have. */
export function endWithTests(child: ChildProcess, started: Started): void {
  if (isOver) started.kill();
  running.set(child, started);
  child.once('exit', () => running.delete(child));
}

// A program may use what tests use; it has no tests.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  beforeEach((context) => tellIfFailed(context as TestContext));
  after(endAll);
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

function endAll(): void {
  isOver = true;
  setTimeout(giveUp, PATIENCE_MS).unref();
  const left = [...running.keys()].filter(({ killed }) => !killed).map(nameOf);
  for (const { kill } of running.values()) kill();
  assert.deepEqual(left, [], 'the tests left programs that ran');
}

/** Nothing but a thing that was left can keep the process here. */
function giveUp(): void {
  for (const { kill } of running.values()) kill();
  const resources = process.getActiveResourcesInfo().join(', ');
  console.error(`the tests have ended, and their process does not: it waits for ${resources}`);
  process.exit(1);
}

function nameOf({ spawnargs, pid }: ChildProcess): string {
  return `${spawnargs.join(' ').slice(0, 200)} (process ${pid})`;
}
