import {
  BODY_CHUNK_BYTES,
  CALL_BYTES_MAX,
  CALL_STREAM,
  type CallFailureMessage,
  type CallHead,
  CALLS_OPEN_MAX,
  FLAG_FIN,
  FRAME,
  WINDOW_BYTES,
} from '../../src/model/frames.ts';
import type { Channel } from './channel.ts';
import { current } from './invocations.ts';

/**
 * What the author's code asks of the platform. The SDK finds it under a global name, because it is bundled into the
 * author's code and this program is not.
 */
export const PLATFORM = Symbol.for('lambent.platform');

/** Calls that may wait for one of those that are open to end. */
const CALLS_WAITING_MAX = 10_000;
/** Payloads of open calls, together: a call beyond that waits. The platform refuses more than it holds. */
const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;
/** Only to keep the process at work while a call is open; nothing happens then. */
const KEEP_ALIVE_MS = 2 ** 30;

const { setInterval, clearInterval } = globalThis;

interface Call {
  readonly site: CallSite;
  readonly head: string;
  readonly payload: Uint8Array;
  /** The stream of the invocation that asks. */
  readonly invocationStream: number;
  readonly resolve: (result: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  sentBytes: number;
  room: number;
  readonly result: Buffer[];
}

/** A call that the platform refused, or that a function failed. */
export class CallError extends Error {
  readonly code: string;
  readonly errorType: string;
  /** The stack of the function that was called, its own lines first; empty where no function ran. */
  readonly stackTrace: readonly string[];
  readonly retryable: boolean;
  readonly hint: string;

  /** `site`: where the call was made. The answer comes in another turn, whose own stack tells an author nothing. */
  constructor(failure: CallFailureMessage, site?: CallSite) {
    super(failure.errorMessage);
    this.name = failure.errorType;
    this.code = failure.code;
    this.errorType = failure.errorType;
    this.stackTrace = failure.stackTrace;
    this.retryable = failure.retryable;
    this.hint = failure.hint;
    const frames = site?.stack?.match(/^\s+at .*$/gm);
    if (frames != null) this.stack = [`${this.name}: ${this.message}`, ...frames].join('\n');
  }
}

/** Written out only when it is read. */
interface CallSite {
  readonly stack?: string;
}

function tooMany(): CallError {
  return new CallError({
    code: 'E_TOO_MANY_CALLS',
    errorType: 'E_TOO_MANY_CALLS',
    errorMessage: `more than ${CALLS_WAITING_MAX} calls wait in this process`,
    stackTrace: [],
    retryable: true,
    hint: 'Wait for some of the calls before you make more.',
  });
}

/** The calls that this process makes of the platform: some open, further ones in a queue. */
export class Calls {
  readonly #channel: Channel;
  readonly #open = new Map<number, Call>();
  readonly #waiting: Call[] = [];
  #payloadBytes = 0;
  #nextStream = CALL_STREAM + 1;
  #keepAlive: NodeJS.Timeout | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Makes itself known to the SDK. */
  install(): void {
    (globalThis as Record<symbol, unknown>)[PLATFORM] = {
      call: (operation: string, args: Record<string, unknown>, payload: Uint8Array) =>
        this.call({ operation, args }, payload),
    };
  }

  /** `invocationStream`: the stream of the invocation that asks; 0: none. Rejects with a `CallError`. */
  call(
    head: CallHead,
    payload: Uint8Array,
    invocationStream = current.getStore()?.stream ?? 0,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= CALLS_WAITING_MAX) {
        reject(tooMany());
        return;
      }
      const text = JSON.stringify(head);
      const site: CallSite = {};
      Error.captureStackTrace(site, this.call);
      this.#waiting.push({
        site,
        head: text,
        payload,
        invocationStream,
        resolve,
        reject,
        sentBytes: 0,
        room: WINDOW_BYTES,
        result: [],
      });
      this.#startWaiting();
    });
  }

  /** A frame on a stream that this process opened. */
  onFrame(kind: number, stream: number, payload: Buffer, last: boolean): void {
    const call = this.#open.get(stream);
    if (call === undefined) return;
    if (kind === FRAME.CREDIT) {
      call.room += payload.readUInt32LE(0);
      this.#send(stream, call);
    } else if (kind === FRAME.CALL_FAILED) {
      this.#end(stream, call);
      call.reject(new CallError(JSON.parse(payload.toString()) as CallFailureMessage, call.site));
    } else {
      call.result.push(payload);
      if (!last) this.#channel.number(FRAME.CREDIT, stream, payload.length);
      else {
        this.#end(stream, call);
        call.resolve(call.result.length === 1 ? payload : Buffer.concat(call.result));
      }
    }
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#open.size < CALLS_OPEN_MAX) {
      const bytes = Math.min(this.#waiting[0]!.payload.byteLength, CALL_BYTES_MAX);
      if (this.#open.size > 0 && this.#payloadBytes + bytes > PAYLOAD_BYTES_MAX) return;
      this.#begin(this.#waiting.shift()!);
    }
  }

  #begin(call: Call): void {
    const stream = this.#nextStream;
    this.#nextStream = stream === 0xffff_ffff ? CALL_STREAM + 1 : stream + 1;
    this.#open.set(stream, call);
    this.#payloadBytes += call.payload.byteLength;
    this.#keepAlive ??= setInterval(() => {}, KEEP_ALIVE_MS);
    const { head, payload } = call;
    const headBytes = Buffer.byteLength(head);
    const first = payload.subarray(0, BODY_CHUNK_BYTES);
    const opening = Buffer.allocUnsafe(8 + headBytes + first.length);
    opening.writeUInt32LE(call.invocationStream, 0);
    opening.writeUInt32LE(headBytes, 4);
    opening.write(head, 8);
    opening.set(first, 8 + headBytes);
    call.sentBytes = first.length;
    call.room -= first.length;
    const last = call.sentBytes === payload.length;
    this.#channel.frame(FRAME.CALL, last ? FLAG_FIN : 0, stream, opening);
    this.#send(stream, call);
  }

  #send(stream: number, call: Call): void {
    const { payload } = call;
    while (call.sentBytes < payload.length && call.room > 0) {
      const size = Math.min(BODY_CHUNK_BYTES, call.room, payload.length - call.sentBytes);
      const chunk = payload.subarray(call.sentBytes, call.sentBytes + size);
      call.sentBytes += size;
      call.room -= size;
      this.#channel.frame(FRAME.BODY, call.sentBytes === payload.length ? FLAG_FIN : 0, stream, chunk);
    }
  }

  #end(stream: number, call: Call): void {
    this.#open.delete(stream);
    this.#payloadBytes -= call.payload.byteLength;
    this.#startWaiting();
    if (this.#open.size > 0) return;
    clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
  }
}
