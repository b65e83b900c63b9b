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
  // Iterations and branches that have succeeded are no threads any more: only the others go on. A distributed Map
  // forgets which of its items failed once it has counted them, so it begins anew as a whole.
  if (waiting?.kind === 'children' && waiting.run === undefined && waiting.threads.size > 0) {
    for (const child of waiting.threads) takeUp(run, child);
    return;
  }
  thread.waiting = undefined;
  thread.retries = [];
  run.state.ready.push({ thread, how: 'run' });
}
