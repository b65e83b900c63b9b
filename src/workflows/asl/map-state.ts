import { completeState } from './complete-state.ts';
import { isDistributed } from './definition.ts';
import { queryFailure, runtimeFailure, StateFailure } from './failure.ts';
import type { Json, JsonObject } from './json-value.ts';
import { evaluate, evaluateAs } from './jsonata-expression.ts';
import { failureDetails, iterationDetails, outputOf } from './history-event.ts';
import type {
  ChildrenWaiting,
  IterationRecord,
  MapItem,
  MapRun,
  MapRunLimits,
  Thread,
} from './machine-state.ts';
import { batchItems, beginRead, writeResults } from './map-data.ts';
import { toleranceOf, wholeNumber } from './map-fields.ts';
import { beginMapRun, breachesTolerance, endMapRun, redriveMapRun, THRESHOLD_ERROR } from './map-run.ts';
import { applyPath, fillTemplate, type Scope, withData } from './path-scope.ts';
import type { Run } from './run.ts';
import { redriveIteration } from './redrive.ts';
import { startThread } from './start-thread.ts';

/** Iterations at once where MaxConcurrency is 0 (AWS' own figures). */
const INLINE_CONCURRENCY = 40;
const DISTRIBUTED_CONCURRENCY = 10_000;

export async function runMap(run: Run, thread: Thread): Promise<void> {
  const { definition, jsonata } = thread.node;
  if (thread.waiting?.kind === 'children') return resumeMap(run, thread, thread.waiting);
  const distributed = isDistributed(definition);
  const scope = run.pathScope(thread, thread.input);
  const data = jsonata ? thread.input : applyPath(definition.InputPath, scope);
  const concurrency = await wholeNumber(run, thread, 'MaxConcurrency', withData(scope, data));
  if (concurrency !== undefined && concurrency < 0)
    throw runtimeFailure('MaxConcurrency cannot be negative.');
  const reads = definition.ItemReader !== undefined;
  run.note(thread, 'afterInputPath', data);
  const values = reads ? undefined : await itemsOf(run, thread, withData(scope, data));
  if (values !== undefined) run.note(thread, jsonata ? 'afterItems' : 'afterItemsPath', [...values]);
  const startedEvent = run.emit(thread, 'MapStateStarted', {
    mapStateStartedEventDetails: { length: values?.length ?? 0 },
  });
  const mapRun = distributed
    ? beginMapRun(run, thread, concurrency ?? 0, await toleranceOf(run, thread, withData(scope, data)))
    : undefined;
  const waiting: ChildrenWaiting = {
    kind: 'children',
    threads: new Set(),
    results: [],
    items: undefined,
    next: 0,
    failed: [],
    again: [],
    done: 0,
    concurrency: concurrency || (distributed ? DISTRIBUTED_CONCURRENCY : INLINE_CONCURRENCY),
    run: mapRun,
    op: undefined,
    startedEvent: mapRun === undefined ? startedEvent : thread.lastEvent,
  };
  thread.waiting = waiting;
  if (mapRun !== undefined && values === undefined) waiting.op = await reading(run, thread, data, mapRun);
  if (values === undefined) return;
  await beginItems(
    run,
    thread,
    waiting,
    values.map((value, index) => ({ Index: index, Value: value })),
  );
}

/** Goes on with a distributed Map that had ended: only with what had not succeeded. */
async function resumeMap(run: Run, thread: Thread, waiting: ChildrenWaiting): Promise<void> {
  const { failed, threads } = waiting;
  redriveMapRun(run, thread, waiting.run!);
  waiting.done -= failed.length;
  waiting.again = [...threads, ...failed].sort((left, right) => left.index - right.index);
  waiting.failed = [];
  threads.clear();
  await iterationDone(run, thread, waiting);
}

async function reading(run: Run, thread: Thread, data: Json, mapRun: MapRun): Promise<number> {
  try {
    return await beginRead(run, thread, data);
  } catch (thrown) {
    if (thrown instanceof StateFailure) endMapRun(run, thread, mapRun, thrown);
    throw thrown;
  }
}

async function itemsOf(run: Run, thread: Thread, scope: Scope): Promise<readonly Json[]> {
  const { definition, jsonata } = thread.node;
  if (!jsonata) {
    const path = (definition.ItemsPath as string | undefined) ?? '$';
    const value = applyPath(path, scope);
    if (Array.isArray(value)) return value;
    throw runtimeFailure(`Reference path "${path}" must point to array.`);
  }
  if (definition.Items !== undefined) {
    return (await evaluateAs(definition.Items, 'Items', 'array', run.queryScope(thread))) as Json[];
  }
  if (Array.isArray(thread.input)) return thread.input;
  throw queryFailure('Items', `Map state input must be an array but was: ${thread.inputText}`);
}

/** The items are known: `contexts` is `$$.Map.Item` for each. */
export async function beginItems(
  run: Run,
  thread: Thread,
  waiting: ChildrenWaiting,
  contexts: readonly JsonObject[],
): Promise<void> {
  const { definition } = thread.node;
  let items: MapItem[] = contexts.map((item) => ({ input: item.Value!, context: { Item: item } }));
  if (definition.ItemBatcher !== undefined) {
    const selected: Json[] = [];
    for (const item of items) selected.push(await inputOfItem(run, thread, item));
    items = (await batchItems(run, thread, selected)).map((input, Index) => ({
      input,
      context: { Item: { Index, Value: input } },
    }));
  }
  if (waiting.run !== undefined) {
    waiting.run.items = contexts.length;
    waiting.run.total = items.length;
  }
  const begun: ChildrenWaiting = { ...waiting, items, op: undefined };
  thread.waiting = begun;
  if (items.length === 0) await endMap(run, thread, begun);
  else await startIterations(run, thread, begun);
}

/** Other limits for a distributed Map that is at work; more iterations begin at once where they allow it. */
export async function limitMapRun(
  run: Run,
  thread: Thread,
  { concurrency, toleratedCount, toleratedPercentage }: MapRunLimits,
): Promise<void> {
  const waiting = thread.waiting as ChildrenWaiting;
  const mapRun = waiting.run!;
  if (toleratedCount !== undefined) mapRun.toleratedCount = toleratedCount;
  if (toleratedPercentage !== undefined) mapRun.toleratedPercentage = toleratedPercentage;
  if (concurrency === undefined) return;
  mapRun.concurrency = concurrency;
  waiting.concurrency = concurrency || DISTRIBUTED_CONCURRENCY;
  await startIterations(run, thread, waiting);
}

/** The thread that is in a distributed Map at work. */
export function threadOfMapRun(thread: Thread, name: string): Thread | undefined {
  const { waiting } = thread;
  if (waiting?.kind !== 'children') return undefined;
  if (waiting.run?.name === name) return thread;
  for (const child of waiting.threads) {
    const found = threadOfMapRun(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function startIterations(run: Run, thread: Thread, waiting: ChildrenWaiting): Promise<void> {
  const { items, run: mapRun } = waiting;
  const { definition, flows, name } = thread.node;
  while (waiting.again.length > 0 && waiting.threads.size < waiting.concurrency) {
    const again = waiting.again.shift()!;
    waiting.threads.add(again);
    redriveIteration(run, again);
  }
  while (items !== undefined && waiting.next < items.length && waiting.threads.size < waiting.concurrency) {
    const index = waiting.next;
    const item = items[index]!;
    const input = definition.ItemBatcher === undefined ? await inputOfItem(run, thread, item) : item.input;
    waiting.next += 1;
    const before = thread.lastEvent;
    thread.lastEvent = waiting.startedEvent;
    if (mapRun === undefined)
      run.emit(thread, 'MapIterationStarted', iterationDetails('Started', name, index));
    const child = startThread(run, {
      parent: thread,
      index,
      flow: flows[0]!,
      input,
      mapContext: item.context,
      apart: mapRun?.name,
      lastEvent: thread.lastEvent,
    });
    thread.lastEvent = before;
    waiting.threads.add(child);
  }
}

async function inputOfItem(run: Run, thread: Thread, item: MapItem): Promise<Json> {
  const { definition, jsonata } = thread.node;
  const template = definition.ItemSelector ?? (jsonata ? undefined : definition.Parameters);
  if (template === undefined) return item.input;
  const context = { ...run.context(thread), Map: item.context };
  if (jsonata) return evaluate(template, 'ItemSelector', run.queryScope(thread, {}, context));
  const scope = run.pathScope(thread, thread.input, context);
  return fillTemplate(template, withData(scope, applyPath(definition.InputPath, scope)));
}

export async function iterationSucceeded(run: Run, parent: Thread, child: Thread): Promise<void> {
  const waiting = parent.waiting as ChildrenWaiting;
  waiting.threads.delete(child);
  waiting.results[child.index] = child.input;
  waiting.done += 1;
  if (waiting.run === undefined) {
    run.emit(child, 'MapIterationSucceeded', iterationDetails('Succeeded', parent.node.name, child.index));
    parent.lastEvent = child.lastEvent;
  } else {
    waiting.run.succeeded += 1;
    endRecord(run, child, { status: 'SUCCEEDED', endedMs: run.nowMs, output: child.inputText });
  }
  await iterationDone(run, parent, waiting);
}

/** The last event of an iteration's own history. */
function endRecord(run: Run, child: Thread, end: NonNullable<IterationRecord['end']>): void {
  const record = child.apart?.record;
  if (record === undefined) return;
  record.end = end;
  if (end.status === 'SUCCEEDED')
    run.emit(child, 'ExecutionSucceeded', { executionSucceededEventDetails: outputOf(end.output) });
  else
    run.emit(child, 'ExecutionFailed', { executionFailedEventDetails: failureDetails(end.error, end.cause) });
}

async function iterationDone(run: Run, parent: Thread, waiting: ChildrenWaiting): Promise<void> {
  if (waiting.done === waiting.items!.length) await endMap(run, parent, waiting);
  else await startIterations(run, parent, waiting);
}

/** An iteration of a distributed Map failed. What the Map fails with; `undefined` where it tolerates that. */
export async function iterationFailed(
  run: Run,
  parent: Thread,
  child: Thread,
  failure: StateFailure,
): Promise<StateFailure | undefined> {
  const waiting = parent.waiting as ChildrenWaiting;
  const mapRun = waiting.run!;
  waiting.threads.delete(child);
  waiting.failed.push(child);
  waiting.done += 1;
  mapRun.failed += 1;
  endRecord(run, child, {
    ...{ status: 'FAILED', endedMs: run.nowMs, error: failure.error, cause: failure.reason },
  });
  mapRun.failures.push({ index: child.index, error: failure.error, cause: failure.reason });
  if (breachesTolerance(mapRun))
    return new StateFailure(THRESHOLD_ERROR, 'The specified tolerated failure threshold was exceeded');
  await iterationDone(run, parent, waiting);
  return undefined;
}

async function endMap(run: Run, thread: Thread, waiting: ChildrenWaiting): Promise<void> {
  if (waiting.run !== undefined && thread.node.definition.ResultWriter !== undefined) {
    waiting.op = await writeResults(run, thread, waiting.run, waiting.results);
    return;
  }
  await closeMap(
    run,
    thread,
    waiting,
    waiting.results.filter((result) => result !== undefined),
  );
}

/** All iterations are over, and their results written where they are to be written. */
export async function closeMap(
  run: Run,
  thread: Thread,
  waiting: ChildrenWaiting,
  result: Json,
): Promise<void> {
  thread.waiting = undefined;
  thread.exitAfter = thread.lastEvent;
  if (waiting.run !== undefined) endMapRun(run, thread, waiting.run);
  run.emit(thread, 'MapStateSucceeded');
  await completeState(run, thread, result);
}
