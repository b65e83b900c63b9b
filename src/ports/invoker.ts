import type { LambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { InvocationError, TriggerKind } from '../model/invocation.ts';
import type { CallVia } from './activity.ts';
import type { CalledBy } from './platform-calls.ts';

/**
 * Runs functions: finds or starts an instance, hands the call over, meters and records it.
 * Two shapes: an HTTP exchange, streamed through callbacks because it is the hot path, and an event call.
 */

/** Why a caller no longer wants an answer. */
export type CancelReason = 'callerGone' | 'responseRefused';

/** An HTTP request on its way to a function. */
export interface HttpCall {
  readonly id: InvocationId;
  readonly version: FunctionVersion;
  readonly deployment: number;
  readonly trigger: 'http' | 'websocket';
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  /** `GET /users/:id`: constant for a route. */
  readonly routeKey: string;
  /** Percent-encoded path parameters, `id=42&x=1`. */
  readonly params: string;
  readonly method: string;
  /** Path and query, as received. */
  readonly target: string;
  /** Header lines joined by `\n`, each `name: value` with the name in lower case, already validated. */
  readonly headerLines: string;
  /** The x-request-id among them, where the caller sent it: of at most 128 characters, safe to be shown. */
  readonly callerRequestId: string | undefined;
  /** First bytes of the body, at most BODY_CHUNK_BYTES; `undefined` for none. */
  readonly body: Uint8Array | undefined;
  /** True when `body` is all there is. */
  readonly bodyComplete: boolean;
}

/** Receives an answer. Exactly one of `onEnd` and `onFailure` comes last. */
export interface HttpSink {
  /**
   * The head, once. `headerBlock` is validated text of `name: value\r\n` lines without hop-by-hop headers;
   * `contentLength` is what it declares, -1 if nothing. `body` is the first piece (the sink may keep it).
   * `complete` means that no `onBody` follows and `onEnd` comes next.
   */
  onHead(
    status: number,
    headerBlock: string,
    contentLength: number,
    body: Buffer | undefined,
    complete: boolean,
  ): void;
  /** A further piece of the body, the sink's to keep. Return its bytes with `exchange.credit` once passed on. */
  onBody(chunk: Buffer): void;
  /** `trailers`: validated `name: value\r\n` lines, only after a body without a declared length. */
  onEnd(trailers?: string): void;
  /** Instead of a head, or after one (the answer then breaks off). */
  onFailure(error: LambentError): void;
  /** The function took this many bytes of the request's body: more may be written. */
  onCredit(bytes: number): void;
}

export interface HttpExchange {
  /** Sends more of the request's body. At most WINDOW_BYTES may be uncredited; the caller keeps count by `onCredit`. Trailers come with the last. */
  writeBody(chunk: Uint8Array, last: boolean, trailers?: string): void;
  /** The caller passed on this many bytes of the answer's body. */
  credit(bytes: number): void;
  /** `why` is what the record of the call says; left out: that the caller went away. */
  cancel(reason: CancelReason, why?: LambentError): void;
}

/** A call with a JSON event: from the API, the CLI, another function, a trigger. */
export interface EventCall {
  readonly id: InvocationId;
  readonly version: FunctionVersion;
  readonly deployment: number;
  readonly trigger: Extract<TriggerKind, 'invoke' | 'async' | 'event'>;
  /** UTF-8 JSON text, at most 6 MiB (AWS Lambda's limit of a synchronous payload). */
  readonly payload: Uint8Array;
  readonly traceparent: string | undefined;
  readonly clientContext: unknown;
  /** From 1 for asynchronous calls; 0 for synchronous. */
  readonly attempt: number;
  /** Present where a function called. */
  readonly caller?: CalledBy | undefined;
  /** What brought it about, where no function called; left out: the API. */
  readonly via?: CallVia | undefined;
  /** How many events led to it, where an event did: what the function calls and emits counts on from there. */
  readonly depth?: number | undefined;
  /** Aborts when nobody waits for the outcome any more: the call is withdrawn, or cancelled in its instance. */
  readonly signal?: AbortSignal | undefined;
}

/** What came of an event call. A failure of the function is an outcome, not an exception. */
export type EventOutcome =
  | { readonly status: 'ok'; readonly payload: Buffer; readonly billedMs: number }
  | {
      readonly status: 'failed';
      readonly error: InvocationError;
      readonly retryable: boolean;
      readonly billedMs: number;
    };

export interface Invoker {
  http(call: HttpCall, sink: HttpSink): HttpExchange;
  invoke(call: EventCall): Promise<EventOutcome>;
}

/** The largest event and the largest result of an event call, in bytes. */
export const EVENT_BYTES_MAX = 6 * 1024 * 1024;
