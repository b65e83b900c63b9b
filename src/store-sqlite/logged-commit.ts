import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { Answer, GroupCommit, Request } from './group-commit.ts';
import type { OperationLog } from './operation-log.ts';
import { numberOf } from './row.ts';
import { type PortableError, toPortableError } from './sqlite-error.ts';

/**
 * What may be acknowledged from the log: it comes by the ten thousand a second, changes the same in the same database
 * whenever it runs, and its arguments are JSON.
 */
const LOGGED: ReadonlySet<string> = new Set([
  'journal.create',
  'journal.append',
  'journal.deliver',
  'journal.settleAwaiting',
]);
/** Groups after which the database commits, however little time has passed. */
const GROUPS_MAX = 64;

/**
 * Commits groups, and what is small and frequent later than it is acknowledged.
 *
 * A commit of SQLite writes each page that changed, tens for a group of any size, and twice with the log of writes. So
 * groups of journal operations run in a transaction that stays open, and are acknowledged when the operation log has
 * them; one commit then serves dozens of groups. Anything else that comes commits what is open with itself.
 *
 * - What was acknowledged is in the database or in the log, on the disk. The epoch, which changes with each commit, says
 *   which: `recover` makes anew what only the log has, before anything else happens.
 * - Should anything fail while the transaction is open, it is undone, made anew from the log and committed; then the group
 *   that failed goes the careful way of `GroupCommit`.
 * - What is not committed, other connections do not see: whoever reads for somebody who heard of it, settles first.
 */
export class LoggedCommit {
  readonly #db: DatabaseSync;
  readonly #group: GroupCommit;
  readonly #log: OperationLog;
  readonly #epochs: { read(): number; next(): void };
  #epoch = 0;
  /** The database has a transaction open, with what the log has of this epoch. */
  #open = false;
  /** A transaction was undone: what the log has of its epoch is to be made anew before anything else. */
  #owed = false;

  constructor(db: DatabaseSync, group: GroupCommit, log: OperationLog) {
    this.#db = db;
    this.#group = group;
    this.#log = log;
    const read = db.prepare('SELECT epoch FROM operation_log');
    const next = db.prepare('UPDATE operation_log SET epoch = epoch + 1');
    this.#epochs = { read: () => numberOf(read.get()!, 'epoch'), next: () => void next.run() };
  }

  /** Something is acknowledged that other connections do not see yet. */
  get isOpen(): boolean {
    return this.#open || this.#owed;
  }

  /** Makes anew what a dead process acknowledged and did not commit. Before the first group; throws what prevents it. */
  recover(): void {
    const groups = this.#log.read(this.#epochs.read());
    if (groups.length > 0) this.#redo(groups);
  }

  /** Never throws; one answer a request, in the same order. Everything answered with `ok` is on the disk. */
  run(requests: readonly Request[]): Answer[] {
    const isLogged = requests.every(({ name }) => LOGGED.has(name));
    if (!this.#owed && (isLogged || this.#open)) {
      const answers = this.#runOpen(requests, isLogged);
      if (answers !== undefined) return answers;
    }
    const error = this.#owed ? this.#makeAnew() : undefined;
    if (error !== undefined) return requests.map(({ id }) => ({ id, ok: false, error }));
    return this.#group.run(requests);
  }

  /** Commits what is open. What prevents that is told to those who come next. */
  settle(): void {
    if (!this.#open) return;
    try {
      this.#commit();
    } catch {
      this.#undo();
    }
  }

  /** `undefined`: something failed, and nothing of this group was kept. */
  #runOpen(requests: readonly Request[], isLogged: boolean): Answer[] | undefined {
    try {
      if (!this.#open) {
        this.#db.exec('BEGIN IMMEDIATE');
        this.#epoch = this.#epochs.read();
        this.#open = true;
      }
      const answers = this.#group.apply(requests);
      if (!isLogged || this.#log.groups >= GROUPS_MAX || !this.#log.append(this.#epoch, requests))
        this.#commit();
      this.#group.count(answers);
      return answers;
    } catch {
      this.#undo();
      return undefined;
    }
  }

  #commit(): void {
    this.#epochs.next();
    this.#db.exec('COMMIT');
    this.#open = false;
    this.#log.clear();
  }

  /** Nothing of the open transaction is left; what of it was acknowledged is owed, and the next epoch in any case. */
  #undo(): void {
    this.#open = false;
    this.#owed = true;
    this.#group.rollBack();
  }

  /** What still prevents it, if anything does. */
  #makeAnew(): PortableError | undefined {
    try {
      const known = this.#log.groups;
      // A record behind them was written and not acknowledged: its group is answered otherwise, and the epoch ends it.
      const groups = this.#log.read(this.#epochs.read()).slice(0, known);
      if (groups.length < known)
        throw new LambentError('E_STORE_DAMAGED', 'The operation log lost what was acknowledged from it.');
      this.#redo(groups);
      this.#log.clear();
      this.#owed = false;
      return undefined;
    } catch (thrown) {
      return toPortableError(thrown);
    }
  }

  #redo(groups: readonly (readonly Request[])[]): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const requests of groups) this.#group.apply(requests);
      this.#epochs.next();
      this.#db.exec('COMMIT');
    } catch (thrown) {
      this.#group.rollBack();
      throw thrown;
    }
  }
}
