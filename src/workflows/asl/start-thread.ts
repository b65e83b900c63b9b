import { ITERATIONS_MAX } from '../../ports/map-run-reader.ts';
import type { Json, JsonObject } from './json-value.ts';
import { inputOf } from './history-event.ts';
import type { IterationRecord, Thread } from './machine-state.ts';
import type { Run } from './run.ts';

export interface ThreadOrigin {
  readonly parent: Thread | undefined;
  readonly index: number;
  readonly flow: string;
  readonly input: Json;
  readonly mapContext?: JsonObject;
  /** An iteration of a distributed Map counts its events apart: the name of its run. */
  readonly apart?: string | undefined;
  readonly lastEvent: number;
}

/** Begins a thread at its flow's first state. */
export function startThread(run: Run, origin: ThreadOrigin): Thread {
  const { state } = run;
  const { parent, index, flow, input, mapContext } = origin;
  state.lastThread += 1;
  // In a history of its own, number 1 would be ExecutionStarted.
  const apart =
    origin.apart === undefined
      ? parent?.apart
      : { lastEvent: 1, redrives: 0, record: recordOf(run, origin.apart, index, input) };
  const thread: Thread = {
    id: state.lastThread,
    parent,
    index,
    flow,
    node: run.nodeOf(flow, state.program.flows.get(flow)!.startAt),
    input,
    inputText: JSON.stringify(input),
    variables: {},
    mapContext,
    apart,
    lastEvent: origin.apart === undefined ? origin.lastEvent : 0,
    enteredEvent: 0,
    enteredMs: run.nowMs,
    retries: [],
    retryCount: 0,
    taskToken: undefined,
    taskEnded: false,
    exitAfter: undefined,
    waiting: undefined,
  };
  state.ready.push({ thread, how: 'enter' });
  return thread;
}

function recordOf(run: Run, mapRun: string, index: number, value: Json): IterationRecord | undefined {
  const { records, facts } = run.state;
  if (records === undefined || records.length >= ITERATIONS_MAX) return undefined;
  const input = JSON.stringify(value);
  const details = { executionStartedEventDetails: { ...inputOf(input), roleArn: facts.roleArn } };
  const started = { id: 1, previousEventId: 0, timestampMs: run.nowMs, type: 'ExecutionStarted', ...details };
  const record = {
    ...{ mapRun, index, startedMs: run.nowMs, input, events: [started], redrives: 0, end: undefined },
  };
  records.push(record);
  return record;
}

/** Whether a thread has left a state and not entered the next. */
export function isBetweenStates(run: Run, thread: Thread): boolean {
  return run.state.ready.some((ready) => ready.thread === thread && ready.how !== 'run');
}

/** Nobody waits for what this thread waits for. It stays where it is, so that a redrive can take it up there. */
export function giveUp(run: Run, thread: Thread): void {
  const { waiting } = thread;
  if (waiting?.kind === 'task') {
    for (const op of [waiting.workOp, waiting.tokenOp, waiting.timeoutOp]) run.close(op);
  } else if (waiting !== undefined) run.close(waiting.op);
  const { ready } = run.state;
  for (let at = ready.length - 1; at >= 0; at -= 1) if (ready[at]!.thread === thread) ready.splice(at, 1);
}
