import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { CANCEL_REASON, type FailureMessage, FRAME } from '../model/frames.ts';
import type { InvocationError } from '../model/invocation.ts';
import { parseTraceparent } from '../model/trace-context.ts';
import type { ActivitySink, CallTail, CallVia, RawPayload } from '../ports/activity.ts';
import type { InstancePool, Lease, LeaseWaiter, StreamListener } from '../ports/instance-pool.ts';
import type { CancelReason, HttpCall, HttpExchange, HttpSink } from '../ports/invoker.ts';
import { type CallOrigin, NO_CHAIN } from '../ports/platform-calls.ts';
import { KeptBytes } from './kept-bytes.ts';
import { errorOfFailure, errorOfPlatform, explain, lambentErrorOf, settle } from './invocation-settlement.ts';
import { parseResponseHead, parseTrailers, type ResponseHead, type ResponseHeads } from './response-head.ts';

/** Fixed part of an HTTP_RESPONSE payload: u16 status, u16 zero, u32 head length. */
const RESPONSE_FIXED_BYTES = 8;
const SUMMARY_CHARS_MAX = 256;
const CONTENT_LENGTH_LINE = /^content-length: .*\r\n/im;
const TRAILER_LINES = /^trailer: .*\r\n/gim;

interface Parts {
  readonly activity: ActivitySink;
  readonly clock: Clock;
}

const TRACEPARENT_LINE = 'traceparent: ';
const NO_ORIGIN: CallOrigin = { traceparent: undefined, chain: NO_CHAIN };

/** Nearly every request has no trace context, and then costs no more than one search. */
function originOf(headerLines: string): CallOrigin {
  const at = headerLines.indexOf(TRACEPARENT_LINE);
  if (at < 0 || (at > 0 && headerLines[at - 1] !== '\n')) return NO_ORIGIN;
  const from = at + TRACEPARENT_LINE.length;
  const end = headerLines.indexOf('\n', from);
  const value = headerLines.slice(from, end < 0 ? undefined : end);
  return { traceparent: parseTraceparent(value), chain: NO_CHAIN };
}

/** One HTTP request in a function: from the wait for an instance to the last byte of the answer. */
export class HttpInvocation implements HttpExchange, LeaseWaiter, StreamListener, CallTail {
  readonly #call: HttpCall;
  readonly #sink: HttpSink;
  readonly #heads: ResponseHeads;
  readonly #parts: Parts;
  readonly #arrivedMs: number;
  #startedMonotonicMs = 0;
  #lease: Lease | undefined;
  #withdraw: () => void = () => {};
  /** Request body that came before there was an instance; at most the caller's window. */
  #early: { chunk: Uint8Array; last: boolean; trailers: string | undefined }[] | undefined;
  #status = 0;
  #headSent = false;
  #bytesOut = 0;
  /** -1: the head declared no length. */
  #declaredBytes = -1;
  /** The body is sent in chunks, and so trailers may follow it. */
  #mayTrail = false;
  #trailers: string | undefined;
  #done = false;
  /** Both bodies: most calls have one piece of each, which costs no more than to remember it. */
  #inMore: KeptBytes | undefined;
  #outHead = '';
  #outFirst: Buffer | undefined;
  #outMore: KeptBytes | undefined;

  constructor(call: HttpCall, sink: HttpSink, heads: ResponseHeads, parts: Parts) {
    this.#call = call;
    this.#sink = sink;
    this.#heads = heads;
    this.#parts = parts;
    this.#arrivedMs = parts.clock.nowMs();
  }

  get mayBeHeld(): boolean {
    return this.#call.bodyComplete;
  }

  start(pool: InstancePool): void {
    this.#withdraw = pool.acquire(this.#call.version, this.#call.deployment, this);
  }

  onLease(lease: Lease): void {
    const call = this.#call;
    const { clock } = this.#parts;
    this.#lease = lease;
    this.#startedMonotonicMs = clock.monotonicMs();
    const deadlineMs = clock.nowMs() + call.version.config.timeoutMs;
    const head = `${call.id}\n${deadlineMs}\n${call.remoteAddress}\n${call.scheme}\n${call.routeKey}\n${call.params}\n${call.method} ${call.target}${call.headerLines === '' ? '' : `\n${call.headerLines}`}`;
    lease.open({
      invocation: call.id,
      kind: FRAME.HTTP_REQUEST,
      head,
      body: call.body,
      last: call.bodyComplete,
      deadlineMs,
      origin: originOf(call.headerLines),
      listener: this,
    });
    if (this.#early === undefined) return;
    for (const { chunk, last, trailers } of this.#early) lease.body(chunk, last, trailers);
    this.#early = undefined;
  }

  onTakenBack(withdraw: () => void): void {
    this.#lease = undefined;
    this.#withdraw = withdraw;
  }

  onRefused(error: LambentError): void {
    this.#fail(errorOfPlatform(error), error);
  }

  writeBody(chunk: Uint8Array, last: boolean, trailers?: string): void {
    if (this.#done) return;
    this.#inMore ??= new KeptBytes();
    this.#inMore.add(chunk);
    if (this.#lease !== undefined) this.#lease.body(chunk, last, trailers);
    else {
      this.#early ??= [];
      this.#early.push({ chunk, last, trailers });
    }
  }

  credit(bytes: number): void {
    this.#lease?.credit(bytes);
  }

  cancel(reason: CancelReason, why?: LambentError): void {
    if (this.#done) return;
    this.#withdraw();
    this.#lease?.cancel(CANCEL_REASON[reason]);
    const error =
      why ?? new LambentError('E_CLIENT_CLOSED', 'the caller went away before the answer was complete');
    if (this.#status === 0) this.#status = error.facts.status;
    this.#settle(errorOfPlatform(error));
  }

  onResponse(payload: Buffer, last: boolean): void {
    if (this.#done) return;
    const refusal = this.#refusalOf(payload);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    const status = payload.readUInt16LE(0);
    const bodyAt = RESPONSE_FIXED_BYTES + payload.readUInt32LE(4);
    let head: ResponseHead;
    try {
      head =
        status === 101
          ? parseResponseHead(payload.toString('latin1', RESPONSE_FIXED_BYTES, bodyAt), true)
          : this.#heads.parse(payload, RESPONSE_FIXED_BYTES, bodyAt);
    } catch (error) {
      if (!(error instanceof LambentError)) throw error;
      this.#stop(error);
      return;
    }
    // A 204 declares no length (RFC 9110, 8.6).
    if (status === 204 && head.contentLength >= 0)
      head = { ...head, block: head.block.replace(CONTENT_LENGTH_LINE, ''), contentLength: -1 };
    this.#status = status;
    if (status === 101) this.#lease!.setDeadline(Number.POSITIVE_INFINITY);
    this.#declaredBytes = head.contentLength;
    this.#mayTrail = !last && head.contentLength < 0 && !this.#isBodiless();
    if (head.announcesTrailers && !this.#mayTrail)
      head = { ...head, block: head.block.replace(TRAILER_LINES, '') };
    const body = bodyAt < payload.length ? payload.subarray(bodyAt) : undefined;
    if (!this.#countBody(body?.length ?? 0, last)) return;
    this.#outHead = head.block;
    this.#outFirst = body;
    this.#headSent = true;
    this.#sink.onHead(status, head.block, head.contentLength, body, last);
    // The head's own bytes count against the window as well; they are passed on at once.
    if (last) this.#end();
    else this.#lease!.credit(bodyAt);
  }

  /** What is wrong with the fixed part of a response; `undefined`: nothing. */
  #refusalOf(payload: Buffer): string | undefined {
    if (this.#status !== 0) return 'a second head';
    if (payload.length < RESPONSE_FIXED_BYTES) return 'a head that is too short';
    if (RESPONSE_FIXED_BYTES + payload.readUInt32LE(4) > payload.length) return 'a head that is cut off';
    const status = payload.readUInt16LE(0);
    const upgraded = status === 101 && this.#call.trigger === 'websocket';
    return upgraded || (status >= 200 && status <= 599) ? undefined : `status ${status}`;
  }

  onBody(payload: Buffer, last: boolean): void {
    if (this.#done) return;
    if (this.#status === 0) {
      this.#refuse('a body before its head');
      return;
    }
    if (!this.#countBody(payload.length, last)) return;
    if (payload.length > 0) {
      this.#outMore ??= new KeptBytes();
      this.#outMore.add(payload);
      this.#sink.onBody(payload);
    }
    if (last) this.#end();
  }

  onTrailers(payload: Buffer): void {
    if (this.#done) return;
    if (this.#status === 0) {
      this.#refuse('trailers before its head');
      return;
    }
    try {
      const trailers = parseTrailers(payload);
      if (this.#mayTrail) this.#trailers = trailers;
    } catch (error) {
      if (!(error instanceof LambentError)) throw error;
      this.#stop(error);
    }
  }

  onResult(): void {
    this.#refuse('the result of an event');
  }

  onCredit(bytes: number): void {
    if (!this.#done) this.#sink.onCredit(bytes);
  }

  onFailed(failure: FailureMessage): void {
    if (this.#done) return;
    const error = errorOfFailure(failure);
    this.#fail(error, lambentErrorOf(error));
  }

  onLost(error: LambentError): void {
    if (this.#done) return;
    explain(this.#parts, this.#call, this.#lease!, error);
    this.#fail(errorOfPlatform(error), error);
  }

  /** Holds the body to its declared length and to the function's limit; false when it was refused. */
  #countBody(bytes: number, last: boolean): boolean {
    this.#bytesOut += bytes;
    if (this.#status === 101) return true;
    const declared = this.#isBodiless() ? -1 : this.#declaredBytes;
    const limitMb = this.#call.version.config.maxResponseMb;
    if (Math.max(this.#bytesOut, declared) > limitMb * 2 ** 20) {
      const message = `function ${this.#call.version.name} answered more than its ${limitMb} MB`;
      this.#stop(new LambentError('E_RESPONSE_TOO_LARGE', message));
      return false;
    }
    if (declared < 0) return true;
    if (this.#bytesOut > declared || (last && this.#bytesOut < declared)) {
      this.#refuse(`a body of ${this.#bytesOut} bytes after declaring ${declared}`);
      return false;
    }
    return true;
  }

  #isBodiless(): boolean {
    return this.#call.method === 'HEAD' || this.#status === 204 || this.#status === 304;
  }

  #refuse(what: string): void {
    const message = `function ${this.#call.version.name} answered ${what}`;
    this.#stop(new LambentError('E_FUNCTION_RESPONSE_INVALID', message));
  }

  /** Ends the call because of what the instance said. */
  #stop(error: LambentError): void {
    this.#lease!.cancel(CANCEL_REASON.responseRefused);
    explain(this.#parts, this.#call, this.#lease!, error);
    this.#fail(errorOfPlatform(error), error);
  }

  #end(): void {
    this.#settle(undefined);
    this.#sink.onEnd(this.#trailers);
  }

  #fail(error: InvocationError, told: LambentError): void {
    if (!this.#headSent) this.#status = told.facts.status;
    this.#settle(error);
    this.#sink.onFailure(told);
  }

  #settle(error: InvocationError | undefined): void {
    this.#done = true;
    const { method, target } = this.#call;
    const query = target.indexOf('?');
    const summary = `${method} ${query < 0 ? target : target.slice(0, query)}`;
    const end = {
      lease: this.#lease,
      arrivedMs: this.#arrivedMs,
      startedMonotonicMs: this.#startedMonotonicMs,
      httpStatus: this.#status,
      summary: summary.length > SUMMARY_CHARS_MAX ? summary.slice(0, SUMMARY_CHARS_MAX) : summary,
      attempt: 0,
      error,
    };
    settle(this.#parts, this.#call, end, this);
  }

  get via(): CallVia {
    return { kind: 'route', name: this.#call.routeKey };
  }

  get traceparent(): string | undefined {
    return originOf(this.#call.headerLines).traceparent;
  }

  get mayKeep(): boolean {
    return this.#call.version.config.keepPayloads !== false;
  }

  input(): RawPayload {
    const { method, target, headerLines, body } = this.#call;
    const bytes = (body?.length ?? 0) + (this.#inMore?.bytes ?? 0);
    return { head: `${method} ${target}`, headerLines, body: piecesOf(body, this.#inMore), bytes };
  }

  output(): RawPayload | undefined {
    if (!this.#headSent) return undefined;
    const body = piecesOf(this.#outFirst, this.#outMore);
    return { head: String(this.#status), headerLines: this.#outHead, body, bytes: this.#bytesOut };
  }
}

const piecesOf = (first: Uint8Array | undefined, more: KeptBytes | undefined): readonly Uint8Array[] => [
  ...(first === undefined ? [] : [first]),
  ...(more?.pieces ?? []),
];
