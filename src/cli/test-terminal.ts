import { type Clock, systemClock } from '../base/clock.ts';
import { runCli } from './run-cli.ts';
import type { Terminal, TextSink } from './terminal.ts';

/** For tests: a terminal whose output is kept, and which can be interrupted. */
export interface TestTerminal extends Terminal {
  readonly outText: () => string;
  readonly errText: () => string;
  /** Resolves once stdout holds `text`. */
  seen(text: string): Promise<void>;
  /** The first Ctrl-C. */
  interrupt(): void;
}

export interface TestTerminalOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly isTerminal?: boolean;
  readonly clock?: Clock;
}

export function createTestTerminal(options: TestTerminalOptions = {}): TestTerminal {
  const texts = { out: '', err: '' };
  const waiting = new Set<{ text: string; resolve: () => void }>();
  const controller = new AbortController();
  const sink = (name: 'out' | 'err'): TextSink => ({
    write(text) {
      texts[name] += text;
      for (const entry of waiting) {
        if (!texts.out.includes(entry.text)) continue;
        waiting.delete(entry);
        entry.resolve();
      }
    },
    isTerminal: options.isTerminal ?? false,
    columns: 80,
  });
  return {
    out: sink('out'),
    err: sink('err'),
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    home: '/nonexistent-home',
    clock: options.clock ?? systemClock,
    stdinIsTerminal: false,
    async *stdin() {
      yield Buffer.from(options.stdin ?? '');
    },
    catchInterrupts: () => controller.signal,
    outText: () => texts.out,
    errText: () => texts.err,
    seen: (text) =>
      new Promise((resolve) => {
        if (texts.out.includes(text)) resolve();
        else waiting.add({ text, resolve });
      }),
    interrupt: () => controller.abort(),
  };
}

export interface CliOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line to its end. */
export async function runForTest(
  args: readonly string[],
  options: TestTerminalOptions = {},
): Promise<CliOutcome> {
  const terminal = createTestTerminal(options);
  const code = await runCli(args, terminal);
  return { code, out: terminal.outText(), err: terminal.errText() };
}
