import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** A longer line is cut into several. */
const LINE_CHARS_MAX = 16 * 1024;
/** Its last lines, for the message of a start that failed. */
const LAST_LINES = 5;
/** Places of a stack, below the error in most languages: the log has them, and the message has no room. */
const STACK_LINE = /^\s+(?:from|at|File) /;
/** How long the program may take to end after SIGTERM. */
const END_MS = 2_000;
/** Processes of its tree whose memory is counted. */
const TREE_MAX = 256;

const { setTimeout, clearTimeout, setImmediate } = globalThis;

export interface ProgramOptions {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  onLine(text: string, toStderr: boolean): void;
  /** Once: it ended, or could not be started at all. */
  onEnd(end: ProgramEnd): void;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started. */
  readonly error: NodeJS.ErrnoException | undefined;
}

/** The author's program as a child process, and what it prints as lines. It inherits no descriptor but 0 to 2. */
export class Program {
  /** It has ended; what it wrote last may still be on its way. */
  hasExited = false;
  /** The last lines it wrote, but for those of stacks. */
  readonly lastLines: string[] = [];
  readonly #options: ProgramOptions;
  readonly #child: ChildProcess;
  readonly #rest = { stdout: '', stderr: '' };
  /** Processes with when they began, by which a number that is used again is told apart. */
  readonly #tree = new Map<number, string>();
  #ended = false;

  constructor(options: ProgramOptions) {
    this.#options = options;
    const { command, cwd, env } = options;
    const [file, ...args] = command;
    this.#child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const from of ['stdout', 'stderr'] as const) this.#readLines(from);
    this.#child.once('error', (error) => this.#end({ code: null, signal: null, error }));
    // Its last words come before this: `close` waits for the pipes, which a child of its own may hold open.
    this.#child.once('exit', (code, signal) => {
      this.hasExited = true;
      this.#killRest();
      const done = (): void => this.#end({ code, signal, error: undefined });
      this.#child.once('close', done);
      setTimeout(done, 200).unref();
    });
  }

  /** Resolves when everything that it wrote before now has been read. */
  outputRead(): Promise<void> {
    // What lies in the pipes is read in the next turn of the event loop; the one after is for a second piece.
    return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }

  /** Asks it to end, and ends it if it does not. Resolves when it has ended. */
  stop(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#lookAtTree();
    return new Promise((resolve) => {
      const force = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
      this.#child.once('exit', () => {
        clearTimeout(force);
        resolve();
      });
      this.#child.kill('SIGTERM');
    });
  }

  /** The highest resident memory of it and its children, together, in KiB; where the kernel tells (Linux). */
  peakKb(): number {
    this.#lookAtTree();
    let sum = 0;
    for (const pid of this.#tree.keys()) sum += peakOf(pid);
    return sum;
  }

  /** Notes the processes that it has started, as long as they can be found below it. */
  #lookAtTree(): void {
    const open = this.#child.pid === undefined ? [] : [this.#child.pid];
    this.#tree.clear();
    for (let at = 0; at < open.length && at < TREE_MAX; at += 1) {
      const pid = open[at]!;
      this.#tree.set(pid, birthOf(pid));
      open.push(...childrenOf(pid));
    }
  }

  /** Ends what it started and left behind, as far as it was seen; the sandbox ends the rest. */
  #killRest(): void {
    for (const [pid, birth] of this.#tree) {
      if (pid === this.#child.pid || birth === '' || birthOf(pid) !== birth) continue;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }

  #end(end: ProgramEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const from of ['stdout', 'stderr'] as const) {
      if (this.#rest[from] !== '') this.#line(this.#rest[from], from);
      this.#rest[from] = '';
    }
    this.#options.onEnd(end);
  }

  #readLines(from: 'stdout' | 'stderr'): void {
    const decoder = new StringDecoder('utf8');
    this.#child[from]!.on('data', (chunk: Buffer) => {
      const lines = (this.#rest[from] + decoder.write(chunk)).split('\n');
      let rest = lines.pop()!;
      for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line, from);
      for (; rest.length > LINE_CHARS_MAX; rest = rest.slice(LINE_CHARS_MAX))
        this.#line(rest.slice(0, LINE_CHARS_MAX), from);
      this.#rest[from] = rest;
    });
  }

  #line(text: string, from: 'stdout' | 'stderr'): void {
    for (let at = 0; at === 0 || at < text.length; at += LINE_CHARS_MAX) {
      const line = text.slice(at, at + LINE_CHARS_MAX);
      if (!STACK_LINE.test(line)) this.lastLines.push(line);
      if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
      this.#options.onLine(line, from === 'stderr');
    }
  }
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** When a process began, in ticks since the machine did; empty when there is none. */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
