import type { Clock } from '../base/clock.ts';

/** Where text goes. */
export interface TextSink {
  write(text: string): void;
  /** A person reads along: colours and progress make sense. */
  readonly isTerminal: boolean;
  /** Width in characters; 80 when nobody knows. */
  readonly columns: number;
}

/** Everything a command sees of the world around it, so that tests can stand in for it. */
export interface Terminal {
  /** For results. */
  readonly out: TextSink;
  /** For progress, warnings and errors. */
  readonly err: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path of the present folder. */
  readonly cwd: string;
  /** Absolute path of the user's home folder. */
  readonly home: string;
  readonly clock: Clock;
  readonly stdinIsTerminal: boolean;
  stdin(): AsyncIterable<Uint8Array>;
  /**
   * From now on Ctrl-C, SIGTERM and SIGHUP abort this signal instead of ending the process; a second Ctrl-C
   * ends it at once. For commands that have something to finish.
   */
  catchInterrupts(): AbortSignal;
}

/** Resolves when the signal is aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
