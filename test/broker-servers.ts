/** Message brokers as private servers of one test: their own folder and port, nothing of the machine's. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { delimiter, isAbsolute, join } from 'node:path';
import { poll } from './process-table.ts';
import { noteProgram } from './started-programs.ts';

export interface BrokerProgram {
  readonly program: string;
  /** The Debian package that brings it. */
  readonly debian: string;
  readonly args: (folder: string, port: number) => readonly string[];
  readonly env?: (folder: string, port: number) => Record<string, string>;
  readonly prepare?: (folder: string, port: number) => Promise<void>;
  /** Runs from before the first start until the end, also while the server is killed. */
  readonly companion?: (port: number) => { readonly program: string; readonly args: readonly string[] };
}

/** Redis that has on its disk what it answered to. */
export const REDIS: BrokerProgram = {
  ...{ program: 'redis-server', debian: 'redis-server' },
  args: (folder, port) => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    ...['--appendonly', 'yes', '--appendfsync', 'always', '--requirepass', 'right-password'],
  ],
};

export const NATS: BrokerProgram = {
  ...{ program: 'nats-server', debian: 'nats-server' },
  args: (folder) => ['--config', join(folder, 'nats.conf')],
  prepare: (folder, port) =>
    writeFile(
      join(folder, 'nats.conf'),
      `listen: "127.0.0.1:${port}"\nmax_payload: 4MB\njetstream { store_dir: "${folder}/store" }\n` +
        'authorization { user: lambent, password: right-password }\n',
    ),
};

/** `access`: lines that say who may do what. */
export function mosquitto(access: (folder: string) => Promise<readonly string[]>): BrokerProgram {
  return {
    ...{ program: 'mosquitto', debian: 'mosquitto' },
    async prepare(folder, port) {
      const lines = [
        // Started by root it would become another user, who may not write here.
        ...['user root', `listener ${port} 127.0.0.1`, ...(await access(folder))],
        // By default it drops what a client that is away has not had, beyond a thousand messages.
        'max_queued_messages 0',
        ...['persistence true', `persistence_location ${folder}/`],
        ...['autosave_on_changes true', 'autosave_interval 1'],
      ];
      await writeFile(join(folder, 'mosquitto.conf'), lines.join('\n'));
    },
    args: (folder) => ['-c', join(folder, 'mosquitto.conf')],
  };
}

/** Where Debian's servers are, which a user's PATH may lack. */
const PATHS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** Why a test of this broker cannot run here; `false`: it can. */
export async function missing({ program, debian }: BrokerProgram): Promise<string | false> {
  for (const folder of isAbsolute(program) ? ['/'] : PATHS)
    if (
      await access(join(folder, program)).then(
        () => true,
        () => false,
      )
    )
      return false;
  return `there is no ${program}: apt-get install ${debian}`;
}

/**
 * Below the ports that systems hand out by themselves, for connections too: nobody is given the port of a server that is
 * killed and started again, or of one that takes long to start. `NAMES_PORT_STEP` above each is one more.
 */
const PORT_FIRST = 12_000;
const PORTS = 10_000;
export const NAMES_PORT_STEP = PORTS;
const PORT_TRIES_MAX = 100;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = PORT_FIRST + randomInt(PORTS);
    if (await isFree(port)) return port;
  }
  throw new Error(`${PORT_TRIES_MAX} ports between ${PORT_FIRST} and ${PORT_FIRST + PORTS} are in use`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

export class BrokerServer {
  readonly folder: string;
  readonly port: number;
  readonly #program: BrokerProgram;
  #child: ChildProcess | undefined;
  #companion: ChildProcess | undefined;

  private constructor(folder: string, port: number, program: BrokerProgram) {
    this.folder = folder;
    this.port = port;
    this.#program = program;
  }

  static async start(program: BrokerProgram): Promise<BrokerServer> {
    const folder = await mkdtemp('/tmp/lambent-broker-');
    const port = await freePort();
    await program.prepare?.(folder, port);
    const server = new BrokerServer(folder, port, program);
    const companion = program.companion?.(port);
    if (companion !== undefined) {
      const child = spawn(companion.program, companion.args, { cwd: folder, stdio: 'ignore' });
      noteProgram(child, { output: () => '', kill: () => child.kill('SIGKILL') });
      server.#companion = child;
    }
    await server.open();
    return server;
  }

  async open(): Promise<void> {
    const { program, args, env } = this.#program;
    let output = '';
    const child = spawn(program, args(this.folder, this.port), {
      cwd: this.folder,
      // A group of its own: some of these programs are shell scripts around the server.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: PATHS.join(delimiter), ...env?.(this.folder, this.port) },
    });
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-4_000);
      });
    noteProgram(child, { output: () => output, kill: () => killGroup(child, 'SIGKILL') });
    this.#child = child;
    await poll(
      async () => {
        assert.equal(child.exitCode, null, output);
        return isListening(this.port);
      },
      () => output,
    );
  }

  /** Of the server and of all that it started; `SIGTERM` lets it write what it has not yet. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    killGroup(child, signal);
    await ended;
    await poll(async () => !(await isListening(this.port)));
  }

  async remove(): Promise<void> {
    await this.kill();
    this.#companion?.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
