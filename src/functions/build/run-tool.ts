import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { startContained } from './contained-tool.ts';
import type { ToolListener, ToolRun } from './tool-run.ts';

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
    let collected = '';
    let isOver = false;
    const settle = (): void => {
      isOver = true;
      timer.cancel();
      signal?.removeEventListener('abort', kill);
    };
    const fail = (how: string, faults: Partial<ToolRun['failure']> = {}): void => {
      settle();
      if (signal?.aborted) reject(stopping(failure.title));
      const { code, hint } = { ...failure, ...faults };
      const message = `\`${failure.title}\` failed (${how}):\n${tail.join('\n')}`;
      reject(new LambentError(code, message, { hint, details: { output: tail } }));
    };
    const stdout = collectChars === 0 ? new Lines(take) : undefined;
    const stderr = new Lines(take);
    const listener: ToolListener = {
      onStdout(text) {
        stdout?.add(text);
        if (stdout !== undefined) return;
        collected += text;
        if (collected.length > collectChars && !isOver) {
          take(`it wrote more than ${collectChars} characters`);
          kill();
        }
      },
      onStderr: (text) => stderr.add(text),
      onFailed: (how, faults) => fail(how, faults),
      onEnd(code, endedBy) {
        stdout?.end();
        stderr.end();
        if (code !== 0) fail(endedBy ?? `exit code ${code}`, { hint: hintOf(run) });
        else {
          settle();
          resolve(collected);
        }
      },
    };
    let kill = (): void => {};
    const timer = clock.after(msMax, () => {
      take(`stopped after ${msMax} ms`);
      kill();
    });
    kill = (run.containing === undefined ? startOnHost : startContained)(run, listener);
    signal?.addEventListener('abort', kill);
  });
}

/** Returns what ends it. */
function startOnHost({ command, cwd, env, envPassed, input }: ToolRun, listener: ToolListener): () => void {
  const passed = Object.entries(process.env).filter(
    ([name]) => ENV_PASSED.test(name) || envPassed?.test(name) === true,
  );
  const [program, ...args] = existsSync(SETPRIV)
    ? ([SETPRIV, '--pdeathsig', 'KILL', '--', ...command] as const)
    : command;
  const child = spawn(program, args, {
    cwd,
    env: { ...Object.fromEntries(passed), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => listener.onStdout(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => listener.onStderr(text));
  child.on('error', (error) => listener.onFailed(error.message));
  child.on('close', (code, endedBy) => listener.onEnd(code, endedBy));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  };
}

/** What is not there, a contained tool cannot tell from what it may not have. */
function hintOf({ containing, failure }: ToolRun): string {
  if (containing === undefined) return failure.hint;
  const network = containing.network ? 'public addresses and the registries of the platform' : 'no network';
  return `${failure.hint} It ran in a sandbox, where builds see the app, the machine's programs and ${network}, and nothing else (docs/isolation.md, "Builds").`;
}

function stopping(title: string): LambentError {
  return new LambentError('E_SHUTTING_DOWN', `the platform is stopping; \`${title}\` was given up`);
}

/** Cuts text into lines. */
class Lines {
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    // A line without end must not grow without end.
    this.#rest = lines.pop()!.slice(-LINE_CHARS_MAX * 4);
    for (const line of lines) this.#onLine(line);
  }

  end(): void {
    this.#onLine(this.#rest);
    this.#rest = '';
  }
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
