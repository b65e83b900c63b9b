import type { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { atEndOfTurn } from '../base/clock.ts';
import { createAccessReads, createAccessWrites } from './access-store.ts';
import { createAppReads, createAppWrites } from './app-store.ts';
import { createQueueReads, createQueueWrites } from './async-queue.ts';
import { createCallDetailReads, createCallDetailWrites } from './call-details.ts';
import { createDataFolder, openForReading, openForWriting } from './database.ts';
import { createEventReads } from './event-reads.ts';
import { createEventWrites } from './event-store.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';
import { type Answer, GROUP_OPERATIONS_MAX, GroupCommit, type Request } from './group-commit.ts';
import { HeldExecutions } from './held-executions.ts';
import { createJournalReads } from './journal-reads.ts';
import { createJournalWrites } from './journal-store.ts';
import { flattenOperations, type Operation } from './operation.ts';
import { createSavedEventReads, createSavedEventWrites } from './saved-events.ts';
import { createSecretReads, createSecretWrites } from './secret-store.ts';
import { packAnswers, unpackRequests } from './packed-calls.ts';
import { toPortableError } from './sqlite-error.ts';
import { createStateMachineReads, createStateMachineWrites } from './state-machine-store.ts';
import type { ThreadInput, ThreadOutput, ThreadRole, ThreadTask } from './store-thread.ts';
import { createTelemetryReads, createTelemetryWrites } from './telemetry-store.ts';

/*
 * What runs in a store thread. Both threads run the same loop: take everything that has arrived, run it, answer it
 * with one message. They differ in what running means: the writer commits a group in one transaction, the reader
 * answers each from a snapshot of its own.
 */

/** Groups in a row after which one piece of tidying is done between them. */
const GROUPS_A_TIDY = 16;

interface Role {
  run(requests: readonly Request[]): Answer[];
  /** One bounded piece of work for quiet moments; true when there may be more of it. */
  tidy(): boolean;
  close(): void;
}

export type StoreWrites = { stats: () => StoreStats };

/** Work of the writer since its start. */
export interface StoreStats {
  /** Transactions committed: each waited for the disk once. */
  readonly transactions: number;
  /** Operations that were answered well in them. */
  readonly operations: number;
}

function openWriter(task: ThreadTask): Role {
  createDataFolder(task.folder);
  const lock: FolderLock = lockFolder(task.folder);
  let db: DatabaseSync;
  try {
    db = openForWriting(task);
  } catch (thrown) {
    lock.release();
    throw thrown;
  }
  const store: StoreWrites = {
    stats: () => ({ transactions: group.transactions, operations: group.operations }),
  };
  const telemetry = createTelemetryWrites(db);
  const held = new HeldExecutions(db);
  const group: GroupCommit = new GroupCommit(
    db,
    flattenOperations({
      access: createAccessWrites(db),
      secrets: createSecretWrites(db),
      apps: createAppWrites(db),
      callDetails: createCallDetailWrites(db),
      savedEvents: createSavedEventWrites(db),
      journal: createJournalWrites(db, held),
      queue: createQueueWrites(db),
      events: createEventWrites(db),
      stateMachines: createStateMachineWrites(db),
      telemetry,
      store,
    }),
    () => held.forgetAll(),
  );
  let mergeIsDue = true;
  return {
    run(requests) {
      mergeIsDue ||= requests.some((request) => request.name === 'telemetry.append');
      return group.run(requests);
    },
    tidy() {
      if (!mergeIsDue) return false;
      mergeIsDue = false;
      const [answer] = group.run([{ id: 0, name: 'telemetry.merge', args: [] }]);
      if (answer?.ok === false) post({ kind: 'trouble', error: answer.error });
      mergeIsDue = answer?.ok === true && answer.value === true;
      return mergeIsDue;
    },
    close() {
      db.close();
      lock.release();
    },
  };
}

function openReader(task: ThreadTask): Role {
  const db = openForReading(task.folder);
  const operations = flattenOperations({
    access: createAccessReads(db),
    secrets: createSecretReads(db),
    apps: createAppReads(db),
    callDetails: createCallDetailReads(db),
    savedEvents: createSavedEventReads(db),
    journal: createJournalReads(db),
    queue: createQueueReads(db),
    events: createEventReads(db),
    stateMachines: createStateMachineReads(db),
    telemetry: createTelemetryReads(db),
  });
  return {
    run: (requests) => requests.map((request) => readInSnapshot(db, operations, request)),
    tidy: () => false,
    close: () => db.close(),
  };
}

/** A transaction, so that an operation of several statements sees one state of the database. */
function readInSnapshot(
  db: DatabaseSync,
  operations: ReadonlyMap<string, Operation>,
  request: Request,
): Answer {
  try {
    db.exec('BEGIN');
    const value = operations.get(request.name)!(...(request.args as never[]));
    return { id: request.id, ok: true, value };
  } catch (thrown) {
    return { id: request.id, ok: false, error: toPortableError(thrown) };
  } finally {
    if (db.isTransaction) db.exec('COMMIT');
  }
}

function post(output: ThreadOutput): void {
  parentPort!.postMessage(output);
}

/** Takes what has arrived, up to a whole group. */
function takeGroup(arrived: Request[]): Request[] {
  while (arrived.length < GROUP_OPERATIONS_MAX) {
    const next = receiveMessageOnPort(parentPort!);
    if (next === undefined) break;
    accept(next.message, arrived);
  }
  return arrived.splice(0, GROUP_OPERATIONS_MAX);
}

let closing = false;

function accept(input: ThreadInput, arrived: Request[]): void {
  if (input === 'close') closing = true;
  else if (Array.isArray(input)) unpackRequests(input, arrived);
}

function serve(role: Role): void {
  const arrived: Request[] = [];
  let tidyIsNear = false;
  const tidy = (): void => {
    tidyIsNear = false;
    if (!closing && role.tidy()) scheduleTidy();
  };
  // Behind whatever has arrived by then: work that somebody waits for goes first.
  const scheduleTidy = (): void => {
    if (tidyIsNear) return;
    tidyIsNear = true;
    atEndOfTurn(tidy);
  };
  parentPort!.on('message', (input: ThreadInput) => {
    accept(input, arrived);
    let groups = 0;
    for (let group = takeGroup(arrived); group.length > 0; group = takeGroup(arrived)) {
      post({ kind: 'answers', ...packAnswers(role.run(group)) });
      // Under work without a pause there is no quiet moment: then tidying gets its share all the same.
      groups += 1;
      if (groups % GROUPS_A_TIDY === 0) role.tidy();
    }
    if (!closing) return scheduleTidy();
    role.close();
    parentPort!.close();
  });
}

function open(input: ThreadInput): void {
  // Closed before it was ever needed: the other thread could not open.
  if (input === 'close') {
    parentPort!.close();
    return;
  }
  try {
    const task = input as ThreadTask;
    serve((workerData as ThreadRole) === 'writer' ? openWriter(task) : openReader(task));
    post({ kind: 'ready' });
  } catch (thrown) {
    post({ kind: 'refused', error: toPortableError(thrown) });
    parentPort!.close();
  }
}

parentPort!.once('message', open);
