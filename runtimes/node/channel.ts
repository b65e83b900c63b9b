import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import {
  FLAG_FIN,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameParser,
  type OnFrame,
  writeFrameHeader,
} from '../../src/model/frames.ts';

/** One system call carries at most this much; a longer frame gets a buffer of its own. */
const BATCH_BYTES = 128 * 1024;
/** The LOG frames of one turn that leave at once; a flood is coalesced like everything else. */
const PROMPT_LOGS_PER_TURN = 16;
/** How long an exiting process may wait for the platform to take its last frames. */
const EXIT_FLUSH_MS = 1_000;
const LOG_HEAD_BYTES = 10;
const RESPONSE_HEAD_BYTES = 8;

// The author's code may replace these (fake timers do): the channel keeps those it started with.
const { setImmediate } = globalThis;
const { now } = Date;

/** What `net.Socket` keeps inside: how many bytes the kernel has not taken yet. */
interface SocketInside {
  readonly _handle?: { readonly writeQueueSize: number };
}

/**
 * The instance's end of the connection to the platform. Frames written within one turn of the event loop
 * leave together in one system call. Every payload is copied when it is written, so callers may reuse theirs.
 */
export class Channel {
  readonly #socket: Socket;
  readonly #fd: number;
  #batch: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  #scheduled = false;
  #promptLogs = 0;
  /** Handed to the kernel and not yet taken. While there is one, `#waiting` grows instead. */
  #inFlight: Buffer | undefined;
  #waiting: Buffer[] = [];
  #onTaken: (() => void) | undefined;
  readonly #endOfTurn = (): void => {
    this.#scheduled = false;
    this.#promptLogs = 0;
    this.flush();
  };
  readonly #onWritten = (): void => {
    if (this.#socket.writableLength > 0) return;
    this.#inFlight = undefined;
    if (this.#waiting.length === 0) {
      const task = this.#onTaken;
      this.#onTaken = undefined;
      task?.();
      return;
    }
    const next = this.#waiting.length === 1 ? this.#waiting[0]! : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#send(next);
  };

  /** @param onClosed the platform is gone: nothing this process does matters any more */
  constructor(fd: number, onFrame: OnFrame, onClosed: () => void) {
    this.#fd = fd;
    this.#socket = new Socket({ fd });
    const parser = new FrameParser(onFrame);
    this.#socket.on('data', (chunk: Buffer) => {
      if (!parser.push(chunk)) onClosed();
    });
    this.#socket.on('error', onClosed);
    this.#socket.on('close', onClosed);
  }

  /** Whether the connection alone keeps the process alive. */
  keepAlive(on: boolean): void {
    if (on) this.#socket.ref();
    else this.#socket.unref();
  }

  frame(kind: number, flags: number, stream: number, payload?: Uint8Array): void {
    const size = payload === undefined ? 0 : payload.byteLength;
    const at = this.#reserve(FRAME_HEADER_BYTES + size);
    writeFrameHeader(this.#batch, at, kind, flags, stream, size);
    if (payload !== undefined) this.#batch.set(payload, at + FRAME_HEADER_BYTES);
  }

  json(kind: number, flags: number, stream: number, value: unknown): void {
    this.frame(kind, flags, stream, Buffer.from(JSON.stringify(value)));
  }

  number(kind: number, stream: number, value: number): void {
    const at = this.#reserve(FRAME_HEADER_BYTES + 4);
    writeFrameHeader(this.#batch, at, kind, 0, stream, 4);
    this.#batch.writeUInt32LE(value, at + FRAME_HEADER_BYTES);
  }

  /**
   * HTTP_RESPONSE. `bodyBytes` is the length of `body` in UTF-8 or bytes, as the caller already knows it.
   * `headerBlock` holds characters up to U+00FF only.
   */
  response(
    stream: number,
    last: boolean,
    status: number,
    headerBlock: string,
    body: string | Uint8Array | undefined,
    bodyBytes: number,
  ): void {
    const headBytes = headerBlock.length;
    const size = RESPONSE_HEAD_BYTES + headBytes + bodyBytes;
    let at = this.#reserve(FRAME_HEADER_BYTES + size);
    const batch = this.#batch;
    writeFrameHeader(batch, at, FRAME.HTTP_RESPONSE, last ? FLAG_FIN : 0, stream, size);
    at += FRAME_HEADER_BYTES;
    batch[at] = status & 0xff;
    batch[at + 1] = status >> 8;
    batch[at + 2] = 0;
    batch[at + 3] = 0;
    batch.writeUInt32LE(headBytes, at + 4);
    at += RESPONSE_HEAD_BYTES;
    if (headBytes > 0) batch.write(headerBlock, at, headBytes, 'latin1');
    if (bodyBytes === 0) return;
    at += headBytes;
    if (typeof body === 'string') batch.write(body, at, bodyBytes);
    else batch.set(body!, at);
  }

  /** LOG. Leaves at once, so that what was printed before an endless loop is not lost with it. */
  log(stream: number, toStderr: boolean, severity: number, text: string): void {
    const textBytes = Buffer.byteLength(text);
    const size = LOG_HEAD_BYTES + textBytes;
    let at = this.#reserve(FRAME_HEADER_BYTES + size);
    const batch = this.#batch;
    writeFrameHeader(batch, at, FRAME.LOG, 0, stream, size);
    at += FRAME_HEADER_BYTES;
    batch[at] = toStderr ? 1 : 0;
    batch[at + 1] = severity;
    batch.writeDoubleLE(now(), at + 2);
    batch.write(text, at + LOG_HEAD_BYTES, textBytes);
    if (this.#promptLogs >= PROMPT_LOGS_PER_TURN) return;
    this.#promptLogs += 1;
    this.flush();
  }

  /** Throws away what was written in this turn and has not left. */
  discard(): void {
    this.#used = 0;
  }

  flush(): void {
    if (this.#used === 0) return;
    const piece = this.#batch.subarray(0, this.#used);
    this.#used = 0;
    const plain = this.#batch.length === BATCH_BYTES;
    if (this.#inFlight !== undefined) {
      // A small piece must not keep a whole batch buffer alive while it waits.
      const small = plain && piece.length * 4 < BATCH_BYTES;
      this.#waiting.push(small ? Buffer.from(piece) : piece);
      if (small) return;
    } else if (this.#send(piece) && plain) return;
    this.#batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  }

  /** Runs `task` once the kernel has taken all that was flushed: at once where it already has. One task at a time. */
  whenTaken(task: () => void): void {
    if (this.#inFlight === undefined) task();
    else this.#onTaken = task;
  }

  /** Writes everything before it returns. For an exiting process only: the socket is not usable afterwards. */
  flushSync(): void {
    const rest: Buffer[] = [];
    if (this.#inFlight !== undefined) {
      const queued = (this.#socket as unknown as SocketInside)._handle?.writeQueueSize ?? 0;
      if (queued > 0) rest.push(this.#inFlight.subarray(-queued));
    }
    rest.push(...this.#waiting, this.#batch.subarray(0, this.#used));
    this.#inFlight = undefined;
    this.#waiting = [];
    this.#used = 0;
    writeAll(this.#fd, Buffer.concat(rest));
  }

  /** True when the kernel took everything, so that the buffer may be used again. */
  #send(piece: Buffer): boolean {
    this.#inFlight = piece;
    this.#socket.write(piece, this.#onWritten);
    if (this.#socket.writableLength > 0) return false;
    this.#inFlight = undefined;
    return true;
  }

  #reserve(bytes: number): number {
    if (this.#used + bytes > this.#batch.length) {
      this.flush();
      if (bytes > this.#batch.length) this.#batch = Buffer.allocUnsafeSlow(bytes);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#endOfTurn);
    }
    const at = this.#used;
    this.#used += bytes;
    return at;
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  const untilMs = now() + EXIT_FLUSH_MS;
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || now() > untilMs) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
