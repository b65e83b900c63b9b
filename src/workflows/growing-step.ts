import type { JournalEntry } from '../model/journal.ts';
import {
  type ExecutionStep,
  STEP_ATTEMPTS_MAX,
  type StepAttempt,
  type StepError,
} from '../ports/execution-steps.ts';

/** A step while its execution goes on. */
export type GrowingStep = {
  -readonly [Key in keyof ExecutionStep]: Key extends 'attempts'
    ? Growing<StepAttempt>[]
    : ExecutionStep[Key];
};
type Growing<Value> = { -readonly [Key in keyof Value]: Value[Key] };

/** Makes steps of one front end's journals. */
export interface StepFold {
  readonly steps: readonly GrowingStep[];
  take(entry: JournalEntry, place: number): void;
}

export function beginAttempt(step: GrowingStep, fromMs: number): void {
  step.attemptCount += 1;
  step.attempts.push({ fromMs });
  if (step.attempts.length > STEP_ATTEMPTS_MAX) step.attempts.shift();
}

export function endAttempt(step: GrowingStep, toMs: number, error?: StepError): void {
  const attempt = step.attempts.at(-1);
  if (attempt === undefined || attempt.toMs !== undefined) return;
  attempt.toMs = toMs;
  if (error !== undefined) attempt.error = error;
}

export function endStep(
  step: GrowingStep,
  status: 'succeeded' | 'failed' | 'cancelled',
  toMs: number,
  lastEntry: number,
  error?: StepError,
): void {
  endAttempt(step, toMs, error);
  Object.assign(step, { status, toMs, lastEntry });
  delete step.dueMs;
  if (error !== undefined) step.error = error;
}
