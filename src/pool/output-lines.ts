import { StringDecoder } from 'node:string_decoder';
import type { LogSeverity } from '../model/invocation.ts';

type RawStream = 'stdout' | 'stderr';

/** A line longer than this is cut into several. */
const LINE_CHARS_MAX = 16 * 1024;

/** How runtimes of languages begin to say why they end the process: Go, Python, Rust, C++. */
const CRASH = /^(panic: |fatal error: |Fatal Python error: |thread '.*' .*panicked at |terminate called )/;
/** More of the last words does not help in an error's message; all of them are in the log. */
const LAST_WORDS_CHARS_MAX = 500;

/**
 * Cuts the raw output of a process into lines: what native code, a crash or a child process printed past the
 * runtime's own capture.
 */
export class OutputLines {
  /** The engine said that its heap is exhausted: the process is about to abort. */
  sawHeapExhaustion = false;
  #crash: string | undefined;
  #lastError: string | undefined;
  readonly #onLine: (from: RawStream, severity: LogSeverity, text: string) => void;
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  readonly #rest = { stdout: '', stderr: '' };

  constructor(onLine: (from: RawStream, severity: LogSeverity, text: string) => void) {
    this.#onLine = onLine;
  }

  push(from: RawStream, chunk: Buffer): void {
    const lines = (this.#rest[from] + this.#decoders[from].write(chunk)).split('\n');
    let rest = lines.pop()!;
    for (const line of lines) this.#emit(from, line.endsWith('\r') ? line.slice(0, -1) : line);
    while (rest.length > LINE_CHARS_MAX) {
      this.#emit(from, rest.slice(0, LINE_CHARS_MAX));
      rest = rest.slice(LINE_CHARS_MAX);
    }
    this.#rest[from] = rest;
  }

  flush(): void {
    for (const from of ['stdout', 'stderr'] as const) {
      if (this.#rest[from] !== '') this.#emit(from, this.#rest[from]);
      this.#rest[from] = '';
    }
  }

  /** A line of standard error, raw or captured by the runtime inside. */
  noteError(text: string): void {
    if (CRASH.test(text)) this.#crash = text.slice(0, LAST_WORDS_CHARS_MAX);
    else if (text.trim() !== '') this.#lastError = text.slice(0, LAST_WORDS_CHARS_MAX);
  }

  /** What was said was not said about the end: the process went on. */
  forgetErrors(): void {
    this.#crash = undefined;
    this.#lastError = undefined;
  }

  /**
   * What the process said before it ended: why its runtime gave up, or else its last line of standard error. The
   * latter may be about one call only: `alone` says that there is no other.
   */
  lastWords(alone: boolean): string | undefined {
    return this.#crash ?? (alone ? this.#lastError : undefined);
  }

  #emit(from: RawStream, text: string): void {
    if (from === 'stderr') this.noteError(text);
    if (from === 'stderr' && text.includes('JavaScript heap out of memory')) this.sawHeapExhaustion = true;
    this.#onLine(from, from === 'stderr' ? 'error' : 'info', text.slice(0, LINE_CHARS_MAX));
  }
}
