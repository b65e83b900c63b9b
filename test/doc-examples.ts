/**
 * The examples of a document, run as a reader would: in order, in an empty folder, against a real platform.
 *
 * A fenced block takes part when the word `test` follows its language (readers do not see it):
 *
 * - `console test`: each line that begins with `$ ` is run by a shell; the lines below it are what it prints.
 *   `…` stands for anything; a command without lines below it may print what it likes.
 * - `console test server`: its one command keeps running until the document ends.
 * - `ts test FILE` (any language): the block is the content of that file.
 *
 * `localhost:5262` stands for the port at hand. A `curl` is tried again until it prints what the document says,
 * because a saved file takes a moment to be served.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GO_CACHES } from '../sdk/go/test-go.ts';
import { freePort } from './broker-servers.ts';
import { noteProgram } from './started-programs.ts';

export interface DocBlock {
  readonly kind: 'commands' | 'server' | 'file';
  /** Of the opening fence. */
  readonly line: number;
  readonly text: string;
  /** Of `file`. */
  readonly path: string;
}

export interface DocCommand {
  readonly command: string;
  /** `undefined`: whatever it prints is right. */
  readonly prints: string | undefined;
}

const BIN = fileURLToPath(new URL('../bin/lambent.js', import.meta.url));
const COMMAND_MS = 60_000;
const RETRY_MS = 15_000;
const PAUSE_MS = 50;
const STOP_MS = 8_000;

export function readDocBlocks(markdown: string): DocBlock[] {
  const blocks: DocBlock[] = [];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const fence = /^```(\S*)(.*)$/.exec(lines[at]!);
    if (fence === null) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`the block at line ${at + 1} has no end`);
    const [mark, argument = ''] = fence[2]!.trim().split(/\s+/);
    if (mark === 'test') {
      const kind = fence[1] !== 'console' ? 'file' : argument === 'server' ? 'server' : 'commands';
      if (kind === 'file' && argument === '') throw new Error(`the block at line ${at + 1} names no file`);
      blocks.push({ kind, line: at + 1, text: lines.slice(at + 1, end).join('\n'), path: argument });
    }
    at = end;
  }
  return blocks;
}

export function readDocCommands(text: string): DocCommand[] {
  const commands: { command: string; prints: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('$ ')) commands.push({ command: line.slice(2), prints: [] });
    else if (line.startsWith('> ') && commands.at(-1)?.prints.length === 0)
      commands.at(-1)!.command += `\n${line.slice(2)}`;
    else commands.at(-1)?.prints.push(line);
  }
  return commands.map(({ command, prints }) => ({
    command,
    prints: prints.join('\n').trim() === '' ? undefined : prints.join('\n'),
  }));
}

/** Whether a command printed what the document says. */
export function isAsPrinted(prints: string, output: string): boolean {
  const tidy = (text: string): string => text.replaceAll(/[ \t\r]+$/gm, '').trim();
  const pattern = tidy(prints)
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[\\s\\S]*');
  return new RegExp(`^${pattern}$`).test(tidy(output));
}

/** One document's folder, servers and environment. */
export class DocRun {
  readonly #folder: string;
  readonly #port: number;
  readonly #env: Record<string, string | undefined>;
  readonly #servers: ChildProcess[] = [];

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    this.#env = {
      ...process.env,
      ...GO_CACHES,
      PATH: `${join(folder, '.bin')}:${process.env.PATH}`,
      HOME: join(folder, '.home'),
      LAMBENT_PORT: String(port),
      LAMBENT_URL: `http://localhost:${port}`,
      LAMBENT_TOKEN: undefined,
      // The machine that runs the examples may be one that cannot isolate.
      LAMBENT_ACCEPT_ISOLATION: 'E',
      LAMBENT_DATA: undefined,
      NO_COLOR: '1',
      FORCE_COLOR: undefined,
      NODE_TEST_CONTEXT: undefined,
      TZ: 'UTC',
    };
  }

  static async begin(): Promise<DocRun> {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-docs-'));
    const run = new DocRun(folder, await freePort());
    await mkdir(join(folder, '.home'));
    await mkdir(join(folder, '.bin'));
    const lambent = `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`;
    const npx = '#!/bin/sh\n[ "$1" = lambent ] || { echo "only npx lambent is known here" >&2; exit 1; }\n';
    await writeProgram(join(folder, '.bin/lambent'), lambent);
    await writeProgram(join(folder, '.bin/npx'), `${npx}shift\nexec lambent "$@"\n`);
    return run;
  }

  /** Stops the servers as a supervisor would, and fails when one has to be killed. */
  async end(): Promise<void> {
    let killed = false;
    for (const server of this.#servers) {
      if (server.exitCode === null && server.signalCode === null) {
        const exited = once(server, 'exit');
        const late = setTimeout(() => {
          killed = true;
          stopGroup(server, 'SIGKILL');
        }, STOP_MS);
        server.kill('SIGTERM');
        await exited;
        clearTimeout(late);
      }
      stopGroup(server, 'SIGKILL');
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    if (killed) throw new Error(`the platform did not stop within ${STOP_MS / 1000} s of SIGTERM`);
  }

  async follow(block: DocBlock): Promise<void> {
    const text = block.text.replaceAll('localhost:5262', `localhost:${this.#port}`);
    if (block.kind === 'file') {
      const path = join(this.#folder, block.path);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `${text}\n`);
      return;
    }
    for (const command of readDocCommands(text)) {
      if (block.kind === 'server') await this.#serve(command.command);
      else await this.#check(command);
    }
  }

  async #check({ command, prints }: DocCommand): Promise<void> {
    const endMs = performance.now() + (command.startsWith('curl ') ? RETRY_MS : 0);
    for (;;) {
      const { code, output, errors } = await this.#run(command);
      const good = code === 0 && (prints === undefined || isAsPrinted(prints, output));
      if (good) return;
      if (performance.now() >= endMs) {
        throw new Error(
          `$ ${command}\nended with ${code} and printed\n${output}\n${errors}\nwanted\n${prints ?? '(anything, and 0)'}`,
        );
      }
      await sleep(PAUSE_MS);
    }
  }

  async #run(command: string): Promise<{ code: number | null; output: string; errors: string }> {
    const child = spawn('sh', ['-c', command], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
    });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output, errors };
  }

  /** Starts a command that stays, and waits until the platform answers. */
  async #serve(command: string): Promise<void> {
    const server = spawn('sh', ['-c', `exec ${command}`], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#servers.push(server);
    let output = '';
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk;
      });
    }
    noteProgram(server, { output: () => output, kill: () => stopGroup(server, 'SIGKILL') });
    const endMs = performance.now() + COMMAND_MS;
    // `start` shows its token on its first start, a moment after it answers.
    const isShown = (): boolean => !/\bstart\b/.test(command) || output.includes('LAMBENT_TOKEN=');
    while (!(await isHealthy(this.#port)) || !isShown()) {
      if (server.exitCode !== null || performance.now() > endMs) {
        throw new Error(`$ ${command}\ndoes not serve; it printed\n${output}`);
      }
      await sleep(PAUSE_MS);
    }
    // `start` shows its token once: a reader would keep it in this variable.
    this.#env.LAMBENT_TOKEN = /LAMBENT_TOKEN=(\S+)/.exec(output)?.[1];
  }
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/_lambent/api/v1/health`)).ok;
  } catch {
    return false;
  }
}

async function writeProgram(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

function stopGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}
