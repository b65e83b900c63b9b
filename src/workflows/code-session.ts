import { atEndOfTurn, type Clock, type Timer } from '../base/clock.ts';
import { type LambentError, toLambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import type { ExecutionRecord } from '../model/execution.ts';
import {
  BODY_CHUNK_BYTES,
  CANCEL_REASON,
  type EventHead,
  type FailureMessage,
  FRAME,
  WINDOW_BYTES,
} from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { Failure, JournalEntry, LargePayload, Payload } from '../model/journal.ts';
import { encodeMessage, encodePiece, MessageParser } from '../model/workflow-wire.ts';
import type { InstancePool, Lease, LeaseWaiter, StreamListener } from '../ports/instance-pool.ts';
import type { PayloadStore } from '../ports/payload-store.ts';
import { NO_CHAIN } from '../ports/platform-calls.ts';
import type { Offer, ProgramSession, QueryOutcome, SessionHost } from '../ports/workflow-program.ts';
import { depthOf, traceparentOf } from './execution-origin.ts';
import { failure, failureOf } from './failures.ts';
import { PayloadIntake } from './payload-intake.ts';
import { type CodeMessage, largePayloadsOf, parseCodeMessage } from './program-acts.ts';

/** Code that was given something and says nothing for this long goes round in circles. */
const TURN_MS = 10_000;
/** Entries of the journal in one message. */
const HISTORY_ENTRIES = 200;
/** Bytes received are returned in portions. */
const CREDIT_BYTES = WINDOW_BYTES / 4;
/** Queries that wait for an answer of one session. */
const QUERIES_MAX = 1_000;

export interface CodeProgramOptions {
  readonly pool: InstancePool;
  readonly clock: Clock;
  readonly payloads: PayloadStore;
  /** The version that an execution runs, if it is still to be had. */
  version(record: ExecutionRecord): FunctionVersion | undefined;
  /** What comes before a token in the address that answers it. */
  callbackUrl(): string;
}

/**
 * The engine's end of an execution in an instance: it sends the journal, offers and acknowledgements, and hears what
 * the code does. What it hears is parsed; what cannot be parsed ends the session.
 */
export class CodeSession implements ProgramSession, LeaseWaiter, StreamListener {
  readonly #record: ExecutionRecord;
  readonly #host: SessionHost;
  readonly #options: CodeProgramOptions;
  readonly #clock: Clock;
  readonly #parser = new MessageParser(
    (text) => this.#onMessage(text),
    (piece) => {
      this.#intake.piece(piece);
      this.#watchTurn();
    },
  );
  readonly #intake: PayloadIntake;
  /** What is to be sent: messages, and large values ahead of those that name them. */
  readonly #queue: (Buffer | LargePayload)[] = [];
  /** The large value that is being read. */
  #reading: LargePayload | undefined;
  /** The piece of it that is on its way, and who waits for it to have left. */
  #piece: { bytes: Buffer; readonly left: () => void } | undefined;
  readonly #queries = new Map<number, (outcome: QueryOutcome) => void>();
  #withdraw: () => void = () => {};
  #lease: Lease | undefined;
  #opened = false;
  #windowBytes = WINDOW_BYTES;
  #uncredited = 0;
  #nextQuery = 1;
  /** Offers that the code has not taken in, and whether it still has to say its first word. */
  #owed = 1;
  #steps = new Set<number>();
  #watch: Timer | undefined;
  /** When the timer fires, and when the code is stuck; monotonic. */
  #watchAtMs = 0;
  #stuckAtMs = Number.POSITIVE_INFINITY;
  #stuck = false;
  #over = false;

  constructor(record: ExecutionRecord, host: SessionHost, options: CodeProgramOptions) {
    this.#record = record;
    this.#host = host;
    this.#options = options;
    this.#clock = options.clock;
    this.#intake = new PayloadIntake(options.payloads, (error) => {
      this.#lease?.cancel(CANCEL_REASON.responseRefused);
      this.#lose(failureOf(error), error.facts.retryable);
    });
  }

  start(history: readonly JournalEntry[]): void {
    const { id, app, workflow } = this.#record;
    this.#send({ kind: 'open', record: { id, app, workflow }, callbackUrl: this.#options.callbackUrl() });
    for (let at = 0; at < history.length; at += HISTORY_ENTRIES) {
      const entries = history.slice(at, at + HISTORY_ENTRIES);
      for (const entry of entries) {
        if (entry.kind === 'completed') this.#ahead(entry.output);
        else if (entry.kind === 'started' || entry.kind === 'signalled') this.#ahead(entry.input);
      }
      this.#send({ kind: 'history', entries });
    }
    this.#send({ kind: 'go' });
    const version = this.#options.version(this.#record);
    if (version === undefined) {
      const error = failure(
        'E_NOT_FOUND',
        `version ${this.#record.version} of workflow ${workflow} is no longer there`,
      );
      // Not before the one who opens has the session.
      atEndOfTurn(() => this.#lose(error, false));
      return;
    }
    this.#withdraw = this.#options.pool.acquire(version, this.#record.deployment, this);
  }

  // ---- From the engine.

  offer(offers: readonly Offer[]): void {
    this.#owed += offers.length;
    for (const { input } of offers) {
      if (input.kind === 'completed') this.#ahead(input.output);
      else if (input.kind === 'signal') this.#ahead(input.input);
    }
    this.#send({ kind: 'offer', offers });
    this.#watchTurn();
  }

  committed(entries: readonly JournalEntry[]): void {
    const ops: number[] = [];
    for (const entry of entries)
      if (entry.kind === 'opened' && entry.task.kind === 'step') {
        ops.push(entry.op);
        this.#steps.add(entry.op);
      }
    if (ops.length === 0) return;
    this.#send({ kind: 'committed', ops });
    this.#watchTurn();
  }

  query(name: string, input: Payload): Promise<QueryOutcome> {
    if (this.#over || this.#queries.size >= QUERIES_MAX)
      return Promise.resolve({ error: failure('E_OVERLOADED', 'the execution cannot answer now') });
    const query = this.#nextQuery;
    this.#nextQuery += 1;
    return new Promise((resolve) => {
      this.#queries.set(query, resolve);
      this.#send({ kind: 'query', query, name, input });
    });
  }

  close(): void {
    if (this.#over) return;
    this.#finish();
    this.#withdraw();
    if (this.#lease === undefined) return;
    // The end of the body: the instance drops the execution and ends the stream.
    if (this.#queue.length === 0) this.#lease.body(new Uint8Array(0), true);
    else this.#lease.cancel(CANCEL_REASON.callerGone);
  }

  // ---- From the pool.

  onLease(lease: Lease): void {
    this.#lease = lease;
    if (this.#over) {
      lease.open({ ...this.#opening(), body: undefined, last: true });
      return;
    }
    lease.open(this.#opening());
    this.#opened = true;
    this.#pump();
    this.#watchTurn();
  }

  onRefused(error: LambentError): void {
    this.#lose(failureOf(error), error.facts.retryable);
  }

  onResult(payload: Buffer, last: boolean): void {
    this.onBody(payload, last);
  }

  onBody(payload: Buffer, last: boolean): void {
    if (this.#over) return;
    this.#uncredited += payload.length;
    if (!this.#parser.push(payload)) {
      this.#breach('a message that is too long');
      return;
    }
    if (this.#intake.isBusy) this.#intake.after(() => this.#received(last));
    else this.#received(last);
  }

  #received(last: boolean): void {
    if (this.#over) return;
    if (last) this.#lose(failure('E_FUNCTION_EXITED', 'the code ended its execution without a result'), true);
    else if (this.#uncredited >= CREDIT_BYTES) {
      this.#lease!.credit(this.#uncredited);
      this.#uncredited = 0;
    }
  }

  onCredit(bytes: number): void {
    this.#windowBytes += bytes;
    this.#pump();
  }

  onResponse(): void {
    this.#breach('an HTTP answer');
  }

  onFailed(message: FailureMessage): void {
    this.#lose({ ...message, code: 'E_FUNCTION_ERROR' }, true);
  }

  onLost(error: LambentError): void {
    if (!this.#stuck) {
      this.#lose(failureOf(error), true);
      return;
    }
    const what =
      this.#steps.size > 0
        ? 'a step did not end within the `timeout` of the workflow'
        : `its code said nothing for ${this.#turnMs / 1000} s and waits for no operation: an endless loop, or an await of something that is not recorded`;
    this.#lose(failure('E_WORKFLOW_STUCK', `workflow ${this.#record.workflow}: ${what}`), true);
  }

  #opening() {
    const { id } = this.#record;
    const head: EventHead = {
      requestId: id,
      deadlineMs: Number.MAX_SAFE_INTEGER,
      trigger: 'workflow',
      attempt: 0,
    };
    return {
      // Lines that the code prints are found under the execution's id.
      invocation: id as string as InvocationId,
      kind: FRAME.EVENT,
      head: JSON.stringify(head),
      body: undefined,
      last: false,
      deadlineMs: Number.POSITIVE_INFINITY,
      listener: this,
      origin: {
        traceparent: traceparentOf(this.#record),
        chain: { ...NO_CHAIN, depth: depthOf(this.#record) },
      },
    };
  }

  #onMessage(text: string): void {
    if (this.#over) return;
    const message = parseCodeMessage(text);
    if (message === undefined) {
      this.#breach('a message that cannot be read');
      return;
    }
    if (message.kind === 'payload') this.#intake.whole(message.payload);
    else if (this.#intake.isBusy) this.#intake.after(() => this.#take(message, text));
    else this.#take(message, text);
  }

  #take(message: Exclude<CodeMessage, { kind: 'payload' }>, text: string): void {
    if (this.#over) return;
    if (message.kind === 'answer') {
      this.#queries.get(message.query)?.(message.result);
      this.#queries.delete(message.query);
      return;
    }
    if (
      text.includes('"blob":"') &&
      !largePayloadsOf(message.acts).every((each) => this.#intake.knows(each))
    ) {
      this.#breach('the name of a large value that it did not send');
      return;
    }
    if (this.#owed === 1 || message.acts.length === 0) this.#owed = Math.max(0, this.#owed - 1);
    else this.#owed = Math.max(0, this.#owed - message.acts.filter((act) => act.kind === 'took').length);
    for (const act of message.acts)
      if (act.kind === 'complete' || act.kind === 'fail' || act.kind === 'close') this.#steps.delete(act.op);
    this.#watchTurn();
    this.#host.submit({ acts: message.acts, bytes: text.length });
  }

  // ---- Limits of time.

  get #stepMs(): number {
    return this.#options.version(this.#record)?.config.timeoutMs ?? TURN_MS;
  }

  get #turnMs(): number {
    return Math.min(TURN_MS, this.#stepMs);
  }

  /** The code has to answer what it is given; its steps have the workflow's `timeout`. */
  #watchTurn(): void {
    this.#stuckAtMs = Number.POSITIVE_INFINITY;
    if (!this.#opened || this.#over || (this.#owed === 0 && this.#steps.size === 0)) return;
    this.#stuckAtMs = this.#clock.monotonicMs() + (this.#owed > 0 ? this.#turnMs : this.#stepMs);
    // Each message moves the moment on: a timer that is there already looks again when it fires.
    if (this.#watch === undefined || this.#stuckAtMs < this.#watchAtMs) this.#armWatch();
  }

  #armWatch(): void {
    this.#watch?.cancel();
    this.#watchAtMs = this.#stuckAtMs;
    const delayMs = Math.max(1, this.#stuckAtMs - this.#clock.monotonicMs());
    this.#watch = this.#clock.after(delayMs, () => {
      this.#watch = undefined;
      if (!Number.isFinite(this.#stuckAtMs)) return;
      if (this.#clock.monotonicMs() < this.#stuckAtMs) {
        this.#armWatch();
        return;
      }
      this.#stuck = true;
      // The pool ends it: gently if its process still answers, otherwise with it.
      this.#lease?.setDeadline(this.#clock.nowMs());
    });
  }

  #breach(what: string): void {
    this.#lease?.cancel(CANCEL_REASON.responseRefused);
    this.#lose(failure('E_PROTOCOL', `the code of workflow ${this.#record.workflow} sent ${what}`), false);
  }

  #lose(error: Failure, again: boolean): void {
    if (this.#over) return;
    this.#finish();
    for (const resolve of this.#queries.values()) resolve({ error });
    this.#queries.clear();
    this.#host.lost(error, again);
  }

  #finish(): void {
    this.#over = true;
    this.#watch?.cancel();
    this.#intake.close();
    this.#piece?.left();
  }

  // ---- Sending.

  #send(message: unknown): void {
    if (this.#over) return;
    this.#queue.push(encodeMessage(message));
    this.#pump();
  }

  /** A large value goes ahead of the message that names it. */
  #ahead(payload: Payload): void {
    if ('blob' in payload) this.#queue.push(payload);
  }

  #pump(): void {
    if (!this.#opened || this.#over) return;
    while (this.#windowBytes > 0) {
      const next = this.#piece?.bytes ?? this.#queue[0];
      if (next === undefined) return;
      if (!Buffer.isBuffer(next)) {
        if (this.#piece === undefined && this.#reading !== next) void this.#sendLarge(next);
        return;
      }
      const size = Math.min(BODY_CHUNK_BYTES, this.#windowBytes, next.length);
      this.#windowBytes -= size;
      this.#lease!.body(next.subarray(0, size), false);
      this.#sent(size === next.length ? undefined : next.subarray(size));
    }
  }

  /** `rest`: what is left of what is being sent. */
  #sent(rest: Buffer | undefined): void {
    const piece = this.#piece;
    if (piece === undefined) {
      if (rest === undefined) this.#queue.shift();
      else this.#queue[0] = rest;
    } else if (rest !== undefined) piece.bytes = rest;
    else {
      this.#piece = undefined;
      piece.left();
    }
  }

  /** Reads a large value as fast as the code takes it, so that one piece of it is in memory. */
  async #sendLarge(payload: LargePayload): Promise<void> {
    this.#reading = payload;
    try {
      for await (const bytes of this.#options.payloads.read(payload.blob)) {
        await new Promise<void>((left) => {
          this.#piece = { bytes: encodePiece(bytes), left };
          this.#pump();
          if (this.#over) left();
        });
        if (this.#over) return;
      }
    } catch (thrown) {
      this.#lease?.cancel(CANCEL_REASON.responseRefused);
      this.#lose(failureOf(toLambentError(thrown)), false);
      return;
    }
    this.#reading = undefined;
    this.#queue[0] = encodeMessage({ kind: 'payload', payload });
    this.#pump();
  }
}
