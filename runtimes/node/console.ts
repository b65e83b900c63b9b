import { Writable } from 'node:stream';
import { SEVERITIES } from '../../src/model/frames.ts';
import type { Channel } from './channel.ts';
import { current, type Invocation } from './invocations.ts';

/** A longer line is cut, and says so. */
export const LINE_BYTES_MAX = 64 * 1024;
/** One instance may log this much in a second; the rest is dropped and counted. */
export const LOG_LINES_PER_S = 5_000;
export const LOG_BYTES_PER_S = 4 * 1024 * 1024;
/** Structured lines longer than this are not searched for their level. */
const STRUCTURED_CHARS_MAX = 32 * 1024;

const SEVERITY = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, fatal: 5 } as const;
const LEVEL_NAMES = new Map<string, number>([
  ...SEVERITIES.map((name, index) => [name, index] as const),
  ['verbose', SEVERITY.debug],
  ['log', SEVERITY.info],
  ['notice', SEVERITY.info],
  ['warning', SEVERITY.warn],
  ['err', SEVERITY.error],
  ['critical', SEVERITY.fatal],
  ['alert', SEVERITY.fatal],
  ['emergency', SEVERITY.fatal],
]);

const { now } = Date;
const { setTimeout } = globalThis;

/** Where unfinished lines are kept: with their invocation, or here. */
interface PartialLines {
  partialOut: string;
  partialErr: string;
}

/** The level that a structured (JSON) line names; Pino's numbers count too. */
export function structuredSeverity(line: string): number | undefined {
  if (line.charCodeAt(0) !== 0x7b || !line.includes('"level"') || line.length > STRUCTURED_CHARS_MAX)
    return undefined;
  try {
    const { level } = JSON.parse(line) as { level?: unknown };
    if (typeof level === 'string') return LEVEL_NAMES.get(level.toLowerCase());
    if (typeof level === 'number' && level >= 10 && level <= 60) return Math.floor(level / 10) - 1;
  } catch {
    // Looks like JSON and is none.
  }
  return undefined;
}

/**
 * Turns what the code prints into LOG frames of the invocation that printed it: console.*, process.stdout and
 * process.stderr. What other code writes to descriptors 1 and 2 directly, the platform reads there.
 */
export class OutputCapture {
  readonly #channel: Channel;
  readonly #outside: PartialLines = { partialOut: '', partialErr: '' };
  #severity: number | undefined;
  #windowMs = 0;
  #lines = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Puts itself in the place of the process's own output. */
  install(): void {
    for (const [name, toStderr] of [
      ['stdout', false],
      ['stderr', true],
    ] as const) {
      const stream = new OutputStream(toStderr ? 2 : 1, (text) => this.#write(text, toStderr));
      Object.defineProperty(process, name, {
        value: stream,
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
    for (const name of ['debug', 'trace', 'warn'] as const) this.#wrap(name);
    // Node's own listener writes to descriptor 2, where the platform cannot tell whose line it is.
    process.removeAllListeners('warning');
    process.on('warning', ({ name, message }) => {
      // As --disable-warning of the command line has it, which Node's own listener alone looks at: it is the runtime that
      // uses what is experimental, to load code.
      if (name !== 'ExperimentalWarning') this.line(`${name}: ${message}`, true, SEVERITY.warn);
    });
  }

  /** A line of the platform's own runtime, such as an error's stack: not subject to the limits on the author's lines. */
  report(severity: keyof typeof SEVERITY, text: string, invocation: Invocation | undefined): void {
    this.#channel.log(invocation?.stream ?? 0, true, SEVERITY[severity], cutLine(text));
  }

  /** Sends unfinished lines: of an invocation that ends, or of the process. */
  flushPartial(owner: PartialLines = this.#outside): void {
    const stream = owner === this.#outside ? 0 : (owner as Invocation).stream;
    if (owner.partialOut !== '') this.#emit(stream, owner.partialOut, false, SEVERITY.info);
    if (owner.partialErr !== '') this.#emit(stream, owner.partialErr, true, SEVERITY.error);
    owner.partialOut = '';
    owner.partialErr = '';
  }

  line(text: string, toStderr: boolean, severity: number): void {
    if (current.getStore()?.muted !== true)
      this.#emit(current.getStore()?.stream ?? 0, text, toStderr, severity);
  }

  #wrap(name: 'debug' | 'trace' | 'warn'): void {
    const original = console[name];
    const severity = SEVERITY[name];
    console[name] = (...args: unknown[]): void => {
      const before = this.#severity;
      this.#severity = severity;
      try {
        original.apply(console, args);
      } finally {
        this.#severity = before;
      }
    };
  }

  #write(text: string, toStderr: boolean): void {
    const invocation = current.getStore();
    if (invocation?.muted === true) return;
    const owner: PartialLines = invocation ?? this.#outside;
    const stream = invocation?.stream ?? 0;
    const severity = this.#severity ?? (toStderr ? SEVERITY.error : SEVERITY.info);
    let rest = toStderr ? owner.partialErr + text : owner.partialOut + text;
    let end = rest.indexOf('\n');
    while (end >= 0) {
      this.#emit(stream, rest.slice(0, end), toStderr, severity);
      rest = rest.slice(end + 1);
      end = rest.indexOf('\n');
    }
    if (rest.length > LINE_BYTES_MAX || (rest !== '' && invocation?.ended === true)) {
      this.#emit(stream, rest, toStderr, severity);
      rest = '';
    }
    if (toStderr) owner.partialErr = rest;
    else owner.partialOut = rest;
  }

  #emit(stream: number, text: string, toStderr: boolean, severity: number): void {
    const line = cutLine(text.endsWith('\r') ? text.slice(0, -1) : text);
    if (!this.#admit(line)) return;
    this.#channel.log(stream, toStderr, structuredSeverity(line) ?? severity, line);
  }

  #admit(line: string): boolean {
    const timeMs = now();
    if (timeMs - this.#windowMs >= 1_000) {
      this.#reportDropped();
      this.#windowMs = timeMs;
      this.#lines = 0;
      this.#bytes = 0;
    }
    this.#lines += 1;
    this.#bytes += line.length;
    if (this.#lines <= LOG_LINES_PER_S && this.#bytes <= LOG_BYTES_PER_S) return true;
    this.#dropped += 1;
    if (this.#dropped === 1) setTimeout(() => this.#reportDropped(), 1_000).unref();
    return false;
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const limits = `${LOG_LINES_PER_S} lines or ${LOG_BYTES_PER_S / 1024 / 1024} MiB a second`;
    this.#channel.log(
      0,
      true,
      SEVERITY.warn,
      `${this.#dropped} log lines were dropped: the function wrote more than ${limits}`,
    );
    this.#dropped = 0;
  }

  /** For an exiting process: everything that is still held back. */
  finish(): void {
    this.flushPartial();
    this.#reportDropped();
  }
}

function cutLine(text: string): string {
  if (text.length * 3 <= LINE_BYTES_MAX) return text;
  const bytes = Buffer.byteLength(text);
  if (bytes <= LINE_BYTES_MAX) return text;
  const note = ` … [cut: the line has ${bytes} bytes]`;
  const kept = Buffer.from(text).subarray(0, LINE_BYTES_MAX - Buffer.byteLength(note));
  // A character cut in half decodes to U+FFFD.
  return kept.toString('utf8').replace(/\uFFFD+$/, '') + note;
}

/** Stands in for process.stdout and process.stderr. */
class OutputStream extends Writable {
  readonly fd: number;
  readonly #write: (text: string) => void;

  constructor(fd: number, write: (text: string) => void) {
    super({ decodeStrings: false });
    this.fd = fd;
    this.#write = write;
  }

  // Past the buffering of Writable: a line has left when `console.log` returns.
  override write(chunk: unknown, encodingOrDone?: unknown, done?: unknown): boolean {
    const encoding = typeof encodingOrDone === 'string' ? (encodingOrDone as BufferEncoding) : 'utf8';
    this.#write(textOf(chunk, encoding));
    const callback = typeof encodingOrDone === 'function' ? encodingOrDone : done;
    if (typeof callback === 'function') process.nextTick(callback as (error: null) => void, null);
    return true;
  }

  override end(chunk?: unknown, encodingOrDone?: unknown, done?: unknown): this {
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function')
      this.write(chunk, encodingOrDone, done);
    return this;
  }

  override destroy(): this {
    return this;
  }
}

function textOf(chunk: unknown, encoding: BufferEncoding): string {
  if (typeof chunk === 'string') return encoding === 'utf8' ? chunk : Buffer.from(chunk, encoding).toString();
  if (chunk instanceof Uint8Array)
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString();
  throw new TypeError('The "chunk" argument must be of type string or an instance of Buffer or Uint8Array');
}
