import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { type ErrorCode, LambentError } from '../../base/errors.ts';

/** How much of a tool's output is told when it fails, and while it runs. */
const TAIL_LINES = 20;
const LINES_TOLD_MAX = 200;
const LINE_CHARS_MAX = 500;
/** Where `setpriv` exists, the kernel ends the tool should the platform be killed. */
const SETPRIV = '/usr/bin/setpriv';
/**
 * What of the platform's environment every tool gets: how to find programs and to reach the network. Nothing of the
 * platform's own, and no secrets.
 */
const ENV_PASSED =
  /^(PATH|HOME|USERPROFILE|APPDATA|LANG|LC_ALL|TMPDIR|TEMP|TMP|SystemRoot|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_FILE|SSL_CERT_DIR)$/i;

export interface ToolRun {
  /** Absolute path of the program, and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** Names of further variables that this tool gets from the platform's environment: its own settings. */
  readonly envPassed?: RegExp;
  /** Variables beside those. */
  readonly env?: Readonly<Record<string, string>>;
  /** Given to the tool on its standard input. */
  readonly input?: string;
  readonly clock: Clock;
  readonly msMax: number;
  /** Each line of its output, while it runs; standard output too unless `collect` is set. */
  readonly onLine: (text: string) => void;
  /** Keeps standard output, at most this many characters, as the result. */
  readonly collectChars?: number;
  /** Gives it up, with `E_SHUTTING_DOWN`. */
  readonly signal: AbortSignal | undefined;
  /** What a failure is: its code, how the tool is called in the message, and what to do. */
  readonly failure: { readonly code: ErrorCode; readonly title: string; readonly hint: string };
}

/**
 * Runs a program that builds need, in a process group of its own, with a clean environment, a time limit and its
 * output passed on line by line. Resolves with what `collectChars` asks for. Rejects with the given code and the end
 * of the output.
 */
export function runTool(run: ToolRun): Promise<string> {
  const { clock, onLine, msMax, signal, failure, collectChars = 0 } = run;
  if (signal?.aborted) return Promise.reject(stopping(failure.title));
  const tail: string[] = [];
  let told = 0;
  const take = (line: string): void => {
    const text = line.trimEnd().slice(0, LINE_CHARS_MAX);
    if (text === '') return;
    tail.push(text);
    if (tail.length > TAIL_LINES) tail.shift();
    told += 1;
    if (told <= LINES_TOLD_MAX) onLine(text);
  };
  return new Promise((resolve, reject) => {
    const child = start(run);
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Already gone.
      }
    };
    const timer = clock.after(msMax, () => {
      take(`stopped after ${msMax} ms`);
      kill();
    });
    signal?.addEventListener('abort', kill);
    const settle = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', kill);
    };
    const fail = (how: string): void => {
      settle();
      if (signal?.aborted) reject(stopping(failure.title));
      const message = `\`${failure.title}\` failed (${how}):\n${tail.join('\n')}`;
      reject(new LambentError(failure.code, message, { hint: failure.hint, details: { output: tail } }));
    };
    let collected = '';
    if (collectChars === 0) splitLines(child.stdout, take);
    else
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        collected += text;
        if (collected.length > collectChars) {
          take(`it wrote more than ${collectChars} characters`);
          kill();
        }
      });
    splitLines(child.stderr, take);
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, endedBy) => {
      settle();
      if (code === 0) resolve(collected);
      else fail(endedBy ?? `exit code ${code}`);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(run.input ?? '');
  });
}

function start({ command, cwd, env, envPassed }: ToolRun) {
  const passed = Object.entries(process.env).filter(
    ([name]) => ENV_PASSED.test(name) || envPassed?.test(name) === true,
  );
  const [program, ...args] = existsSync(SETPRIV)
    ? ([SETPRIV, '--pdeathsig', 'KILL', '--', ...command] as const)
    : command;
  return spawn(program, args, {
    cwd,
    env: { ...Object.fromEntries(passed), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
}

function stopping(title: string): LambentError {
  return new LambentError('E_SHUTTING_DOWN', `the platform is stopping; \`${title}\` was given up`);
}

function splitLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    // A line without end must not grow without end.
    rest = lines.pop()!.slice(-LINE_CHARS_MAX * 4);
    for (const line of lines) onLine(line);
  });
  stream.on('end', () => onLine(rest));
}

/** The absolute path of a program on the PATH. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const candidate = join(folder, name);
    if (isProgram(candidate)) return candidate;
  }
  return undefined;
}

/** Whether a file is there that may be run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
