import type { Failure, JournalEntry, Task } from '../model/journal.ts';
import { isRetryNote } from '../model/journal-restart.ts';
import type { StepError } from '../ports/execution-steps.ts';
import { beginAttempt, endAttempt, endStep, type GrowingStep, type StepFold } from './growing-step.ts';

type Of<Kind extends JournalEntry['kind']> = Extract<JournalEntry, { kind: Kind }>;

/** What ends by itself or from outside, rather than by work of ours. */
const WAITS: ReadonlySet<Task['kind']> = new Set(['sleep', 'event', 'callback', 'child']);

/** The operations of durable code. */
export class CodeSteps implements StepFold {
  readonly steps: GrowingStep[] = [];
  readonly #byOp = new Map<number, GrowingStep>();
  readonly #open = new Set<GrowingStep>();
  /** Scopes, by step, some of whose own steps were given up: that is done when another of them failed, and by nothing else. */
  readonly #gaveUp = new Set<number>();

  take(entry: JournalEntry, place: number): void {
    if (entry.kind === 'opened') this.#opened(entry, place);
    else if (entry.kind === 'ended') this.#ended(entry, place);
    else if (entry.kind === 'noted' && isRetryNote(entry.note)) this.#retried(entry, place);
    else if ('op' in entry) {
      const step = this.#byOp.get(entry.op);
      if (step !== undefined) this.#goOn(step, entry, place);
    }
  }

  #opened({ op, task, atMs, dueMs, at, scope, item }: Of<'opened'>, place: number): void {
    const parent = scope === undefined ? undefined : this.#byOp.get(scope)?.step;
    const step: GrowingStep = {
      ...{ step: this.steps.length, op, kind: task.kind, name: nameOf(task) },
      ...(parent === undefined ? {} : { parent }),
      ...(item === undefined ? {} : { item }),
      ...(at === undefined ? {} : { at }),
      ...(dueMs === undefined ? {} : { dueMs }),
      ...(task.kind === 'child' || task.kind === 'signal' ? { execution: task.execution } : {}),
      status: WAITS.has(task.kind) ? 'waiting' : 'running',
      ...{ fromMs: atMs, attempts: [], attemptCount: 0, firstEntry: place },
    };
    if (task.kind === 'step' || task.kind === 'call') beginAttempt(step, atMs);
    this.steps.push(step);
    this.#byOp.set(op, step);
    this.#open.add(step);
  }

  #goOn(
    step: GrowingStep,
    entry: Of<'attempted' | 'attemptFailed' | 'extended' | 'completed' | 'failed' | 'closed'>,
    place: number,
  ): void {
    const { atMs } = entry;
    switch (entry.kind) {
      case 'attempted':
        beginAttempt(step, atMs);
        step.status = 'running';
        delete step.dueMs;
        return;
      case 'attemptFailed':
        endAttempt(step, atMs, errorOf(entry.error));
        if (entry.retryAtMs === undefined) return;
        step.status = 'waiting';
        step.dueMs = entry.retryAtMs;
        return;
      case 'extended':
        step.dueMs = entry.dueMs;
        return;
      case 'completed':
        // A scope is done with either way: the entry does not tell whether it gave up.
        endStep(step, this.#gaveUp.has(step.step) ? 'failed' : 'succeeded', atMs, place);
        break;
      case 'failed':
        endStep(step, 'failed', atMs, place, errorOf(entry.error));
        break;
      case 'closed':
        endStep(step, 'cancelled', atMs, place);
        if (step.parent !== undefined) this.#gaveUp.add(step.parent);
        break;
      default:
        entry satisfies never;
    }
    this.#open.delete(step);
  }

  /** What is open when the execution ends was given up with it. */
  #ended({ atMs }: Of<'ended'>, place: number): void {
    for (const step of this.#open) endStep(step, 'cancelled', atMs, place);
    this.#open.clear();
  }

  #retried({ atMs, note }: Of<'noted'>, place: number): void {
    if (!isRetryNote(note)) return;
    this.steps.push({
      ...{ step: this.steps.length, kind: 'retry', name: 'retried from here', status: 'succeeded' },
      ...{ fromMs: atMs, toMs: atMs, attempts: [], attemptCount: 0, firstEntry: place, lastEntry: place },
      execution: note.execution,
    });
  }
}

function errorOf({ code, errorType, errorMessage }: Failure): StepError {
  return { code, errorType, errorMessage };
}

function nameOf(task: Task): string {
  switch (task.kind) {
    case 'step':
    case 'signal':
      return task.name;
    case 'call':
      return task.function;
    case 'event':
      return task.event;
    case 'child':
      return task.workflow;
    case 'scope':
      return task.form === task.name ? task.form : `${task.form} ${task.name}`;
    case 'resource':
      return task.resource;
    case 'sleep':
    case 'callback':
      return task.name ?? task.kind;
    default:
      return task satisfies never;
  }
}
