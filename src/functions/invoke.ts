/**
 * Runs a function: lease -> send -> settle. One `HttpInvocation` or `EventInvocation` lives for the length of a call;
 * it is the listener of its stream, checks what the instance says, and records the call when it ends.
 *
 * Guarantees: exactly one end for every call; nothing from an instance reaches a caller unchecked; a call is
 * recorded once, with the same status that its caller saw.
 */
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { VersionId } from '../model/function.ts';
import type { ActivitySink } from '../ports/activity.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import type { EventCall, EventOutcome, HttpCall, HttpExchange, HttpSink, Invoker } from '../ports/invoker.ts';
import { EVENT_BYTES_MAX } from '../ports/invoker.ts';
import { EventInvocation } from './event-invocation.ts';
import { HttpInvocation } from './http-invocation.ts';
import { ResponseHeads } from './response-head.ts';

export interface InvokerOptions {
  readonly pool: InstancePool;
  readonly activity: ActivitySink;
  readonly clock: Clock;
}

/** Remembered header blocks are kept for this many versions. */
const HEADS_MAX = 4_096;

class PooledInvoker implements Invoker {
  readonly #options: InvokerOptions;
  readonly #heads = new Map<VersionId, ResponseHeads>();

  constructor(options: InvokerOptions) {
    this.#options = options;
  }

  http(call: HttpCall, sink: HttpSink): HttpExchange {
    const invocation = new HttpInvocation(call, sink, this.#headsOf(call.version.id), this.#options);
    invocation.start(this.#options.pool);
    return invocation;
  }

  invoke(call: EventCall): Promise<EventOutcome> {
    if (call.payload.byteLength > EVENT_BYTES_MAX) {
      const message = `the event has ${call.payload.byteLength} bytes; at most ${EVENT_BYTES_MAX} are allowed`;
      return Promise.reject(new LambentError('E_PAYLOAD_TOO_LARGE', message));
    }
    return new Promise((resolve) => {
      new EventInvocation(call, resolve, this.#options).start(this.#options.pool);
    });
  }

  #headsOf(version: VersionId): ResponseHeads {
    let heads = this.#heads.get(version);
    if (heads === undefined) {
      if (this.#heads.size >= HEADS_MAX) this.#heads.clear();
      heads = new ResponseHeads();
      this.#heads.set(version, heads);
    }
    return heads;
  }
}

export function createInvoker(options: InvokerOptions): Invoker {
  return new PooledInvoker(options);
}
