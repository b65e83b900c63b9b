/**
 * What an execution did, for people: its operations or the states it went through, each with its attempts, in the
 * order in which they began. It is the journal folded, the same for the console, the CLI and whoever asks the API.
 */
import type { LargePayload } from '../model/journal.ts';

/** Attempts of one step that are told: the newest. */
export const STEP_ATTEMPTS_MAX = 20;

/** *waiting*: for a time, an answer, an event, a child, or its next attempt. *cancelled*: given up, whatever it did. */
export type StepStatus = 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled';

export interface StepError {
  readonly code: string;
  readonly errorType: string;
  readonly errorMessage: string;
}

export interface StepAttempt {
  /** Epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs?: number;
  readonly error?: StepError;
}

export interface ExecutionStep {
  /** Its place among the steps, from 0. */
  readonly step: number;
  /** The step within which it began: a parallel, a map, an iteration. */
  readonly parent?: number;
  /** Which item of the map, or branch of the parallel, that its `parent` is: from 0. */
  readonly item?: number;
  /** The number by which durable code knows it; states have none. */
  readonly op?: number;
  /** `step`, `call`, `sleep`, `event`, `callback`, `child`, `signal`, `resource`, `scope`; of states their `Type`, or `iteration`. */
  readonly kind: string;
  readonly name: string;
  /** Where in the source. */
  readonly at?: string;
  readonly status: StepStatus;
  readonly fromMs: number;
  readonly toMs?: number;
  /** When it goes on or fails by itself. */
  readonly dueMs?: number;
  readonly attempts: readonly StepAttempt[];
  /** All attempts, those not told included; 0 where it has none. */
  readonly attemptCount: number;
  readonly error?: StepError;
  /** The execution that it started, or that this one was begun from. */
  readonly execution?: string;
  /** Places in the history: its first entry, and that of its end. */
  readonly firstEntry: number;
  readonly lastEntry?: number;
}

/** What went into a step and what came of it, as far as the history has it. */
export interface StepData {
  readonly input?: unknown;
  readonly output?: unknown;
  /** In place of those, of what is too large for a journal. */
  readonly largeInput?: LargePayload;
  readonly largeOutput?: LargePayload;
}

export interface StepPage {
  readonly items: readonly ExecutionStep[];
  readonly total: number;
  /** Entries of the history that the steps were made of. */
  readonly entries: number;
}
