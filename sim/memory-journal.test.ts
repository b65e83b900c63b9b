import { exerciseJournalStore } from '../src/ports/conformance/journal-store.ts';
import { MemoryJournal } from './memory-journal.ts';

// Memory does not outlive a process; reopening is the same journal again.
exerciseJournalStore(async () => {
  const port = new MemoryJournal();
  return { port, reopen: async () => port, close: async () => {} };
});
