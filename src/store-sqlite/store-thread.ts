import { Worker } from 'node:worker_threads';
import { atEndOfTurn } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Request } from './group-commit.ts';
import type { CallCost, Caller, OperationTable } from './operation.ts';
import { packRequests, type SentAnswers, type SentRequest } from './packed-calls.ts';
import { fromPortableError, type PortableError, toPortableError } from './sqlite-error.ts';

/** Most calls that wait for one store thread; more are refused with `E_OVERLOADED`. */
export const CALLS_WAITING_MAX = 20_000;
/** Most bytes that such calls may hold, unless a single one has more. */
export const CALLS_WAITING_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Calls leave before their turn ends when they have so many bytes, or are so many: the thread would be idle until then.
 * With fewer, the messages themselves cost too much.
 */
const FLUSH_BYTES = 64 * 1024;
export const MESSAGE_CALLS_MAX = 16;

export type ThreadRole = 'writer' | 'reader';

/** What a store thread opens. */
export interface ThreadTask {
  readonly folder: string;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** 0: as many as the disk holds. */
  readonly pagesMax: number;
}

/** From the main thread: first what to open, then calls in order, then the end. */
export type ThreadInput = ThreadTask | readonly SentRequest[] | 'close';

/** To the main thread. */
export type ThreadOutput =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly error: PortableError }
  | ({ readonly kind: 'answers' } & SentAnswers)
  /** Work nobody asked for went wrong: for the log. */
  | { readonly kind: 'trouble'; readonly error: PortableError };

export interface ThreadLimits {
  readonly callsMax: number;
  readonly bytesMax: number;
}

export interface ThreadListener {
  onTrouble(error: LambentError): void;
  /** The thread ended without being asked; every call is rejected from now on. Once. */
  onFailed(error: LambentError): void;
}

interface Waiting {
  readonly bytes: number;
  resolve(value: unknown): void;
  reject(error: LambentError): void;
}

/**
 * The main thread's end of a store thread. Calls made within one turn of the event loop travel as one message, and
 * so do the answers: a message costs some ten microseconds, an entry in it less than one.
 */
export class StoreThread {
  readonly #worker: Worker;
  readonly #listener: ThreadListener;
  readonly #limits: ThreadLimits;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #waitingBytes = 0;
  #nextId = 1;
  #outbox: Request[] = [];
  #transfer: ArrayBuffer[] = [];
  #flushIsNear = false;
  #closing: Promise<void> | undefined;
  #failure: LambentError | undefined;
  #settleOpen: { resolve(): void; reject(error: LambentError): void } | undefined;

  /** Starts the thread: it loads its program, which takes longer than anything else it does at the start. */
  constructor(
    role: ThreadRole,
    listener: ThreadListener,
    limits: ThreadLimits = { callsMax: CALLS_WAITING_MAX, bytesMax: CALLS_WAITING_BYTES_MAX },
  ) {
    this.#listener = listener;
    this.#limits = limits;
    // The thread's file lies beside this one, as source or as what was emitted from it.
    const file = import.meta.url.endsWith('.ts') ? './store-worker.ts' : './store-worker.js';
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: role,
      // The process's own flags may be none that a thread can have.
      execArgv: [],
      name: `lambent-store-${role}`,
    });
    this.#worker.on('message', (output: ThreadOutput) => this.#receive(output));
    this.#worker.on('error', (thrown) => {
      this.#fail(thrown instanceof Error ? thrown.message : String(thrown), thrown);
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#fail(`it ended with code ${code}`, undefined);
        resolve();
      });
    });
  }

  /** Has it open the database. Rejects with why that could not be done; the thread has ended then. Once. */
  async open(task: ThreadTask): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        if (this.#failure !== undefined) return reject(this.#failure);
        this.#settleOpen = { resolve, reject };
        this.#worker.postMessage(task satisfies ThreadInput);
      });
    } catch (thrown) {
      await this.#ended;
      throw thrown;
    }
  }

  /** Calls the operations of one room. */
  caller<Table extends OperationTable>(room: string): Caller<Table> {
    const call = (name: string, args: readonly unknown[], cost?: CallCost): Promise<unknown> =>
      this.#call(`${room}.${name}`, args, cost);
    return call as Caller<Table>;
  }

  /** Calls that wait for an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Answers what waits, then ends the thread. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#ended;
      this.#flush();
      this.#worker.postMessage('close' satisfies ThreadInput);
    }
    return this.#closing;
  }

  /** Ends the thread at once, whatever it does: for tests of exactly that. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #call(name: string, args: readonly unknown[], cost: CallCost | undefined): Promise<unknown> {
    const bytes = cost?.bytes ?? 0;
    const refusal = this.#refusal(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    const id = this.#nextId;
    this.#nextId += 1;
    this.#outbox.push({ id, name, args });
    if (cost?.transfer !== undefined) this.#transfer.push(...cost.transfer);
    this.#waitingBytes += bytes;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { bytes, resolve, reject });
    });
    if (bytes >= FLUSH_BYTES || this.#outbox.length >= MESSAGE_CALLS_MAX) this.#flush();
    else if (!this.#flushIsNear) {
      this.#flushIsNear = true;
      atEndOfTurn(() => this.#flushAtEnd());
    }
    return answer;
  }

  /** Why a call cannot be taken, if it cannot. */
  #refusal(bytes: number): LambentError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closing !== undefined) return new LambentError('E_SHUTTING_DOWN', 'The store is closed.');
    const { callsMax, bytesMax } = this.#limits;
    if (this.#waiting.size >= callsMax)
      return new LambentError('E_OVERLOADED', `${callsMax} operations already wait for the store.`);
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > bytesMax)
      return new LambentError('E_OVERLOADED', `${bytesMax} bytes already wait for the store.`);
    return undefined;
  }

  #flushAtEnd(): void {
    this.#flushIsNear = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#outbox.length === 0 || this.#failure !== undefined) return;
    const requests = this.#outbox;
    const transfer = this.#transfer;
    this.#outbox = [];
    this.#transfer = [];
    try {
      this.#worker.postMessage(packRequests(requests) satisfies ThreadInput, transfer);
    } catch {
      // One of them holds what cannot cross threads; it must not take the others with it.
      for (const request of requests) this.#postAlone(request);
    }
  }

  #postAlone(request: Request): void {
    try {
      this.#worker.postMessage([request] satisfies ThreadInput);
    } catch (thrown) {
      this.#take(request.id)?.reject(fromPortableError(toPortableError(thrown)));
    }
  }

  #receive(output: ThreadOutput): void {
    switch (output.kind) {
      case 'ready':
        this.#settleOpen?.resolve();
        break;
      case 'refused':
        this.#failure = fromPortableError(output.error);
        this.#settleOpen?.reject(this.#failure);
        break;
      case 'trouble':
        this.#listener.onTrouble(fromPortableError(output.error));
        break;
      case 'answers':
        for (const id of output.yes) this.#take(id)?.resolve(true);
        for (const answer of output.others)
          if (answer.ok) this.#take(answer.id)?.resolve(answer.value);
          else this.#take(answer.id)?.reject(fromPortableError(answer.error));
        break;
    }
  }

  /** Who waits for this answer, and no longer will. */
  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    this.#waitingBytes -= waiting.bytes;
    return waiting;
  }

  #fail(reason: string, cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error = new LambentError('E_STORE_FAILED', `A store thread broke off: ${reason}.`, {
      cause,
      hint: 'Restart Lambent; everything that was acknowledged is on the disk.',
    });
    const expected = this.#closing !== undefined && this.#waiting.size === 0;
    this.#failure =
      this.#closing === undefined ? error : new LambentError('E_SHUTTING_DOWN', 'The store is closed.');
    this.#settleOpen?.reject(error);
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#waitingBytes = 0;
    for (const waiting of lost) waiting.reject(error);
    if (!expected) this.#listener.onFailed(error);
  }
}
