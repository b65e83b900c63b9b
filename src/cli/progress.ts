import type { Timer } from '../base/clock.ts';
import type { Terminal } from './terminal.ts';

/** Nothing is shown before this: what is quick needs no progress. */
const SHOW_AFTER_MS = 1_000;
const FRAME_MS = 120;
const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

/** One line on stderr that says what is going on. Off a terminal it does nothing. */
export interface Progress {
  /** What it is doing now. */
  set(text: string): void;
  /** Writes a whole line that stays, above the progress. */
  line(text: string): void;
  /** Removes the line. */
  stop(): void;
}

export function startProgress(terminal: Terminal, text: string): Progress {
  const { err, clock } = terminal;
  if (!err.isTerminal || terminal.env.TERM === 'dumb') {
    return { set() {}, stop() {}, line: (line) => err.write(`${line}\n`) };
  }
  let current = text;
  let frame = 0;
  let shown = false;
  let ticker: Timer | undefined;
  const startedMs = clock.monotonicMs();
  const erase = (): void => {
    if (shown) err.write('\r\x1b[2K');
    shown = false;
  };
  const draw = (): void => {
    const seconds = Math.floor((clock.monotonicMs() - startedMs) / 1000);
    const line = `${FRAMES[frame % FRAMES.length]} ${current} (${seconds} s)`;
    frame += 1;
    err.write(`\r\x1b[2K${line.slice(0, Math.max(10, err.columns - 1))}`);
    shown = true;
  };
  const starter = clock.after(SHOW_AFTER_MS, () => {
    draw();
    ticker = clock.every(FRAME_MS, draw);
  });
  return {
    set(next) {
      current = next;
    },
    line(line) {
      erase();
      err.write(`${line}\n`);
    },
    stop() {
      starter.cancel();
      ticker?.cancel();
      erase();
    },
  };
}

/** Shows `text` while `task` runs, if that takes more than a second. */
export async function withProgress<Result>(
  terminal: Terminal,
  text: string,
  task: (progress: Progress) => Promise<Result>,
): Promise<Result> {
  const progress = startProgress(terminal, text);
  try {
    return await task(progress);
  } finally {
    progress.stop();
  }
}
