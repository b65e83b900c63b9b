import type { Clock } from '../base/clock.ts';
import type { InvocationId } from '../base/ids.ts';
import type { LogSeverity, LogStream } from '../model/invocation.ts';
import type { InstanceLogLine } from './instance-messages.ts';
import { LogAllowance } from './log-allowance.ts';
import { OutputLines } from './output-lines.ts';

/** Log lines kept in a second: twice what the runtime inside lets through, and of raw output. */
const LINES_MAX = 10_000;
const LINE_CHARS_MAX = 8 * 1024 * 1024;
const RAW_LINES_MAX = 2_000;

export interface OutputHost {
  readonly clock: Clock;
  log(
    invocation: InvocationId | undefined,
    from: LogStream,
    severity: LogSeverity,
    timeMs: number,
    text: string,
  ): void;
  /** The running invocation, if there is exactly one: raw output belongs to it. */
  onlyInvocation(): InvocationId | undefined;
}

/** What an instance prints, by way of its runtime or past it, as lines of a log, and how much of it is kept. */
export class InstanceOutput {
  readonly #host: OutputHost;
  readonly #lines: OutputLines;
  readonly #told: LogAllowance;
  readonly #raw: LogAllowance;

  constructor(host: OutputHost) {
    this.#host = host;
    this.#told = this.#allowance(LINES_MAX);
    this.#raw = this.#allowance(RAW_LINES_MAX);
    this.#lines = new OutputLines((from, severity, text) => {
      if (this.#raw.admit(text.length))
        host.log(host.onlyInvocation(), from, severity, host.clock.nowMs(), text);
    });
  }

  get sawHeapExhaustion(): boolean {
    return this.#lines.sawHeapExhaustion;
  }

  /** A piece of what the process wrote to a descriptor of its own. */
  push(from: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#lines.push(from, chunk);
  }

  /** A line that its runtime sent. */
  line({ from, severity, timeMs, text }: InstanceLogLine, invocation: InvocationId | undefined): void {
    if (from === 'stderr') this.#lines.noteError(text);
    if (this.#told.admit(text.length)) this.#host.log(invocation, from, severity, timeMs, text);
  }

  /** Nothing more comes: what is unfinished is told now. */
  finish(): void {
    this.#lines.flush();
    this.#told.report();
    this.#raw.report();
  }

  /** What was said was not said about the end: the process went on. */
  forgetErrors(): void {
    this.#lines.forgetErrors();
  }

  /** See `OutputLines`. */
  lastWords(alone: boolean): string | undefined {
    return this.#lines.lastWords(alone);
  }

  #allowance(linesMax: number): LogAllowance {
    const { clock } = this.#host;
    return new LogAllowance(clock, linesMax, LINE_CHARS_MAX, (dropped) => {
      const text = `${dropped} log lines were dropped: the instance wrote more than ${linesMax} lines or 8 MiB a second`;
      this.#host.log(this.#host.onlyInvocation(), 'platform', 'warn', clock.nowMs(), text);
    });
  }
}
