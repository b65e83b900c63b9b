import { LambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import type { WorkflowKind } from '../model/execution.ts';
import type { JournalEntry, Payload } from '../model/journal.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { QueryOutcome, WorkflowProgram } from '../ports/workflow-program.ts';
import { failureOf } from './failures.ts';

const PAGE = 1_000;

/** The whole journal of an execution. */
export async function readHistory(store: JournalStore, id: ExecutionId): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (;;) {
    const page = await store.history(id, entries.length, PAGE);
    if (page.length === 0) return entries;
    for (const entry of page) entries.push(entry);
  }
}

/**
 * Asks the program of an execution that is not hot: it is replayed for the question and dropped. What the program
 * would do next is not recorded, so nothing of it happens.
 */
export async function queryHistory(
  store: JournalStore,
  programs: Readonly<Partial<Record<WorkflowKind, WorkflowProgram>>>,
  id: ExecutionId,
  name: string,
  input: Payload,
): Promise<QueryOutcome | undefined> {
  const record = await store.find(id);
  if (record === undefined) return undefined;
  const program = programs[record.kind];
  if (program === undefined)
    return {
      error: failureOf(new LambentError('E_NOT_FOUND', `no part runs workflows of kind ${record.kind}`)),
    };
  const history = await readHistory(store, id);
  return await new Promise((resolve) => {
    const session = program.open(record, history, {
      submit: () => {},
      lost: (error) => resolve({ error }),
    });
    session
      .query(name, input)
      .then(resolve, (thrown) =>
        resolve({ error: failureOf(new LambentError('E_INTERNAL', String(thrown))) }),
      )
      .finally(() => session.close());
  });
}
