import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { AccessStore } from '../ports/access-store.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import type { CallDetailStore } from '../ports/call-details.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { SavedEventStore } from '../ports/saved-events.ts';
import type { SecretStore } from '../ports/secret-store.ts';
import type { StateMachineStore } from '../ports/state-machine-store.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';
import { createAccessStore } from './access-store.ts';
import { createAppStore } from './app-store.ts';
import { createAsyncQueue } from './async-queue.ts';
import { createCallDetailStore } from './call-details.ts';
import { DATABASE_FILE } from './database.ts';
import { createEventStore } from './event-store.ts';
import { createJournalStore } from './journal-store.ts';
import { createSavedEventStore } from './saved-events.ts';
import { createSecretStore } from './secret-store.ts';
import { createStateMachineStore } from './state-machine-store.ts';
import { StoreThread, type ThreadTask } from './store-thread.ts';
import type { StoreStats, StoreWrites } from './store-worker.ts';
import { createTelemetryStore } from './telemetry-store.ts';

/*
 * The store: everything a node must not forget, in one SQLite database within its data folder.
 *
 * A thread of its own writes, another reads; the gateway's thread never waits for the disk. The writer takes all
 * operations that wait, runs each in a savepoint within one transaction, commits, and only then acknowledges: one
 * wait for the disk serves as many as came meanwhile (group-commit.ts). The reader works on the last committed
 * state, so a read never waits for a write, and whoever heard of a write sees it.
 *
 * Each port has one file (app-store, access-store, async-queue, call-details, journal-store, state-machine-store,
 * telemetry-store and others) that holds both ends: the adapter
 * in the main thread and the operations in the store threads. Telemetry comes by the ten thousand a second: its
 * invocations are stored as blocks of columns (invocation-block.ts), small ones merged in quiet moments, with sums
 * of use beside them (usage.ts); log lines are rows (log-lines.ts).
 *
 * Guaranteed: what was acknowledged survives the death of the process and of the machine (`synchronous=FULL`); an
 * operation that fails changes nothing and disturbs no other; one process at a time holds the folder; a database of
 * a newer Lambent, of another program or a damaged one is refused unchanged; a full disk refuses writes with
 * `E_DISK_FULL` until there is space, and then they work again. Every failure is a `LambentError`.
 *
 * Deliberately absent: replication (a fleet will use another adapter), and giving freed pages back to the file
 * system: pruned space is used again.
 */

export interface StoreOptions {
  /** The data folder; made if it is missing. */
  folder: string;
  clock: Clock;
  log: Log;
  /** Largest size of the database, in pages of 4 KiB; more is `E_DISK_FULL`. 0, the default: as the disk allows. */
  pagesMax?: number;
  /** A store thread died: nothing can be stored any more, and the process should end. */
  onFailed?(error: LambentError): void;
}

export interface Store {
  readonly apps: AppStore;
  readonly telemetry: TelemetryStore;
  readonly callDetails: CallDetailStore;
  readonly asyncQueue: AsyncQueue;
  readonly events: EventStore;
  readonly access: AccessStore;
  readonly secrets: SecretStore;
  readonly savedEvents: SavedEventStore;
  readonly journal: JournalStore;
  readonly stateMachines: StateMachineStore;
  stats(): Promise<StoreStats>;
  /** Finishes what waits, then closes. Calls from then on reject with `E_SHUTTING_DOWN`. */
  close(): Promise<void>;
}

/** Names the file in an error of SQLite, which does not: who starts a platform may have several data folders. */
function withPlace(thrown: unknown, path: string): unknown {
  if (!(thrown instanceof LambentError) || thrown.message.includes(dirname(path))) return thrown;
  const { code, message, hint, details = {} } = thrown;
  return new LambentError(code, `${path}: ${message}`, {
    hint,
    details: { ...details, path },
    cause: thrown,
  });
}

/**
 * Opens the data folder.
 *
 * @throws `E_STORE_LOCKED`, `E_STORE_NEWER`, `E_STORE_DAMAGED`, `E_DISK_FULL`, `E_STORE_FAILED`
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { clock, log } = options;
  const listener = {
    onTrouble: (error: LambentError): void => log.warn('store', { ...error.toRecord() }),
    onFailed: (error: LambentError): void => {
      log.error('store', { ...error.toRecord() });
      options.onFailed?.(error);
    },
  };
  const task: ThreadTask = {
    folder: options.folder,
    nowMs: clock.nowMs(),
    pagesMax: options.pagesMax ?? 0,
  };
  // Both load at once; the reader opens what the writer has made ready.
  const writer = new StoreThread('writer', listener);
  const reader = new StoreThread('reader', listener);
  try {
    await writer.open(task);
    await reader.open(task);
  } catch (thrown) {
    await Promise.all([reader.close(), writer.close()]);
    throw withPlace(thrown, join(options.folder, DATABASE_FILE));
  }
  const stats = writer.caller<StoreWrites>('store');
  return {
    apps: createAppStore(writer.caller('apps'), reader.caller('apps')),
    telemetry: createTelemetryStore(writer.caller('telemetry'), reader.caller('telemetry')),
    callDetails: createCallDetailStore(writer.caller('callDetails'), reader.caller('callDetails')),
    asyncQueue: createAsyncQueue(writer.caller('queue'), reader.caller('queue'), () => clock.nowMs()),
    events: createEventStore(writer.caller('events'), reader.caller('events')),
    access: createAccessStore(writer.caller('access'), reader.caller('access')),
    secrets: createSecretStore(writer.caller('secrets'), reader.caller('secrets')),
    savedEvents: createSavedEventStore(writer.caller('savedEvents'), reader.caller('savedEvents')),
    journal: createJournalStore(writer.caller('journal'), reader.caller('journal')),
    stateMachines: createStateMachineStore(writer.caller('stateMachines'), reader.caller('stateMachines')),
    stats: () => stats('stats', []),
    async close() {
      // The writer last: it folds the write-ahead log into the database when it is the only one left.
      await reader.close();
      await writer.close();
    },
  };
}
