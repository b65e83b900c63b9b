import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import {
  BODY_CHUNK_BYTES,
  CANCEL_REASON,
  type EventHead,
  type FailureMessage,
  FLAG_FIN,
  FRAME,
  type HttpRequestHead,
  parseHttpHead,
  WINDOW_BYTES,
} from '../../src/model/frames.ts';
import { StreamTable } from '../../src/model/stream-table.ts';
import type { Channel } from './channel.ts';

/** Which invocation the running code works for. Everything a handler starts, timers and promises too, inherits it. */
export const current = new AsyncLocalStorage<Invocation>();

/** Consumed body bytes are acknowledged in portions of at least this size. */
const CREDIT_BYTES = WINDOW_BYTES / 4;
/** What an HTTP_RESPONSE holds before its header block; it all counts against the window. */
const RESPONSE_FIXED_BYTES = 8;
/** The shortest time between two STATS frames. */
const STATS_PERIOD_MS = 250;

const { now } = Date;

/** What a body stream says when it broke off: the caller went away, or the answer ended before the request did. */
export function brokenBody(invocation: Invocation): Error {
  const message = invocation.cancelled
    ? 'the request was cancelled before its body was complete'
    : 'the answer ended before the body of the request was read';
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

/**
 * One invocation: the request's body on its way in, the answer on its way out, and whether anybody still waits.
 *
 *     open -> answered -> ended        a cancelled one drops its output and ends when its handler does
 */
export class Invocation {
  readonly stream: number;
  readonly isHttp: boolean;
  /** The head of the request, unparsed. */
  readonly head: string;
  /** The caller went away or the time is over: output is dropped. */
  cancelled = false;
  /** The head of the answer has left. */
  answered = false;
  /** What is printed was printed at an earlier run: a workflow's replay. */
  muted = false;
  /** The last frame of the answer has left. */
  ended = false;
  /** Body bytes arrived, ended or broke off. */
  onBody: (() => void) | undefined;
  /** Everything written has left: more may be written. */
  onDrain: (() => void) | undefined;
  onCancel: ((reason: Error) => void) | undefined;
  onEnd: (() => void) | undefined;
  /** Unfinished lines of its stdout and stderr. */
  partialOut = '';
  partialErr = '';
  /** What followed the body of the request, as `name: value\r\n` lines; complete once the body is. */
  trailers = '';
  readonly #owner: Invocations;
  readonly #channel: Channel;
  #trailersOut = '';
  /** The context of `current` being this: entering one that is there costs far less than making one. */
  #context: AsyncResource | undefined;
  #incoming: Buffer[] | undefined;
  #incomingDone: boolean;
  /** What comes is of a protocol that the code has not switched to: the request itself has no body. */
  #mayUpgrade: boolean;
  #consumed = 0;
  #room = WINDOW_BYTES;
  #queue: Uint8Array[] | undefined;
  #queuedBytes = 0;
  #lastQueued = false;
  #http: HttpRequestHead | undefined;
  #abort: AbortController | undefined;

  constructor(
    owner: Invocations,
    channel: Channel,
    stream: number,
    isHttp: boolean,
    head: string,
    body: Buffer | undefined,
    complete: boolean,
  ) {
    this.#owner = owner;
    this.#channel = channel;
    this.stream = stream;
    this.isHttp = isHttp;
    this.head = head;
    this.#incoming = body === undefined ? undefined : [body];
    this.#incomingDone = complete;
    this.#mayUpgrade = isHttp && !complete && head.includes('\nupgrade: ');
  }

  get http(): HttpRequestHead {
    this.#http ??= parseHttpHead(this.head);
    return this.#http;
  }

  get event(): EventHead {
    return JSON.parse(this.head) as EventHead;
  }

  /** Aborts when the answer is no longer wanted. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.cancelled) this.#abort.abort(cancelReason(0));
    }
    return this.#abort.signal;
  }

  // ---- The body of the request.

  /** The code switched protocols: from here on the body is what comes over the connection. */
  upgrade(): void {
    this.#mayUpgrade = false;
  }

  /** True when all of the body has arrived. */
  get bodyComplete(): boolean {
    return this.#incomingDone || this.#mayUpgrade;
  }

  /** Whether any byte of a body has come. */
  get hasBody(): boolean {
    return this.#incoming !== undefined && !this.#mayUpgrade;
  }

  /** The next piece of the body; `null` at its end, `undefined` when none is here yet. Throws when it broke off. */
  read(): Buffer | null | undefined {
    if (this.#mayUpgrade) return null;
    const incoming = this.#incoming;
    if (incoming !== undefined && incoming.length > 0) {
      const piece = incoming.shift()!;
      this.#consumed += piece.length;
      if (this.#consumed >= CREDIT_BYTES && !this.#incomingDone && !this.ended) {
        this.#channel.number(FRAME.CREDIT, this.stream, this.#consumed);
        this.#consumed = 0;
      }
      return piece;
    }
    if (this.#incomingDone) return null;
    if (this.ended || this.cancelled) throw brokenBody(this);
    return undefined;
  }

  receive(payload: Buffer, last: boolean): void {
    if (this.#incomingDone || this.cancelled) return;
    if (payload.length > 0) {
      if (this.#incoming === undefined) this.#incoming = [payload];
      else this.#incoming.push(payload);
    }
    this.#incomingDone = last;
    if (this.onBody === undefined) return;
    this.#context ??= current.run(this, () => new AsyncResource('LambentInvocation'));
    this.#context.runInAsyncScope(this.onBody);
  }

  // ---- The answer.

  /**
   * A whole answer, or its beginning when `last` is false. `headerBlock` is latin1 text of `name: value\r\n` lines.
   * A string is sent as UTF-8.
   */
  respond(
    status: number,
    headerBlock: string,
    body: string | Uint8Array | undefined,
    bodyBytes: number,
    last: boolean,
  ): void {
    if (this.ended) return;
    if (this.cancelled) {
      if (last) this.end();
      return;
    }
    this.answered = true;
    if (bodyBytes <= BODY_CHUNK_BYTES) {
      this.#room -= RESPONSE_FIXED_BYTES + headerBlock.length + bodyBytes;
      if (last) this.#beforeEnd();
      this.#channel.response(this.stream, last, status, headerBlock, body, bodyBytes);
      if (last) this.#ended();
      return;
    }
    this.#room -= RESPONSE_FIXED_BYTES + headerBlock.length;
    this.#channel.response(this.stream, false, status, headerBlock, undefined, 0);
    this.write(typeof body === 'string' ? Buffer.from(body) : body!, last);
  }

  /** The beginning of the result of an event call, or all of it. */
  result(bytes: Uint8Array, last: boolean): void {
    if (this.ended) return;
    const whole = bytes.length <= BODY_CHUNK_BYTES;
    const first = whole ? bytes : bytes.subarray(0, BODY_CHUNK_BYTES);
    this.answered = true;
    this.#send(FRAME.RESULT, first, last && whole);
    if (!whole) this.write(bytes.subarray(BODY_CHUNK_BYTES), last);
  }

  /**
   * More of the answer's body, after its beginning. False: it waits in memory for the reader; write on after
   * `onDrain`. The bytes are the caller's again when this returns.
   */
  write(chunk: Uint8Array, last: boolean): boolean {
    if (this.ended || this.#lastQueued) return true;
    if (this.cancelled) {
      if (last) this.end();
      return true;
    }
    if (this.#queue !== undefined || chunk.length > this.#room) {
      this.#enqueue(chunk, last);
      return this.#queue === undefined;
    }
    let rest = chunk;
    while (rest.length > BODY_CHUNK_BYTES) {
      this.#send(FRAME.BODY, rest.subarray(0, BODY_CHUNK_BYTES), false);
      rest = rest.subarray(BODY_CHUNK_BYTES);
    }
    if (rest.length > 0 || last) this.#send(FRAME.BODY, rest, last);
    return true;
  }

  /** `name: value\r\n` lines that follow the body, after the last `write`. */
  trail(lines: string): void {
    this.#trailersOut = lines;
  }

  /** Bytes written that wait for the reader. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Resolves once nothing written waits any more. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#queue === undefined || this.ended || this.cancelled) resolve();
      else this.onDrain = resolve;
    });
  }

  credit(bytes: number): void {
    this.#room += bytes;
    if (this.#queue === undefined) return;
    this.#pump();
    if (this.#queue !== undefined || this.ended) return;
    const drain = this.onDrain;
    if (drain !== undefined) current.run(this, drain);
  }

  fail(failure: FailureMessage): void {
    if (this.ended) return;
    this.#beforeEnd();
    this.#channel.json(FRAME.FAILED, FLAG_FIN, this.stream, failure);
    this.#ended();
  }

  cancel(reason: number): void {
    if (this.cancelled || this.ended) return;
    this.cancelled = true;
    this.#queue = undefined;
    this.#queuedBytes = 0;
    const error = cancelReason(reason);
    current.run(this, () => {
      this.#abort?.abort(error);
      this.onCancel?.(error);
      this.onBody?.();
      this.onDrain?.();
    });
    // The handler had handed over all it had: nobody else will end the stream.
    if (this.#lastQueued) this.end();
  }

  /** Ends the stream as it stands. */
  end(): void {
    if (this.ended) return;
    this.#beforeEnd();
    this.#channel.frame(FRAME.BODY, FLAG_FIN, this.stream);
    this.#ended();
  }

  #enqueue(chunk: Uint8Array, last: boolean): void {
    this.#queue ??= [];
    this.#queue.push(Buffer.from(chunk));
    this.#queuedBytes += chunk.length;
    this.#lastQueued = last;
    this.#pump();
  }

  #pump(): void {
    const queue = this.#queue!;
    while (queue.length > 0) {
      const chunk = queue[0]!;
      const size = Math.min(chunk.length, this.#room, BODY_CHUNK_BYTES);
      if (size === 0 && chunk.length > 0) return;
      const whole = size === chunk.length;
      if (whole) queue.shift();
      else queue[0] = chunk.subarray(size);
      this.#queuedBytes -= size;
      this.#send(FRAME.BODY, whole ? chunk : chunk.subarray(0, size), this.#lastQueued && queue.length === 0);
    }
    this.#queue = undefined;
  }

  #send(kind: number, bytes: Uint8Array, last: boolean): void {
    this.#room -= bytes.length;
    if (last) this.#beforeEnd();
    if (last && this.#trailersOut !== '')
      this.#channel.frame(FRAME.TRAILERS, 0, this.stream, Buffer.from(this.#trailersOut, 'latin1'));
    this.#channel.frame(kind, last ? FLAG_FIN : 0, this.stream, bytes);
    if (last) this.#ended();
  }

  /** What belongs to the invocation must leave before its last frame. */
  #beforeEnd(): void {
    if (this.partialOut !== '' || this.partialErr !== '') this.#owner.flushPartial(this);
    this.#owner.reportMemory();
  }

  #ended(): void {
    this.ended = true;
    this.#owner.remove(this);
    this.#queue = undefined;
    if (this.onEnd !== undefined) current.run(this, this.onEnd);
    if (this.onDrain !== undefined) current.run(this, this.onDrain);
    if (!this.#incomingDone && this.onBody !== undefined) current.run(this, this.onBody);
  }
}

function cancelReason(reason: number): Error {
  if (reason === CANCEL_REASON.timeout)
    return new DOMException('the time of the invocation is over', 'TimeoutError');
  return new DOMException('the answer is no longer wanted', 'AbortError');
}

/** All invocations of this process, and what goes on after their answers. */
export class Invocations {
  /** Sends the unfinished output lines of an invocation that ends. */
  flushPartial: (invocation: Invocation) => void = () => {};
  /** An invocation has ended: its last frame is written. */
  onEnded: (stream: number) => void = () => {};
  /** The highest resident memory so far of what the author's code runs in, in KiB. */
  measurePeakKb: () => number = () => process.resourceUsage().maxRSS;
  readonly #channel: Channel;
  readonly #open = new StreamTable<Invocation>();
  #background = 0;
  #onIdle: (() => void) | undefined;
  #statsMs = 0;
  #peakKb = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  start(stream: number, isHttp: boolean, payload: Buffer, last: boolean): Invocation {
    const headEnd = 4 + payload.readUInt32LE(0);
    const head = payload.toString(isHttp ? 'latin1' : 'utf8', 4, headEnd);
    const body = headEnd === payload.length ? undefined : payload.subarray(headEnd);
    const invocation = new Invocation(this, this.#channel, stream, isHttp, head, body, last);
    this.#open.set(stream, invocation);
    return invocation;
  }

  get(stream: number): Invocation | undefined {
    return this.#open.get(stream);
  }

  /** The stream of the invocation that runs, if it is the only one; otherwise 0. */
  get onlyStream(): number {
    let only = 0;
    if (this.#open.size === 1)
      this.#open.forEach((stream) => {
        only = stream;
      });
    return only;
  }

  /** The stream of the invocation with this id; 0 when none has it. */
  streamOf(requestId: string): number {
    let found = 0;
    this.#open.forEach((stream, invocation) => {
      const id = invocation.isHttp ? invocation.http.requestId : invocation.event.requestId;
      if (id === requestId) found = stream;
    });
    return found;
  }

  remove(invocation: Invocation): void {
    this.#open.delete(invocation.stream);
    this.onEnded(invocation.stream);
    this.#checkIdle();
  }

  /** Work that goes on after the answer: a drain waits for it. `onError` hears a rejection. */
  waitUntil(work: unknown, onError: (thrown: unknown) => void): void {
    this.#background += 1;
    Promise.resolve(work)
      .catch(onError)
      .finally(() => {
        this.#background -= 1;
        this.#checkIdle();
      });
  }

  /** Sends what was written, at once instead of at the end of the turn. */
  flush(): void {
    this.#channel.flush();
  }

  /** No invocation runs and no background work is left. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#background === 0;
  }

  /** Resolves once it is idle. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  reportMemory(): void {
    const timeMs = now();
    if (timeMs - this.#statsMs < STATS_PERIOD_MS) return;
    this.#statsMs = timeMs;
    const peakKb = this.measurePeakKb();
    if (peakKb <= this.#peakKb) return;
    this.#peakKb = peakKb;
    this.#channel.number(FRAME.STATS, 0, peakKb);
  }

  #checkIdle(): void {
    if (this.isIdle) this.#onIdle?.();
  }
}
