import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { Operation } from './operation.ts';
import { type PortableError, toPortableError } from './sqlite-error.ts';

/** An operation that a main-thread adapter posted. */
export interface Request {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** What came of a request: its value, or its error. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: PortableError };

/** Most operations in one transaction: it bounds how long the first of them waits for the last. */
export const GROUP_OPERATIONS_MAX = 4_096;

/**
 * Runs many operations in one transaction, so that one wait for the disk serves them all.
 *
 * They hardly ever fail, so at first none is guarded. When one does, all are undone and done again, each with a
 * savepoint of its own: one that fails is undone and answered alone, and the others do not notice. Only after the commit
 * is anything answered. When the commit itself fails for lack of space, or the database gave the transaction up, the
 * operations are tried once more, one transaction each: so one that is too big for the disk does not take small ones
 * with it.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #operations: ReadonlyMap<string, Operation>;
  readonly #onUndone: () => void;
  /** Transactions committed and operations answered well, since the start. */
  transactions = 0;
  operations = 0;

  /** `onUndone`: something that operations did may be undone now; what they remember of the database, they forget. */
  constructor(db: DatabaseSync, operations: ReadonlyMap<string, Operation>, onUndone: () => void = () => {}) {
    this.#db = db;
    this.#operations = operations;
    this.#onUndone = onUndone;
  }

  /** Never throws; one answer a request, in the same order. Everything answered with `ok` is on the disk. */
  run(requests: readonly Request[]): Answer[] {
    if (requests.length === 1) return [this.#runAlone(requests[0]!)];
    return (
      this.#runUnguarded(requests) ??
      this.#runTogether(requests) ??
      requests.map((request) => this.#runAlone(request))
    );
  }

  /** `undefined`: something failed, and nothing was kept. */
  #runUnguarded(requests: readonly Request[]): Answer[] | undefined {
    const db = this.#db;
    try {
      db.exec('BEGIN IMMEDIATE');
      const answers: Answer[] = [];
      for (const request of requests) {
        answers.push({ id: request.id, ok: true, value: this.#apply(request) });
        if (!db.isTransaction) return this.#gaveUp();
      }
      db.exec('COMMIT');
      this.#count(answers);
      return answers;
    } catch {
      this.#rollBack();
      return undefined;
    }
  }

  /** `undefined`: nothing was kept, and each is to be tried alone. */
  #runTogether(requests: readonly Request[]): Answer[] | undefined {
    const db = this.#db;
    try {
      db.exec('BEGIN IMMEDIATE');
    } catch (thrown) {
      const error = toPortableError(thrown);
      return requests.map(({ id }) => ({ id, ok: false, error }));
    }
    try {
      const answers = requests.map((request) => this.#runInSavepoint(request));
      if (!db.isTransaction) return this.#gaveUp();
      db.exec('COMMIT');
      this.#count(answers);
      return answers;
    } catch (thrown) {
      this.#rollBack();
      const error = toPortableError(thrown);
      if (error.code === 'E_DISK_FULL') return undefined;
      return requests.map(({ id }) => ({ id, ok: false, error }));
    }
  }

  #runInSavepoint(request: Request): Answer {
    const db = this.#db;
    // The database gave up the whole transaction: whatever ran now would commit by itself.
    if (!db.isTransaction) return { id: request.id, ok: false, error: BROKEN_OFF };
    db.exec('SAVEPOINT operation');
    try {
      const value = this.#apply(request);
      db.exec('RELEASE operation');
      return { id: request.id, ok: true, value };
    } catch (thrown) {
      this.#onUndone();
      if (db.isTransaction) db.exec('ROLLBACK TO operation; RELEASE operation');
      return { id: request.id, ok: false, error: toPortableError(thrown) };
    }
  }

  #runAlone(request: Request): Answer {
    const db = this.#db;
    try {
      db.exec('BEGIN IMMEDIATE');
      const value = this.#apply(request);
      db.exec('COMMIT');
      const answer: Answer = { id: request.id, ok: true, value };
      this.#count([answer]);
      return answer;
    } catch (thrown) {
      const error = toPortableError(thrown);
      this.#rollBack();
      return { id: request.id, ok: false, error };
    }
  }

  #apply(request: Request): unknown {
    const operation = this.#operations.get(request.name);
    if (operation === undefined)
      throw new LambentError('E_INTERNAL', `The store has no operation ${request.name}.`);
    return operation(...(request.args as never[]));
  }

  #count(answers: readonly Answer[]): void {
    this.transactions += 1;
    for (const answer of answers) if (answer.ok) this.operations += 1;
  }

  /** The database undid the transaction by itself. */
  #gaveUp(): undefined {
    this.#onUndone();
  }

  #rollBack(): void {
    this.#onUndone();
    if (!this.#db.isTransaction) return;
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // A failed ROLLBACK has nothing left to undo; the next BEGIN shows whether the database still works.
    }
  }
}

const BROKEN_OFF: PortableError = {
  code: 'E_STORE_FAILED',
  message: 'The database broke the transaction off.',
  hint: 'Try again.',
  details: undefined,
  retryAfterS: undefined,
};
