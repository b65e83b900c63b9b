import { Worker } from 'node:worker_threads';

/** What a thread opens. */
export interface ThreadTask {
  readonly file: string;
}

export interface ThreadCall {
  readonly id: number;
  /** `read`: one statement; `write`: all of them, in one transaction. */
  readonly kind: 'read' | 'write';
  readonly statements: readonly string[];
  readonly values: readonly unknown[];
}

export type ThreadAnswer =
  | { readonly id: number; readonly rows: unknown[] }
  | {
      readonly id: number;
      readonly error: { readonly message: string; readonly errcode: number | undefined };
    };

/** A value of SQLite's: whole numbers are `bigint`. */
export type SqliteValue = bigint | number | string | Uint8Array | null;
export type SqliteRow = Readonly<Record<string, SqliteValue>>;

/** An answer of SQLite's that is no rows. */
export class SqliteError extends Error {
  /** Its result code, extended. */
  readonly errcode: number | undefined;

  constructor(message: string, errcode: number | undefined) {
    super(message);
    this.errcode = errcode;
  }
}

interface Waiting {
  resolve(rows: SqliteRow[]): void;
  reject(error: Error): void;
}

/** A file of SQLite's on a thread of its own: the platform's never waits for a disk, or for another process' lock. */
export class DatabaseThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #failure: Error | undefined;

  constructor(file: string, onLost: (error: unknown) => void) {
    // The thread's file lies beside this one, as source or as what was emitted from it.
    const program = import.meta.url.endsWith('.ts') ? './database-worker.ts' : './database-worker.js';
    this.#worker = new Worker(new URL(program, import.meta.url), {
      workerData: { file } satisfies ThreadTask,
      ...{ execArgv: [], name: 'lambent-sqlite-source' },
    });
    this.#worker.on('message', (answer: ThreadAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new SqliteError(answer.error.message, answer.error.errcode));
      else waiting?.resolve(answer.rows as SqliteRow[]);
    });
    const fail = (error: Error): void => {
      this.#failure ??= error;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      onLost(error);
    };
    this.#worker.on('error', (error) => fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => fail(new Error('the thread of the file ended')));
  }

  read(statement: string, ...values: readonly SqliteValue[]): Promise<SqliteRow[]> {
    return this.#call('read', [statement], values);
  }

  /** In one transaction. */
  async write(statements: readonly string[]): Promise<void> {
    await this.#call('write', statements, []);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #call(
    kind: ThreadCall['kind'],
    statements: readonly string[],
    values: readonly unknown[],
  ): Promise<SqliteRow[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, statements, values } satisfies ThreadCall);
    });
  }
}
