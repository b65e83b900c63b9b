import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import {
  BODY_CHUNK_BYTES,
  CANCEL_REASON,
  type EventHead,
  type FailureMessage,
  FRAME,
  WINDOW_BYTES,
} from '../model/frames.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { ActivitySink, CallTail, CallVia, RawPayload } from '../ports/activity.ts';
import type { InstancePool, Lease, LeaseWaiter, StreamListener } from '../ports/instance-pool.ts';
import { EVENT_BYTES_MAX, type EventCall, type EventOutcome } from '../ports/invoker.ts';
import { type CalledBy, NO_CHAIN, type WaitingCaller } from '../ports/platform-calls.ts';
import { billedMsOf, errorOfFailure, errorOfPlatform, explain, settle } from './invocation-settlement.ts';

interface Parts {
  readonly activity: ActivitySink;
  readonly clock: Clock;
}

function callerHead({ app, function: name, invocation }: CalledBy): NonNullable<EventHead['caller']> {
  return invocation === undefined ? { app, function: name } : { app, function: name, requestId: invocation };
}

/** One event in a function: payload in, JSON result out. */
export class EventInvocation implements LeaseWaiter, StreamListener, CallTail {
  readonly #call: EventCall;
  readonly #resolve: (outcome: EventOutcome) => void;
  readonly #parts: Parts;
  readonly #arrivedMs: number;
  #startedMonotonicMs = 0;
  #lease: Lease | undefined;
  #sentBytes = 0;
  #windowBytes = WINDOW_BYTES;
  readonly #result: Buffer[] = [];
  #resultBytes = 0;
  #done = false;
  #withdraw: () => void = () => {};
  readonly #abandon = (): void => {
    if (this.#done) return;
    this.#withdraw();
    this.#lease?.cancel(CANCEL_REASON.callerGone);
    const error = new LambentError(
      'E_CLIENT_CLOSED',
      'the function that called ended before it had its answer',
    );
    this.#fail(errorOfPlatform(error), false);
  };

  constructor(call: EventCall, resolve: (outcome: EventOutcome) => void, parts: Parts) {
    this.#call = call;
    this.#resolve = resolve;
    this.#parts = parts;
    this.#arrivedMs = parts.clock.nowMs();
  }

  get waiting(): readonly WaitingCaller[] | undefined {
    return this.#call.caller?.chain.waiting;
  }

  /** One whose caller waits in an instance of the same version must not wait behind it. */
  get mayBeHeld(): boolean {
    return this.#call.caller === undefined && this.#call.payload.length <= BODY_CHUNK_BYTES;
  }

  start(pool: InstancePool): void {
    this.#call.signal?.addEventListener('abort', this.#abandon);
    this.#withdraw = pool.acquire(this.#call.version, this.#call.deployment, this);
    if (this.#call.signal?.aborted) this.#abandon();
  }

  onLease(lease: Lease): void {
    const { id, version, trigger, attempt, traceparent, clientContext, payload, caller } = this.#call;
    const { clock } = this.#parts;
    this.#lease = lease;
    this.#startedMonotonicMs = clock.monotonicMs();
    const deadlineMs = clock.nowMs() + version.config.timeoutMs;
    const head: EventHead = { requestId: id, deadlineMs, trigger, attempt };
    if (traceparent !== undefined) head.traceparent = traceparent;
    if (clientContext !== undefined) head.clientContext = clientContext;
    if (caller !== undefined) head.caller = callerHead(caller);
    const first = payload.subarray(0, BODY_CHUNK_BYTES);
    this.#sentBytes = first.length;
    this.#windowBytes = WINDOW_BYTES - first.length;
    const last = first.length === payload.length;
    lease.open({
      invocation: id,
      kind: FRAME.EVENT,
      head: JSON.stringify(head),
      body: first,
      last,
      deadlineMs,
      origin: { traceparent, chain: caller?.chain ?? { ...NO_CHAIN, depth: this.#call.depth ?? 0 } },
      listener: this,
    });
    this.#sendMore();
  }

  onTakenBack(withdraw: () => void): void {
    this.#lease = undefined;
    this.#withdraw = withdraw;
  }

  onRefused(error: LambentError): void {
    this.#fail(errorOfPlatform(error), error.facts.retryable);
  }

  onCredit(bytes: number): void {
    this.#windowBytes += bytes;
    this.#sendMore();
  }

  onResult(payload: Buffer, last: boolean): void {
    this.#take(payload, last);
  }

  onBody(payload: Buffer, last: boolean): void {
    this.#take(payload, last);
  }

  onResponse(): void {
    const error = new LambentError(
      'E_FUNCTION_RESPONSE_INVALID',
      `function ${this.#call.version.name} answered an event with an HTTP head`,
    );
    this.#stop(error);
  }

  onFailed(failure: FailureMessage): void {
    this.#fail(errorOfFailure(failure), failure.retryable !== false);
  }

  onLost(error: LambentError): void {
    if (this.#done) return;
    explain(this.#parts, this.#call, this.#lease!, error);
    this.#fail(errorOfPlatform(error), true);
  }

  /** Ends the call because of what the instance said. */
  #stop(error: LambentError): void {
    if (this.#done) return;
    this.#lease!.cancel(CANCEL_REASON.responseRefused);
    explain(this.#parts, this.#call, this.#lease!, error);
    this.#fail(errorOfPlatform(error), false);
  }

  #sendMore(): void {
    const { payload } = this.#call;
    while (!this.#done && this.#sentBytes < payload.length && this.#windowBytes > 0) {
      const size = Math.min(BODY_CHUNK_BYTES, this.#windowBytes, payload.length - this.#sentBytes);
      const chunk = payload.subarray(this.#sentBytes, this.#sentBytes + size);
      this.#sentBytes += size;
      this.#windowBytes -= size;
      this.#lease!.body(chunk, this.#sentBytes === payload.length);
    }
  }

  #take(payload: Buffer, last: boolean): void {
    if (this.#done) return;
    this.#resultBytes += payload.length;
    if (this.#resultBytes > EVENT_BYTES_MAX) {
      const message = `function ${this.#call.version.name} returned more than ${EVENT_BYTES_MAX} bytes`;
      this.#stop(new LambentError('E_RESPONSE_TOO_LARGE', message));
      return;
    }
    this.#result.push(payload);
    if (!last) {
      this.#lease!.credit(payload.length);
      return;
    }
    const whole =
      this.#result.length === 1 ? this.#result[0]! : Buffer.concat(this.#result, this.#resultBytes);
    this.#finish({ status: 'ok', payload: whole, billedMs: this.#billedMs() }, undefined);
  }

  #fail(error: InvocationError, retryable: boolean): void {
    if (!this.#done) this.#finish({ status: 'failed', error, retryable, billedMs: this.#billedMs() }, error);
  }

  #billedMs(): number {
    const lease = this.#lease;
    return lease === undefined
      ? 0
      : billedMsOf(this.#parts.clock.monotonicMs() - this.#startedMonotonicMs - lease.heldMs());
  }

  #finish(outcome: EventOutcome, error: InvocationError | undefined): void {
    this.#done = true;
    this.#call.signal?.removeEventListener('abort', this.#abandon);
    const end = {
      lease: this.#lease,
      arrivedMs: this.#arrivedMs,
      startedMonotonicMs: this.#startedMonotonicMs,
      httpStatus: 0,
      summary: '',
      attempt: this.#call.attempt,
      error,
    };
    settle(this.#parts, this.#call, end, this);
    this.#resolve(outcome);
  }

  get via(): CallVia {
    const { caller, via } = this.#call;
    if (caller !== undefined) return { kind: 'function', name: `${caller.app}/${caller.function}` };
    return via ?? { kind: 'api', name: '' };
  }

  get traceparent(): string | undefined {
    return this.#call.traceparent;
  }

  get mayKeep(): boolean {
    return this.#call.version.config.keepPayloads !== false;
  }

  input(): RawPayload {
    const { payload } = this.#call;
    return { body: [payload], bytes: payload.length };
  }

  output(): RawPayload | undefined {
    return this.#resultBytes === 0 ? undefined : { body: this.#result, bytes: this.#resultBytes };
  }
}
