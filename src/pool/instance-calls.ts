import { type ErrorCode, LambentError, toLambentError } from '../base/errors.ts';
import {
  BODY_CHUNK_BYTES,
  CALL_BYTES_MAX,
  CALL_STREAM,
  CALLS_OPEN_MAX,
  type CallFailureMessage,
  type CallHead,
  FLAG_FIN,
  FRAME,
  WINDOW_BYTES,
} from '../model/frames.ts';
import { type CallerIdentity, CallFailed, type PlatformCalls } from '../ports/platform-calls.ts';
import { parseCall } from './instance-messages.ts';

/** Payloads and results of one instance's calls that are held at a time, together. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

/** What the calls of an instance need of it. */
export interface CallsHost {
  readonly operations: PlatformCalls;
  frame(kind: number, flags: number, stream: number, payload: Uint8Array | undefined): void;
  breach(what: string): void;
  /** A handler failed with what is no operating error. */
  onDefect(operation: string, thrown: unknown): void;
  /** Who calls, on behalf of the invocation on this stream; `undefined` when there never was one. */
  identify(stream: number, signal: AbortSignal): CallerIdentity | undefined;
}

/** payload comes in -> the operation works -> the result goes out */
interface OpenCall {
  readonly caller: CallerIdentity;
  readonly head: CallHead;
  /** Pieces of the payload, then none. */
  pieces: Buffer[];
  /** Bytes of the payload, then of the result, that are held. */
  heldBytes: number;
  received: boolean;
  result: Uint8Array | undefined;
  sentBytes: number;
  /** How much of the result may be sent. */
  room: number;
}

/** The calls that one instance makes of the platform. What it says is checked here; a breach ends it. */
export class InstanceCalls {
  readonly #host: CallsHost;
  readonly #open = new Map<number, OpenCall>();
  readonly #abort = new AbortController();
  #heldBytes = 0;

  constructor(host: CallsHost) {
    this.#host = host;
  }

  /** Whether the platform still works for the instance. */
  get areOpen(): boolean {
    return this.#open.size > 0;
  }

  /** How many invocations of the instance have calls open: they wait, as far as the platform can know. */
  get callers(): number {
    const invocations = new Set<unknown>();
    for (const { caller } of this.#open.values())
      if (caller.invocation !== undefined) invocations.add(caller.invocation);
    return invocations.size;
  }

  static owns(stream: number): boolean {
    return stream >= CALL_STREAM;
  }

  /** A frame on a stream of the instance's own. */
  onFrame(kind: number, flags: number, stream: number, payload: Buffer): void {
    const last = (flags & FLAG_FIN) !== 0;
    if (kind === FRAME.CALL) {
      this.#begin(stream, payload, last);
      return;
    }
    if (kind !== FRAME.BODY && kind !== FRAME.CREDIT) {
      this.#host.breach(`a frame of kind ${kind} on a call`);
      return;
    }
    const call = this.#open.get(stream);
    // It has ended here, and the instance has not heard of it yet.
    if (call === undefined) return;
    if (kind === FRAME.BODY) this.#take(stream, call, payload, last);
    else if (payload.length !== 4) this.#host.breach('a CREDIT frame of the wrong size');
    else {
      call.room += payload.readUInt32LE(0);
      this.#send(stream, call);
    }
  }

  /** The instance is gone. */
  close(): void {
    this.#open.clear();
    this.#abort.abort();
  }

  #begin(stream: number, payload: Buffer, last: boolean): void {
    const opening = parseCall(payload);
    const caller = opening && this.#host.identify(opening.invocationStream, this.#abort.signal);
    if (opening === undefined || caller === undefined || this.#open.has(stream)) {
      this.#host.breach('an unreadable CALL frame');
      return;
    }
    if (this.#open.size >= CALLS_OPEN_MAX) {
      const message = `function ${caller.function} has ${CALLS_OPEN_MAX} calls open in one instance, the most there may be`;
      this.#answerFailure(stream, new LambentError('E_TOO_MANY_CALLS', message));
      return;
    }
    const { head, body } = opening;
    const call: OpenCall = {
      caller,
      head,
      pieces: [],
      heldBytes: 0,
      received: false,
      result: undefined,
      sentBytes: 0,
      room: WINDOW_BYTES,
    };
    this.#open.set(stream, call);
    this.#take(stream, call, body, last);
  }

  #take(stream: number, call: OpenCall, piece: Buffer, last: boolean): void {
    if (call.received) {
      this.#host.breach('more of a payload after its end');
      return;
    }
    if (call.heldBytes + piece.length > CALL_BYTES_MAX) {
      const message = `the payload of a call has more than ${CALL_BYTES_MAX} bytes`;
      this.#fail(stream, call, new LambentError('E_PAYLOAD_TOO_LARGE', message));
      return;
    }
    if (!this.#hold(stream, call, piece.length)) return;
    call.pieces.push(piece);
    call.received = last;
    if (last) void this.#perform(stream, call);
    else if (piece.length > 0) this.#credit(stream, piece.length);
  }

  async #perform(stream: number, call: OpenCall): Promise<void> {
    const payload = call.pieces.length === 1 ? call.pieces[0]! : Buffer.concat(call.pieces, call.heldBytes);
    call.pieces = [];
    const { operation, args } = call.head;
    try {
      const handler = this.#host.operations.get(operation);
      if (handler === undefined)
        throw new LambentError('E_BAD_REQUEST', `there is no operation named ${JSON.stringify(operation)}`, {
          hint: `There are: ${[...this.#host.operations.keys()].join(', ')}.`,
        });
      const result = await handler(call.caller, args, payload);
      this.#answer(stream, call, result);
    } catch (thrown) {
      if (!(thrown instanceof LambentError || thrown instanceof CallFailed))
        this.#host.onDefect(operation, thrown);
      this.#fail(stream, call, thrown);
    }
  }

  #answer(stream: number, call: OpenCall, result: Uint8Array): void {
    if (this.#open.get(stream) !== call) return;
    if (result.byteLength > CALL_BYTES_MAX) {
      const message = `the result of a call has more than ${CALL_BYTES_MAX} bytes`;
      this.#fail(stream, call, new LambentError('E_RESPONSE_TOO_LARGE', message));
      return;
    }
    this.#release(call);
    if (!this.#hold(stream, call, result.byteLength)) return;
    call.result = result;
    this.#send(stream, call);
  }

  #send(stream: number, call: OpenCall): void {
    const { result } = call;
    if (result === undefined) return;
    do {
      const size = Math.min(BODY_CHUNK_BYTES, call.room, result.byteLength - call.sentBytes);
      if (size === 0 && result.byteLength > 0) return;
      const kind = call.sentBytes === 0 ? FRAME.CALL_RESULT : FRAME.BODY;
      const chunk = result.subarray(call.sentBytes, call.sentBytes + size);
      call.sentBytes += size;
      call.room -= size;
      const last = call.sentBytes === result.byteLength;
      this.#host.frame(kind, last ? FLAG_FIN : 0, stream, chunk);
      if (last) this.#end(stream, call);
    } while (call.sentBytes < result.byteLength);
  }

  #fail(stream: number, call: OpenCall, thrown: unknown): void {
    if (this.#open.get(stream) !== call) return;
    this.#end(stream, call);
    this.#answerFailure(stream, thrown);
  }

  #answerFailure(stream: number, thrown: unknown): void {
    const payload = Buffer.from(JSON.stringify(failureOf(thrown)));
    this.#host.frame(FRAME.CALL_FAILED, FLAG_FIN, stream, payload);
  }

  #end(stream: number, call: OpenCall): void {
    this.#release(call);
    this.#open.delete(stream);
  }

  /** Counts bytes as held; false (and the call has failed) where that would be too many. */
  #hold(stream: number, call: OpenCall, bytes: number): boolean {
    if (this.#heldBytes + bytes > HELD_BYTES_MAX) {
      const message = `the calls of one instance of function ${call.caller.function} hold more than ${HELD_BYTES_MAX} bytes`;
      this.#fail(stream, call, new LambentError('E_TOO_MANY_CALLS', message));
      return false;
    }
    this.#heldBytes += bytes;
    call.heldBytes += bytes;
    return true;
  }

  #release(call: OpenCall): void {
    this.#heldBytes -= call.heldBytes;
    call.heldBytes = 0;
  }

  #credit(stream: number, bytes: number): void {
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32LE(bytes);
    this.#host.frame(FRAME.CREDIT, 0, stream, payload);
  }
}

function failureOf(thrown: unknown): CallFailureMessage {
  if (thrown instanceof CallFailed) {
    const { code, errorType, message, stackTrace, retryable } = thrown;
    const hint = 'The logs of the called function have the whole error.';
    return { code, errorType, errorMessage: message, stackTrace: [...stackTrace], retryable, hint };
  }
  const { code, message, facts, hint } = toLambentError(thrown);
  // What went wrong inside the platform is for its own log.
  const shown = code === ('E_INTERNAL' satisfies ErrorCode) ? 'the platform failed' : message;
  return { code, errorType: code, errorMessage: shown, stackTrace: [], retryable: facts.retryable, hint };
}
