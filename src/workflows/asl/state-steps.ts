import type { JournalEntry } from '../../model/journal.ts';
import type { StepError } from '../../ports/execution-steps.ts';
import { beginAttempt, endAttempt, endStep, type GrowingStep, type StepFold } from '../growing-step.ts';
import type { HistoryEvent } from './history-event.ts';
import { isAslNote } from './note.ts';

/** Details of one event, whatever its type. */
interface Details {
  readonly name?: string;
  readonly index?: number;
  readonly state?: string;
  readonly error?: string;
  readonly cause?: string;
}

/**
 * The states that a state machine went through, and the iterations of its Maps. Each event belongs to the state that
 * the one before it in its thread belongs to, until that state is left.
 */
export class StateSteps implements StepFold {
  readonly steps: GrowingStep[] = [];
  /** The innermost step at each event. */
  readonly #at = new Map<number, GrowingStep | undefined>();
  readonly #open = new Set<GrowingStep>();

  take(entry: JournalEntry, place: number): void {
    if (entry.kind === 'noted' && isAslNote(entry.note))
      for (const event of entry.note.events)
        this.#at.set(event.id, this.#follow(event, this.#at.get(event.previousEventId), place));
    if (entry.kind !== 'ended') return;
    for (const step of this.#open) endStep(step, 'cancelled', entry.atMs, place);
    this.#open.clear();
  }

  #follow(event: HistoryEvent, step: GrowingStep | undefined, place: number): GrowingStep | undefined {
    const { type, timestampMs: atMs } = event;
    const details = detailsOf(event);
    if (type.endsWith('StateEntered'))
      return this.#begin(type.slice(0, -'StateEntered'.length), details.name ?? '?', atMs, step, place);
    if (type === 'MapIterationStarted')
      return this.#begin('iteration', `#${details.index ?? 0}`, atMs, step, place);
    if (step === undefined) return undefined;
    if (type.endsWith('StateExited'))
      return this.#end(
        this.#around(step, ({ name }) => name === details.name),
        'succeeded',
        atMs,
        place,
      );
    if (type.startsWith('MapIteration')) return this.#endIteration(step, type, details, atMs, place);
    // Which of several branches it was in, this event does not tell: all of them end with the state around.
    if (type.endsWith('StateAborted')) return step;
    const within = /^(Map|Parallel)State/.exec(type)?.[1] ?? details.state;
    const own =
      within === undefined
        ? step
        : this.#around(step, ({ kind, name }) => within === kind || within === name);
    if (/^(?:Map|Parallel)State(?:Failed|Started)$/.test(type)) this.#endWithin(own, step, atMs, place);
    this.#work(own, type, details, atMs, place);
    return own;
  }

  /** An iteration is over; what follows is in the Map. One that is given up follows an event of another one. */
  #endIteration(
    step: GrowingStep,
    type: string,
    { index = 0 }: Details,
    atMs: number,
    place: number,
  ): GrowingStep | undefined {
    const named = `#${index}`;
    if (type === 'MapIterationAborted') {
      const map = this.#around(step, ({ kind }) => kind === 'Map');
      const cut = [...this.#open].find(({ parent, name }) => parent === map.step && name === named);
      if (cut !== undefined) this.#end(cut, 'cancelled', atMs, place);
      return step;
    }
    const iteration = this.#around(step, ({ kind, name }) => kind === 'iteration' && name === named);
    if (type === 'MapIterationSucceeded') return this.#end(iteration, 'succeeded', atMs, place);
    this.#endWithin(iteration, step, atMs, place);
    return this.#end(iteration, 'failed', atMs, place);
  }

  /** Nothing goes on within a state any more: what led to `failed` failed with it, all else was given up. */
  #endWithin(own: GrowingStep, failed: GrowingStep, atMs: number, place: number): void {
    for (let step = failed; step !== own; ) {
      if (step.error !== undefined) own.error = step.error;
      const parent = this.#parentOf(step);
      if (step.toMs === undefined) this.#end(step, 'failed', atMs, place);
      if (parent === undefined) return;
      step = parent;
    }
    for (const step of this.#open) {
      if (step !== own && this.#around(step, (each) => each === own) === own && step.toMs === undefined)
        this.#end(step, 'cancelled', atMs, place);
    }
  }

  /** This step or the nearest around it of which something holds; this step where it holds of none. */
  #around(first: GrowingStep, holds: (step: GrowingStep) => boolean): GrowingStep {
    for (let step: GrowingStep | undefined = first; step !== undefined; step = this.#parentOf(step))
      if (holds(step)) return step;
    return first;
  }

  /** What happens within a state. */
  #work(step: GrowingStep, type: string, details: Details, atMs: number, place: number): void {
    if (/^(?:Task|LambdaFunction|Activity)Scheduled$/.test(type)) {
      // After a redrive also one that had ended.
      delete step.toMs;
      delete step.error;
      this.#open.add(step);
      beginAttempt(step, atMs);
      step.status = 'running';
    } else if (/^(?:Task|LambdaFunction|Activity)Succeeded$/.test(type)) endAttempt(step, atMs);
    else if (/(?:Failed|TimedOut)$/.test(type)) {
      endAttempt(step, atMs, errorOf(details));
      if (details.error !== undefined || step.error === undefined) step.error = errorOf(details);
      // Another attempt, a Catch, or the end of the execution says what comes of it.
      if (step.attemptCount > 0) step.status = 'waiting';
    }
    if (/^Execution(?:Failed|TimedOut)$/.test(type)) this.#endUp(step, 'failed', atMs, place);
    else if (type === 'ExecutionAborted') this.#endUp(step, 'cancelled', atMs, place);
  }

  #begin(
    kind: string,
    name: string,
    fromMs: number,
    parent: GrowingStep | undefined,
    place: number,
  ): GrowingStep {
    const step: GrowingStep = {
      ...{ step: this.steps.length, kind, name, fromMs, attempts: [], attemptCount: 0, firstEntry: place },
      ...(parent === undefined ? {} : { parent: parent.step }),
      status: kind === 'Wait' ? 'waiting' : 'running',
    };
    this.steps.push(step);
    this.#open.add(step);
    return step;
  }

  /** The step that is gone on in. */
  #end(
    step: GrowingStep,
    status: 'succeeded' | 'failed' | 'cancelled',
    atMs: number,
    place: number,
  ): GrowingStep | undefined {
    endStep(step, status, atMs, place);
    this.#open.delete(step);
    if (step.kind === 'iteration' || step.kind === 'Map' || step.kind === 'Parallel')
      this.#endWithin(step, step, atMs, place);
    return this.#parentOf(step);
  }

  /** The execution ended in this state. */
  #endUp(first: GrowingStep, status: 'failed' | 'cancelled', atMs: number, place: number): void {
    for (let step: GrowingStep | undefined = first; step !== undefined; step = this.#parentOf(step))
      if (step.toMs === undefined) this.#end(step, status, atMs, place);
  }

  #parentOf({ parent }: GrowingStep): GrowingStep | undefined {
    return parent === undefined ? undefined : this.steps[parent];
  }
}

function detailsOf(event: HistoryEvent): Details {
  for (const [key, value] of Object.entries(event))
    if (key.endsWith('Details') && typeof value === 'object' && value !== null) return value as Details;
  return {};
}

function errorOf({ error = 'failed', cause = '' }: Details): StepError {
  return { code: 'E_FUNCTION_ERROR', errorType: error, errorMessage: cause };
}
