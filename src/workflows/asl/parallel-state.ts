import { completeState } from './complete-state.ts';
import { evaluate } from './jsonata-expression.ts';
import type { ChildrenWaiting, Thread } from './machine-state.ts';
import { applyPath, fillTemplate, withData } from './path-scope.ts';
import type { Run } from './run.ts';
import { startThread } from './start-thread.ts';

export async function runParallel(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata, flows } = thread.node;
  let input = thread.input;
  if (!jsonata) {
    const scope = run.pathScope(thread, input);
    input = applyPath(definition.InputPath, scope);
    run.note(thread, 'afterInputPath', input);
    if (definition.Parameters !== undefined)
      input = fillTemplate(definition.Parameters, withData(scope, input));
  } else if (definition.Arguments !== undefined) {
    input = await evaluate(definition.Arguments, 'Arguments', run.queryScope(thread));
  }
  run.note(thread, jsonata ? 'afterArguments' : 'afterParameters', input);
  const lastEvent = run.emit(thread, 'ParallelStateStarted');
  const waiting: ChildrenWaiting = {
    kind: 'children',
    threads: new Set(),
    results: [],
    items: undefined,
    next: flows.length,
    failed: [],
    again: [],
    done: 0,
    concurrency: flows.length,
    run: undefined,
    op: undefined,
    startedEvent: lastEvent,
  };
  thread.waiting = waiting;
  for (const [index, flow] of flows.entries()) {
    waiting.threads.add(startThread(run, { parent: thread, index, flow, input, lastEvent }));
  }
}

export async function branchEnded(run: Run, parent: Thread, branch: Thread): Promise<void> {
  const waiting = parent.waiting as ChildrenWaiting;
  waiting.threads.delete(branch);
  waiting.results[branch.index] = branch.input;
  waiting.done += 1;
  if (waiting.done < parent.node.flows.length) return;
  parent.waiting = undefined;
  parent.lastEvent = branch.lastEvent;
  parent.exitAfter = branch.lastEvent;
  run.emit(parent, 'ParallelStateSucceeded');
  await completeState(run, parent, waiting.results);
}
