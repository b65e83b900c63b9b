import type { Chance } from './chance.ts';
import type { Program, StateNode } from './definition.ts';
import type { HistoryEvent } from './history-event.ts';
import type { Json, JsonObject } from './json-value.ts';
import type { TaskResource } from './task-resource.ts';

/** What the context object says of the execution and its state machine. */
export interface ExecutionFacts {
  readonly id: string;
  readonly name: string;
  /** The platform's own id of the execution, which names of map runs begin with. */
  readonly runId: string;
  readonly roleArn: string;
  readonly stateMachineId: string;
  readonly stateMachineName: string;
  /** As the caller wrote it, for the history. */
  readonly inputText: string;
}

export type MachineStatus = 'running' | 'succeeded' | 'failed' | 'aborted' | 'timedOut';

/** All that an execution is. It lives in memory only and comes back by feeding the machine the same inputs again. */
export interface MachineState {
  readonly program: Program;
  readonly facts: ExecutionFacts;
  readonly input: Json;
  readonly chance: Chance;
  /** The task token of an operation: always the same for the same number. */
  readonly tokenOf: (op: number) => string;
  /** Variables that the execution begins with. */
  readonly variables: JsonObject;
  /** Of TestState: the state that is tried, and what is noted of its way from input to output. */
  readonly trial: Trial | undefined;
  /** Takes what happens in the iterations of distributed Maps, when somebody wants to see that. */
  readonly records: IterationRecord[] | undefined;
  status: MachineStatus;
  startedMs: number;
  redrives: number;
  redrivenMs: number | undefined;
  lastEvent: number;
  lastOp: number;
  lastThread: number;
  root: Thread | undefined;
  /** Who waits for which operation. */
  readonly ops: Map<number, Thread>;
  /** Threads that can go on, in order. */
  readonly ready: Ready[];
  /** The operation that ends an execution with TimeoutSeconds. */
  timeoutOp: number | undefined;
  readonly mapRuns: MapRun[];
}

/** An iteration of a distributed Map as an execution of its own. */
export interface IterationRecord {
  /** Name of the Map run. */
  readonly mapRun: string;
  readonly index: number;
  readonly startedMs: number;
  readonly input: string;
  readonly events: HistoryEvent[];
  redrives: number;
  end:
    | { readonly status: 'SUCCEEDED'; readonly endedMs: number; readonly output: string }
    | {
        readonly status: 'FAILED';
        readonly endedMs: number;
        readonly error: string | undefined;
        readonly cause: string | undefined;
      }
    | undefined;
}

/** What is looked at beside the execution itself. */
export interface Watching {
  readonly trial?: Trial;
  readonly records?: IterationRecord[] | undefined;
}

export interface Trial {
  readonly state: string;
  /** Takes the place of what the context object has under the same names. */
  readonly context: JsonObject;
  readonly noted: JsonObject;
}

export interface Ready {
  readonly thread: Thread;
  /** `enter`: a state that follows; `run`: the same state again, after a retry's interval; `ended`: its last state is left. */
  readonly how: 'enter' | 'run' | 'ended';
}

/** One thread of control: the execution itself, a branch, an iteration. It is in one state at a time. */
export interface Thread {
  readonly id: number;
  readonly parent: Thread | undefined;
  /** Which branch or iteration of the parent's state. */
  readonly index: number;
  node: StateNode;
  flow: string;
  /** The state's raw input, and its text. */
  input: Json;
  inputText: string;
  readonly variables: JsonObject;
  /** `$$.Map` of an iteration. */
  readonly mapContext: JsonObject | undefined;
  /** Numbers of events that are counted but not part of this history: an iteration of a distributed Map. */
  readonly apart:
    | { lastEvent: number; redrives: number; readonly record: IterationRecord | undefined }
    | undefined;
  lastEvent: number;
  enteredEvent: number;
  enteredMs: number;
  /** Attempts used up, by entry of Retry. */
  retries: number[];
  retryCount: number;
  taskToken: string | undefined;
  /** An event has told that the task failed or timed out. */
  taskEnded: boolean;
  /** The event that leaving the state follows, where it is not the last one: what a Map or Parallel ends with is passed by. */
  exitAfter: number | undefined;
  waiting: Waiting | undefined;
}

export type Waiting =
  | { readonly kind: 'wait'; readonly op: number }
  | { readonly kind: 'retry'; readonly op: number }
  | TaskWaiting
  | ChildrenWaiting;

export interface TaskWaiting {
  readonly kind: 'task';
  readonly resource: TaskResource;
  /** The operation that does the work; for a task with a token, the call that passes the token on. */
  workOp: number | undefined;
  /** The operation that waits for an answer to the task token. */
  tokenOp: number | undefined;
  timeoutOp: number | undefined;
  readonly timeoutSeconds: number | undefined;
  readonly heartbeatSeconds: number | undefined;
  started: boolean;
}

export interface ChildrenWaiting {
  readonly kind: 'children';
  readonly threads: Set<Thread>;
  readonly results: Json[];
  /** Inputs of iterations; `undefined` in a Parallel. */
  readonly items: readonly MapItem[] | undefined;
  next: number;
  /** Iterations of a distributed Map that failed, and those that a redrive takes up again before others begin. */
  failed: Thread[];
  again: Thread[];
  done: number;
  /** How many of them run at once. */
  concurrency: number;
  readonly run: MapRun | undefined;
  /** Reading items or writing results: an operation is under way. */
  op: number | undefined;
  readonly startedEvent: number;
}

export interface MapItem {
  readonly input: Json;
  readonly context: JsonObject;
}

/** What UpdateMapRun may change. */
export interface MapRunLimits {
  readonly concurrency?: number;
  readonly toleratedCount?: number;
  readonly toleratedPercentage?: number;
}

/** A distributed Map at work, for DescribeMapRun. */
export interface MapRun {
  readonly name: string;
  readonly label: string;
  readonly startedMs: number;
  endedMs: number | undefined;
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'ABORTED';
  /** 0: as many as the platform bears. */
  concurrency: number;
  toleratedCount: number | undefined;
  toleratedPercentage: number | undefined;
  total: number;
  items: number;
  succeeded: number;
  failed: number;
  redrives: number;
  redrivenMs: number | undefined;
  readonly failures: {
    readonly index: number;
    readonly error: string | undefined;
    readonly cause: string | undefined;
  }[];
}

/** Work that the machine wants done. Numbers count up; the answer comes as an input with the same number. */
export type Work =
  | { readonly kind: 'sleep'; readonly name: string }
  /** Waits for an answer to the task token of this operation. */
  | { readonly kind: 'token'; readonly name: string }
  | { readonly kind: 'task'; readonly resource: TaskResource; readonly input: Json }
  | {
      readonly kind: 'read';
      readonly resource: string;
      readonly parameters: Json;
      readonly config: JsonObject;
    }
  | {
      readonly kind: 'write';
      readonly resource: string;
      readonly parameters: Json;
      readonly files: JsonObject;
    };

export type Command =
  | {
      readonly kind: 'open';
      readonly op: number;
      readonly work: Work;
      /** A sleep completes, all else expires, after this time or at that moment. */
      readonly dueInMs?: number;
      readonly dueMs?: number;
    }
  /** Nobody waits for it any more. */
  | { readonly kind: 'close'; readonly op: number }
  | {
      readonly kind: 'finish';
      readonly status: Exclude<MachineStatus, 'running'>;
      readonly output: Json | undefined;
      readonly error: string | undefined;
      readonly cause: string | undefined;
    };

export type MachineInput =
  | { readonly kind: 'start' }
  /** After an advance that stopped halfway, so that no turn takes too long. */
  | { readonly kind: 'continue' }
  /** After it ended otherwise than with success. */
  | { readonly kind: 'redrive' }
  /** A worker took an activity up. */
  | { readonly kind: 'taken'; readonly op: number; readonly worker: string | undefined }
  /** A distributed Map at work gets other limits; those that are absent stay as they are. */
  | ({ readonly kind: 'mapRun'; readonly name: string } & MapRunLimits)
  | { readonly kind: 'completed'; readonly op: number; readonly output: Json }
  | {
      readonly kind: 'failed';
      readonly op: number;
      readonly error: string;
      readonly cause: string | undefined;
    }
  /** Its time is over. */
  | { readonly kind: 'expired'; readonly op: number }
  | { readonly kind: 'stop'; readonly error: string | undefined; readonly cause: string | undefined };
