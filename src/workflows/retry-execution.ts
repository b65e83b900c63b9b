import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId, MintUuid } from '../base/ids.ts';
import { type ExecutionRecord, isFinal } from '../model/execution.ts';
import type { JournalEntry } from '../model/journal.ts';
import {
  entriesBefore,
  entriesWithoutEnd,
  operationThatFailed,
  type RetryNote,
} from '../model/journal-restart.ts';
import type { JournalStore, NewExecution } from '../ports/journal-store.ts';
import type { WorkflowCatalog } from '../ports/workflow-catalog.ts';
import { LargeInput, type StartedExecution, type Workflows } from '../ports/workflows.ts';
import type { WorkflowEngine } from './engine.ts';
import { readHistory } from './query-history.ts';

export interface RetryOptions {
  readonly engine: WorkflowEngine;
  readonly store: JournalStore;
  readonly catalog: WorkflowCatalog;
  readonly clock: Clock;
  readonly mintUuid: MintUuid;
}

/** Begins another execution in the place of one: anew, or from somewhere in its history. */
export function createRetry(options: RetryOptions, start: Workflows['start']): Workflows['retry'] {
  const { store } = options;
  return async (id, from) => {
    const record = await store.find(id);
    const [first] = await store.history(id, 0, 1);
    if (record === undefined || first?.kind !== 'started')
      throw new LambentError('E_NOT_FOUND', `there is no execution ${id}`);
    const { app, workflow, priority } = record;
    if (from !== undefined) return await goOnFrom(options, record, from);
    const input = 'json' in first.input ? first.input.json : new LargeInput(first.input);
    return await start({ app, workflow, input, options: { priority } });
  };
}

async function goOnFrom(
  options: RetryOptions,
  record: ExecutionRecord,
  from: number | 'failed',
): Promise<StartedExecution> {
  const { engine, store, clock, mintUuid } = options;
  if (!isFinal(record.status))
    throw new LambentError('E_BAD_REQUEST', `execution ${record.id} has not ended`, {
      hint: 'Cancel it first: two executions would do the same steps.',
    });
  const history = await readHistory(store, record.id);
  const nowMs = clock.nowMs();
  const entries = (record.kind === 'asl' ? entriesOfStates : entriesOfCode)(record, history, from, nowMs);
  const execution: NewExecution = {
    ...targetOf(options, record),
    rules: record.rules,
    entries,
    id: mintUuid() as ExecutionId,
    priority: record.priority,
    parent: undefined,
    expiresMs: undefined,
  };
  const { id, status } = await engine.create(execution, nowMs);
  return { id, isNew: status === 'created' };
}

/** Code goes on as it is now, which is what a mended fault needs. A state machine goes on as what it began as. */
function targetOf({ catalog }: RetryOptions, record: ExecutionRecord) {
  const { app, workflow, kind, version, deployment } = record;
  if (kind === 'asl') return { app, workflow, kind, version, deployment };
  const target = catalog.live(app, workflow);
  if (target === undefined)
    throw new LambentError('E_NOT_FOUND', `app ${app} has no live workflow named ${workflow}`);
  return target;
}

function entriesOfCode(
  { id }: ExecutionRecord,
  history: readonly JournalEntry[],
  from: number | 'failed',
  nowMs: number,
): JournalEntry[] {
  const op = from === 'failed' ? operationThatFailed(history) : from;
  if (op === undefined)
    throw new LambentError('E_BAD_REQUEST', `no operation of execution ${id} failed`, {
      hint: 'Name the operation to go on from, or retry it as a whole.',
    });
  const entries = entriesBefore(history, op);
  if (entries === undefined)
    throw new LambentError('E_BAD_REQUEST', `execution ${id} has no operation ${op}`);
  const note: RetryNote = { retry: 1, execution: id };
  return [...entries, { kind: 'noted', atMs: nowMs, note }];
}

function entriesOfStates(
  { id, status, app }: ExecutionRecord,
  history: readonly JournalEntry[],
  from: number | 'failed',
  nowMs: number,
): JournalEntry[] {
  if (from !== 'failed')
    throw new LambentError(
      'E_BAD_REQUEST',
      `execution ${id} is of a state machine, which has no operations`,
      {
        hint: 'It goes on from what failed: `from=failed`.',
      },
    );
  if (status === 'succeeded')
    throw new LambentError('E_BAD_REQUEST', `execution ${id} succeeded: there is nothing to take up`);
  if (app.startsWith('$'))
    throw new LambentError('E_BAD_REQUEST', `execution ${id} belongs to the Step Functions API`, {
      hint: 'Use its RedriveExecution: it keeps the name of the execution.',
    });
  return entriesWithoutEnd(history, nowMs);
}
