import type { ExecutionId } from '../base/ids.ts';
import type { ExecutionRecord } from '../model/execution.ts';
import type { JournalEntry } from '../model/journal.ts';
import type { ExecutionStep, StepData, StepPage } from '../ports/execution-steps.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import { StateSteps } from './asl/state-steps.ts';
import { stepEventData } from './asl/step-data.ts';
import { CodeSteps } from './code-steps.ts';
import type { StepFold } from './growing-step.ts';

/** Executions whose steps are kept, so that who watches one does not have its whole history read again and again. */
const KEPT_MAX = 8;
const ENTRIES_A_READ = 1_000;

interface Kept {
  readonly fold: StepFold;
  entries: number;
}

export interface ExecutionSteps {
  page(record: ExecutionRecord, from: number, limit: number): Promise<StepPage>;
  /** All of them, as they are now. */
  all(record: ExecutionRecord): Promise<readonly ExecutionStep[]>;
  /** One step with its data; `undefined`: there is none. */
  find(record: ExecutionRecord, step: number): Promise<(ExecutionStep & StepData) | undefined>;
}

/** Folds journals into steps. A journal only grows, so what was folded is kept and goes on from there. */
export function createExecutionSteps(store: Pick<JournalStore, 'history'>): ExecutionSteps {
  const kept = new Map<ExecutionId, Promise<Kept>>();
  const goOn = async (before: Promise<Kept> | undefined, { id, kind }: ExecutionRecord): Promise<Kept> => {
    const known = await before?.catch(() => undefined);
    const now = known ?? { fold: kind === 'asl' ? new StateSteps() : new CodeSteps(), entries: 0 };
    for (;;) {
      const entries = await store.history(id, now.entries, ENTRIES_A_READ);
      if (entries.length === 0) return now;
      for (const entry of entries) {
        now.fold.take(entry, now.entries);
        now.entries += 1;
      }
    }
  };
  /** Readers of one execution go one behind the other: each goes on where the one before stopped. */
  const read = (record: ExecutionRecord): Promise<Kept> => {
    const next = goOn(kept.get(record.id), record);
    kept.delete(record.id);
    kept.set(record.id, next);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
    next.catch(() => kept.delete(record.id));
    return next;
  };
  return {
    async page(record, from, limit) {
      const { fold, entries } = await read(record);
      return { items: fold.steps.slice(from, from + limit), total: fold.steps.length, entries };
    },
    all: async (record) => (await read(record)).fold.steps,
    async find(record, step) {
      const found = (await read(record)).fold.steps[step];
      if (found === undefined) return undefined;
      const [first] = await store.history(record.id, found.firstEntry, 1);
      const last =
        found.lastEntry === undefined ? undefined : (await store.history(record.id, found.lastEntry, 1))[0];
      return {
        ...found,
        ...(record.kind === 'asl' ? stepEventData(found, first, last) : dataOf(first, last)),
      };
    },
  };
}

function dataOf(first: JournalEntry | undefined, last: JournalEntry | undefined): StepData {
  const data: { -readonly [Key in keyof StepData]: StepData[Key] } = {};
  if (first?.kind === 'opened') {
    const { task } = first;
    if ('input' in task) {
      if ('json' in task.input) data.input = task.input.json;
      else data.largeInput = task.input;
    } else if (task.kind === 'event') data.input = task.match;
  }
  if (last?.kind === 'completed') {
    if ('json' in last.output) data.output = last.output.json;
    else data.largeOutput = last.output;
  }
  return data;
}
