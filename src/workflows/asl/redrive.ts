import type { Thread } from './machine-state.ts';
import type { Run } from './run.ts';

/** Takes an execution that has failed, timed out or was stopped up again: at the states that had not succeeded. */
export function redrive(run: Run): void {
  const { state } = run;
  state.status = 'running';
  state.redrives += 1;
  state.redrivenMs = run.nowMs;
  run.emit(state.root, 'ExecutionRedriven', {
    executionRedrivenEventDetails: { redriveCount: state.redrives },
  });
  // What was under way when it ended is begun anew.
  for (const op of [...state.ops.keys()]) run.close(op);
  state.ready.length = 0;
  const { timeoutSeconds } = state.program;
  if (timeoutSeconds !== undefined) {
    state.timeoutOp = run.open(
      undefined,
      { kind: 'sleep', name: 'execution timeout' },
      { dueInMs: timeoutSeconds * 1000 },
    );
  }
  if (state.root !== undefined) takeUp(run, state.root);
}

function takeUp(run: Run, thread: Thread): void {
  const { waiting } = thread;
  const goesOn = waiting?.kind === 'children' && waiting.threads.size + waiting.done > 0;
  // Iterations and branches that have succeeded are no threads any more: only the others go on.
  if (goesOn && waiting.run === undefined) {
    for (const child of waiting.threads) takeUp(run, child);
    return;
  }
  // A distributed Map takes up what had not succeeded by itself, no more at once than it may.
  if (!goesOn) thread.waiting = undefined;
  thread.retries = [];
  run.state.ready.push({ thread, how: 'run' });
}

/** An iteration of a distributed Map, which is an execution of its own. */
export function redriveIteration(run: Run, thread: Thread): void {
  const { apart } = thread;
  if (apart !== undefined) {
    apart.redrives += 1;
    const { redrives: redriveCount, record } = apart;
    run.emit(thread, 'ExecutionRedriven', { executionRedrivenEventDetails: { redriveCount } });
    if (record !== undefined) Object.assign(record, { end: undefined, redrives: redriveCount });
  }
  takeUp(run, thread);
}
