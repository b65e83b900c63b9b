import type { JournalEntry, Task } from '../../../src/model/journal.ts';
import type { ProgramAct } from '../../../src/ports/workflow-program.ts';
import type { OpenedExecution } from './run-messages.ts';
import { misuse, type WorkflowFailure } from './workflow-errors.ts';
import { nameOfTask } from './task-name.ts';

type Opened = Extract<JournalEntry, { kind: 'opened' }>;

/**
 * Holds a replay against its journal. Operations are numbered in the order in which the function opens them, so that
 * before each recorded input the function must have opened exactly as many as it had then, and each must be the same.
 */
export class ReplayCheck {
  readonly #execution: OpenedExecution;
  readonly #history: readonly JournalEntry[];
  readonly #opened = new Map<number, Opened>();
  /** Operations whose end the function itself brought about. */
  readonly #ownEnds = new Set<number>();
  readonly #answered = new Set<string>();
  #ended = false;
  /** Operations recorded before the place that the replay has come to. */
  #openedSoFar = 0;
  #at = 1;
  #divergence: WorkflowFailure | undefined;
  #extra: { task: Task; at: string | undefined } | undefined;

  constructor(execution: OpenedExecution, history: readonly JournalEntry[]) {
    this.#execution = execution;
    this.#history = history;
    for (const entry of history) {
      if (entry.kind === 'opened') this.#opened.set(entry.op, entry);
      else if (entry.kind === 'closed' || (entry.kind === 'completed' && this.#isScope(entry.op)))
        this.#ownEnds.add(entry.op);
      else if (entry.kind === 'answered') this.#answered.add(entry.update);
      else if (entry.kind === 'ended') this.#ended = true;
    }
  }

  /** The function opens an operation. False: it is a new one, beyond the journal. */
  opened(op: number, task: Task, at: string | undefined): boolean {
    const recorded = this.#opened.get(op);
    if (recorded === undefined) {
      this.#extra ??= { task, at };
      return false;
    }
    if (signatureOf(recorded.task) !== signatureOf(task))
      this.#divergence ??= this.#explain(
        op,
        `its history has ${nameOfTask(recorded.task)}${place(recorded.at)}, but the code began ${nameOfTask(task)}${place(at)}`,
      );
    return true;
  }

  /** The function ends an operation. False: that is new. */
  closes(op: number): boolean {
    return this.#ownEnds.has(op);
  }

  repeats(act: ProgramAct): boolean {
    return act.kind === 'end' ? this.#ended : act.kind === 'answer' && this.#answered.has(act.update);
  }

  /**
   * The next recorded input, or `undefined` when there is none; a failure where the function went another way.
   *
   * @param lastOp the last operation that the function opened
   */
  next(lastOp: number): JournalEntry | WorkflowFailure | undefined {
    if (this.#divergence !== undefined) return this.#divergence;
    for (; this.#at < this.#history.length; this.#at += 1) {
      const entry = this.#history[this.#at]!;
      if (entry.kind === 'opened') this.#openedSoFar = entry.op;
      else if (this.#isInput(entry)) break;
    }
    if (lastOp < this.#openedSoFar) return this.#missing(lastOp + 1);
    const entry = this.#history[this.#at];
    this.#at += 1;
    if (entry !== undefined && lastOp > this.#openedSoFar) return this.#early();
    return entry;
  }

  #isInput(entry: JournalEntry): boolean {
    if (entry.kind === 'completed') return !this.#isScope(entry.op);
    return entry.kind === 'failed' || entry.kind === 'signalled' || entry.kind === 'cancelRequested';
  }

  #isScope(op: number): boolean {
    return this.#opened.get(op)?.task.kind === 'scope';
  }

  #missing(op: number): WorkflowFailure {
    const { task, at } = this.#opened.get(op)!;
    return this.#explain(
      op,
      `its history has ${nameOfTask(task)}${place(at)}, but the code did not begin it`,
    );
  }

  #early(): WorkflowFailure {
    const op = this.#openedSoFar + 1;
    const recorded = this.#opened.get(op);
    const what = recorded ?? this.#extra;
    const name = what === undefined ? 'an operation' : `${nameOfTask(what.task)}${place(what.at)}`;
    return this.#explain(
      op,
      recorded === undefined
        ? `the code began ${name}, which is not in its history`
        : `the code began ${name} sooner than its history has it`,
    );
  }

  #explain(op: number, what: string): WorkflowFailure {
    return misuse(
      'E_NON_DETERMINISTIC',
      `execution ${this.#execution.id} of workflow ${this.#execution.workflow} went another way at its replay, at operation ${op}: ${what}. Between its operations a workflow must do the same each time: put what differs (time, chance, environment, I/O) into a step, or use ctx.now, ctx.random and ctx.uuid.`,
    );
  }
}

function place(at: string | undefined): string {
  return at === undefined ? '' : ` (${at})`;
}

/** What must be the same at each replay. Inputs may differ in what does not matter to the order of things. */
function signatureOf(task: Task): string {
  const { kind } = task;
  switch (kind) {
    case 'step':
      return `step ${task.name}`;
    case 'call':
      return `call ${task.function}`;
    case 'event':
      return `event ${task.event}`;
    case 'child':
      return `child ${task.workflow} ${task.waits}`;
    case 'signal':
      return `signal ${task.name} ${task.execution}`;
    case 'scope':
      return `scope ${task.form} ${task.name}`;
    default:
      return kind;
  }
}
