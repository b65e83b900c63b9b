import type { JournalStore } from '../journal-store.ts';
import type { OpenFresh } from './harness.ts';
import { exerciseJournalClaims } from './journal-claims.ts';
import { exerciseJournalInputs } from './journal-inputs.ts';
import { exerciseJournalReading } from './journal-reading.ts';
import { exerciseJournalStarts } from './journal-starts.ts';

/** Holds an adapter to every sentence of `JournalStore`. */
export function exerciseJournalStore(open: OpenFresh<JournalStore>): void {
  exerciseJournalStarts(open);
  exerciseJournalClaims(open);
  exerciseJournalInputs(open);
  exerciseJournalReading(open);
}
