import type { JournalEntry } from '../../model/journal.ts';
import type { ExecutionStep, StepData } from '../../ports/execution-steps.ts';
import type { HistoryEvent } from './history-event.ts';
import { isAslNote } from './note.ts';

interface Named {
  readonly name?: string;
  readonly input?: string;
  readonly output?: string;
}

/** What a state was entered and left with, as the events of these two notes have it. */
export function stepEventData(
  { name, fromMs, toMs }: ExecutionStep,
  first: JournalEntry | undefined,
  last: JournalEntry | undefined,
): StepData {
  const entered = eventOf(first, 'stateEnteredEventDetails', name, fromMs)?.input;
  const exited = eventOf(last, 'stateExitedEventDetails', name, toMs)?.output;
  return {
    ...(entered === undefined ? {} : { input: JSON.parse(entered) as unknown }),
    ...(exited === undefined ? {} : { output: JSON.parse(exited) as unknown }),
  };
}

function eventOf(
  entry: JournalEntry | undefined,
  key: string,
  name: string,
  atMs: number | undefined,
): Named | undefined {
  if (entry?.kind !== 'noted' || !isAslNote(entry.note)) return undefined;
  const found = entry.note.events.find(
    (event: HistoryEvent) => event.timestampMs === atMs && (event[key] as Named | undefined)?.name === name,
  );
  return found?.[key] as Named | undefined;
}
