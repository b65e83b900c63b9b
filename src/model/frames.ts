/**
 * The protocol between the platform and one instance: frames over one socketpair, inherited by the
 * instance as descriptor 3. Both ends share this file; nothing else crosses the sandbox.
 *
 * A frame is a 12-byte header and a payload:
 *
 *     u32 LE  payload length, at most FRAME_PAYLOAD_MAX
 *     u32 LE  stream: the number of one invocation on this connection; 0 speaks of the whole instance
 *     u8      kind, one of FRAME
 *     u8      flags: FLAG_FIN ends the sender's side of the stream
 *     u16     zero
 *
 * Bodies are flow-controlled by stream and direction: a sender may have WINDOW_BYTES unacknowledged
 * (those inside HTTP_REQUEST, EVENT, HTTP_RESPONSE and RESULT count too); the receiver returns CREDIT as
 * it passes bytes on. So a slow reader stops its own stream and no other, and memory stays bounded.
 *
 * The platform numbers streams of invocations from 1. An instance calls the platform on streams that it opens
 * itself, with CALL; their numbers have CALL_STREAM set, so that the two can never meet. Such a call is a payload
 * in one direction and then a result in the other, both of them bodies like any other: BODY, CREDIT, FLAG_FIN.
 *
 * An instance that runs one call at a time may be sent further ones ahead, so that it does not stand idle between two:
 * asked with AHEAD, it answers HOLDS. From then on it begins calls in the order in which they came, each only when the
 * last frame of the one before has left the process. So whatever becomes of it, the platform knows which calls have
 * not begun, and gives them to another instance. What waits behind a call that takes HELD_MS, the instance gives back
 * by itself, with RETURNED: only while that call has not ended, so that what goes back was surely sent ahead.
 *
 * An instance that wants no more calls says RETIRE: after an exception that nobody caught its state is not to be
 * trusted with new work. Calls that have begun in it end in it. All others it gives back: those that wait in it, and
 * those that come after, because they were on their way when it spoke. What has its body still to come (no FLAG_FIN)
 * begins there all the same: nobody has kept the beginning. So a call may be RETURNED when it came whole, nothing was
 * said of it, and it was sent ahead of its turn or its instance retires; anything else is a breach. The platform
 * gives it to another instance, and fails it where too many give it back.
 */

export const FRAME_HEADER_BYTES = 12;
/** A longer frame is a protocol error and ends the instance. */
export const FRAME_PAYLOAD_MAX = 1 << 20;
/** Body bytes a sender may have in flight on one stream. */
export const WINDOW_BYTES = 256 * 1024;
/** The largest piece of a body in one frame. */
export const BODY_CHUNK_BYTES = 64 * 1024;
/** The version both ends must name in BOOT and READY. */
export const PROTOCOL_VERSION = 1;

export const FLAG_FIN = 1;

/** Set in the number of each stream that the instance opens. */
export const CALL_STREAM = 0x8000_0000;
/** Calls of one instance that may be open at a time; a further one fails with `E_TOO_MANY_CALLS`. */
export const CALLS_OPEN_MAX = 256;
/** Calls that may wait in an instance beside the one that runs. */
export const HELD_MAX = 16;
/** An instance gives back what waits in it behind a call that has run for this long, give or take as much. */
export const HELD_MS = 20;
/** The largest payload of a call and its largest result, in bytes. */
export const CALL_BYTES_MAX = 6 * 1024 * 1024;
/** The largest head of a call, in bytes. */
export const CALL_HEAD_BYTES_MAX = 16 * 1024;

/** Frame kinds. Below 0x40 the platform sends, from 0x40 the instance, from 0x80 both. */
export const FRAME = {
  /** JSON `BootMessage`: which code to load. The first frame, once. */
  BOOT: 0x01,
  /** u32 head length, head (latin1, see `HttpRequestHead`), then the first bytes of the body. */
  HTTP_REQUEST: 0x02,
  /** u32 head length, head (JSON `EventHead`), then the first bytes of the event (JSON text, UTF-8). */
  EVENT: 0x03,
  /** u8 reason, one of CANCEL_REASON. The answer is no longer wanted; work on it should stop. */
  CANCEL: 0x06,
  /** No more requests will come: finish what runs, run clean-up, exit with 0. */
  DRAIN: 0x07,
  /** Asks for PONG: proof that the event loop turns. */
  PING: 0x08,
  /** The first bytes of what a CALL gave (for `invoke`: JSON text, UTF-8); BODY brings the rest. */
  CALL_RESULT: 0x09,
  /** JSON `CallFailureMessage`: the CALL failed. Ends its stream in both directions. */
  CALL_FAILED: 0x0a,
  /** Asks whether calls may be sent ahead. An instance that takes none, or several at once, does not answer. */
  AHEAD: 0x0b,
  /**
   * Asks whether anything is left to do, such as work that goes on after an answer. An instance that has nothing left
   * says RESTING, and may then get no processor time until the next frame comes; another does not answer.
   */
  REST: 0x0c,

  /** JSON `ReadyMessage`: the code is loaded. */
  READY: 0x41,
  /** JSON `FailureMessage`: the code cannot be loaded; the instance exits. */
  BOOT_FAILED: 0x42,
  /** u16 status, u16 zero, u32 head length, header block (latin1 `name: value\r\n` lines), first bytes of the body. */
  HTTP_RESPONSE: 0x43,
  /** The first bytes of the result of EVENT (JSON text, UTF-8, or raw bytes of a stream). */
  RESULT: 0x44,
  /** JSON `FailureMessage`: the invocation failed. Ends the stream. After HTTP_RESPONSE it breaks the answer off. */
  FAILED: 0x46,
  /** u8 stream (0 stdout, 1 stderr), u8 severity (index in SEVERITIES), f64 LE epoch ms, UTF-8 text without newline at its end. */
  LOG: 0x47,
  /** JSON `{ reason }`: give me no new invocations, I give them back; I end when those that run have ended. */
  RETIRE: 0x48,
  /** u32 LE highest resident memory so far, in KiB. */
  STATS: 0x49,
  PONG: 0x4a,
  /** Sent once, before BOOT comes, by a runtime that has loaded itself: a process that was started ahead of need. */
  WAITING: 0x4c,
  /**
   * Asks the platform for something. On a stream with CALL_STREAM, not in use: u32 stream of the invocation that asks
   * (0: none, as at load), u32 head length, head (JSON `CallHead`), the first bytes of the payload.
   */
  CALL: 0x4b,
  /** The answer to AHEAD: yes, up to HELD_MAX. */
  HOLDS: 0x4d,
  /** This call has not begun here and will not: give it to another instance. Ends the stream in both directions. See above. */
  RETURNED: 0x4e,

  /** The answer to REST: nothing is left to do. */
  RESTING: 0x4f,

  /** Body bytes of the stream; FLAG_FIN on the last (which may be empty). After a 101 answer: raw bytes of the upgraded connection. */
  BODY: 0x80,
  /** u32 LE bytes of body that the receiver has passed on. */
  CREDIT: 0x81,
  /** Trailers of an HTTP message (model/trailers.ts): latin1 `name: value\r\n` lines, right before the last BODY of their side. */
  TRAILERS: 0x82,
} as const;

export const CANCEL_REASON = { timeout: 1, callerGone: 2, shutdown: 3, responseRefused: 4 } as const;
export const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** Payload of BOOT. */
export interface BootMessage {
  protocol: number;
  app: string;
  function: string;
  version: string;
  deployment: number;
  /** Absolute path of the folder with the built code, as the instance sees it. */
  codeDir: string;
  /** Module to load, relative to `codeDir`. */
  entry: string;
  /** Export to call; absent: recognise it. */
  handler?: string;
  /** The author's variables and the platform's (AWS_LAMBDA_*, LAMBDA_TASK_ROOT …). */
  env: Record<string, string>;
  memoryMb: number;
  timeoutMs: number;
  /** How long it may take until READY, where the manifest says so. */
  startMs?: number;
  /** Of a web server: the program to start in `entry`, its port if it is fixed, and the path that tells when it is ready. */
  command?: { argv: readonly string[]; port?: number | undefined; readyPath?: string | undefined };
  /** Absolute path of the folder with its installed packages, where they are kept apart from its code. */
  packagesDir?: string;
  /** Invocations at the same time, where the manifest says so. */
  concurrency?: number;
}

/** Payload of READY. */
export interface ReadyMessage {
  protocol: number;
  /** How the code wants to be called. */
  handlerKind: 'fetch' | 'lambda' | 'plain' | 'server' | 'workflow';
  /** Invocations at the same time, unless the manifest says otherwise; absent: by `handlerKind`. 1 to 1,000. */
  concurrency?: number | undefined;
}

/** Payload of BOOT_FAILED and FAILED: an error in the author's code. */
export interface FailureMessage {
  /** `E_FUNCTION_ERROR`, `E_HANDLER_MISSING`, `E_BOOT_FAILED`, `E_FUNCTION_RESPONSE_INVALID`, `E_RESPONSE_TOO_LARGE` or `E_UPGRADE_REFUSED`. */
  code: string;
  errorType: string;
  errorMessage: string;
  stackTrace: string[];
  /** The author says that the same will fail again: nothing tries it once more. Absent: it may be tried. */
  retryable?: false;
}

/**
 * Head of HTTP_REQUEST, as text lines joined by `\n`, latin1. Splitting text is what a JavaScript engine does
 * fastest, and no part can hold a newline: each was parsed as HTTP first.
 *
 *     0  request id
 *     1  deadline, epoch ms
 *     2  address of the caller
 *     3  `http` or `https`, as the caller used it
 *     4  route: `GET /users/:id`
 *     5  path parameters: `id=42&x=a%20b`, percent-encoded; empty when there are none
 *     6  method and target: `GET /users/42?full=1`
 *     7… one header a line: `name: value`, names in lower case
 */
export interface HttpRequestHead {
  requestId: string;
  deadlineMs: number;
  remoteAddress: string;
  scheme: 'http' | 'https';
  route: string;
  params: string;
  method: string;
  target: string;
  /** Raw header lines, `name: value`. */
  headers: string[];
}

export const HTTP_HEAD_FIXED_LINES = 7;

/** Head of EVENT. */
export interface EventHead {
  requestId: string;
  deadlineMs: number;
  /** `workflow`: the stream is an execution (workflow-wire.ts), not a call. */
  trigger: 'invoke' | 'async' | 'event' | 'workflow';
  /** W3C trace context, as the caller gave it. */
  traceparent?: string;
  /** Lambda's `clientContext`, decoded JSON. */
  clientContext?: unknown;
  /** From 1; 0 when the call is synchronous. */
  attempt: number;
  /** The function that called, if one did. */
  caller?: { app: string; function: string; requestId?: string };
}

/** Head of CALL. Who asks is not in it: the platform knows that itself. */
export interface CallHead {
  /** Name of the operation, as `invoke`. */
  operation: string;
  /** What the operation needs to know beside the payload. */
  args: Record<string, unknown>;
}

/** Payload of CALL_FAILED. */
export interface CallFailureMessage extends Omit<FailureMessage, 'retryable'> {
  /** Whether the same call can succeed later without anybody changing anything. */
  retryable: boolean;
  /** What to do next, for the author. */
  hint: string;
}

/** Reads the head of an HTTP_REQUEST. Only for heads that the platform wrote. */
export function parseHttpHead(text: string): HttpRequestHead {
  const lines = text.split('\n');
  const requestLine = lines[6]!;
  const space = requestLine.indexOf(' ');
  return {
    requestId: lines[0]!,
    deadlineMs: Number(lines[1]),
    remoteAddress: lines[2]!,
    scheme: lines[3] === 'https' ? 'https' : 'http',
    route: lines[4]!,
    params: lines[5]!,
    method: requestLine.slice(0, space),
    target: requestLine.slice(space + 1),
    headers: lines.slice(HTTP_HEAD_FIXED_LINES),
  };
}

/** Writes a frame header at `offset` of `into`. */
export function writeFrameHeader(
  into: Buffer,
  offset: number,
  kind: number,
  flags: number,
  stream: number,
  payloadBytes: number,
): void {
  into.writeUInt32LE(payloadBytes, offset);
  into.writeUInt32LE(stream, offset + 4);
  into[offset + 8] = kind;
  into[offset + 9] = flags;
  into[offset + 10] = 0;
  into[offset + 11] = 0;
}

/** One frame with its payload, as new bytes. */
export function encodeFrame(kind: number, flags: number, stream: number, payload?: Uint8Array): Buffer {
  const size = payload?.byteLength ?? 0;
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + size);
  writeFrameHeader(frame, 0, kind, flags, stream, size);
  if (payload !== undefined) frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** One frame whose payload is JSON. */
export function encodeJsonFrame(kind: number, flags: number, stream: number, value: unknown): Buffer {
  return encodeFrame(kind, flags, stream, Buffer.from(JSON.stringify(value)));
}

export function encodeCredit(stream: number, bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(frame, 0, FRAME.CREDIT, 0, stream, 4);
  frame.writeUInt32LE(bytes, FRAME_HEADER_BYTES);
  return frame;
}

/** Called for each whole frame. `payload` is a view that is valid only during the call unless copied. */
export type OnFrame = (kind: number, flags: number, stream: number, payload: Buffer) => void;

/**
 * Cuts a byte stream into frames. `push` returns false when the stream cannot be a frame stream (over-long
 * payload, non-zero reserved field): the connection is to be closed.
 */
export class FrameParser {
  readonly #onFrame: OnFrame;
  #rest: Buffer | undefined;
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  #wanted = 0;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): boolean {
    if (this.#wanted > 0) {
      // A frame longer than one read: collect pieces without copying them again at each read.
      this.#pieces.push(chunk);
      this.#piecesBytes += chunk.length;
      if (this.#piecesBytes < this.#wanted) return true;
      chunk = Buffer.concat(this.#pieces, this.#piecesBytes);
      this.#pieces = [];
      this.#piecesBytes = 0;
      this.#wanted = 0;
    } else if (this.#rest !== undefined) {
      chunk = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    return this.#cut(chunk);
  }

  #cut(chunk: Buffer): boolean {
    let at = 0;
    const end = chunk.length;
    while (end - at >= FRAME_HEADER_BYTES) {
      const size = chunk.readUInt32LE(at);
      if (size > FRAME_PAYLOAD_MAX || chunk[at + 10] !== 0 || chunk[at + 11] !== 0) return false;
      const next = at + FRAME_HEADER_BYTES + size;
      if (next > end) {
        this.#pieces = [chunk.subarray(at)];
        this.#piecesBytes = end - at;
        this.#wanted = FRAME_HEADER_BYTES + size;
        return true;
      }
      this.#onFrame(
        chunk[at + 8]!,
        chunk[at + 9]!,
        chunk.readUInt32LE(at + 4),
        chunk.subarray(at + FRAME_HEADER_BYTES, next),
      );
      at = next;
    }
    if (at < end) this.#rest = chunk.subarray(at);
    return true;
  }
}
