/** PostgreSQL as a private cluster of one test: its own folder, its own socket, nothing of the machine's. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { poll } from './process-table.ts';
import { noteProgram } from './started-programs.ts';
import { userOf } from './system-user.ts';
import type { Writer } from './table-writer.ts';

const run = promisify(execFile);
const VERSIONS = '/usr/lib/postgresql';
const VERSION_MIN = 15;
/** The user of Debian's package: PostgreSQL does not run as root. */
const USER = 'postgres';

/** Where Debian's newest PostgreSQL is; `undefined`: there is none. */
export async function findPostgres(): Promise<string | undefined> {
  const versions = await readdir(VERSIONS).catch(() => []);
  const newest = versions
    .map(Number)
    .filter((version) => version >= VERSION_MIN)
    .toSorted((a, b) => b - a)[0];
  if (newest === undefined) return undefined;
  const folder = join(VERSIONS, String(newest), 'bin');
  return access(join(folder, 'postgres')).then(
    () => folder,
    () => undefined,
  );
}

export class PostgresCluster {
  readonly folder: string;
  readonly #programs: string;
  readonly #as: { readonly uid?: number; readonly gid?: number };
  readonly #port: number | undefined;
  #server: ChildProcess | undefined;

  private constructor(folder: string, programs: string, as: { uid?: number; gid?: number }, port?: number) {
    this.folder = folder;
    this.#programs = programs;
    this.#as = as;
    this.#port = port;
  }

  /** A new cluster that runs. `port`: it listens there as well, on this machine. */
  static async start(programs: string, port?: number): Promise<PostgresCluster> {
    const folder = await mkdtemp('/tmp/lambent-pg-');
    const as = process.getuid?.() === 0 ? await userOf(USER) : undefined;
    if (as !== undefined) await chown(folder, as.uid, as.gid);
    const cluster = new PostgresCluster(folder, programs, as ?? {}, port);
    await run(
      join(programs, 'initdb'),
      ['-D', join(folder, 'data'), '-U', 'owner', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
      { ...as, cwd: folder },
    );
    await cluster.open();
    return cluster;
  }

  /** Its address by the socket in its folder. */
  get url(): string {
    return `postgres://owner@/postgres?host=${encodeURIComponent(this.folder)}&port=${this.#port ?? 5432}`;
  }

  async open(settings: readonly string[] = []): Promise<void> {
    const given = [
      ...[`unix_socket_directories=${this.folder}`, 'wal_level=logical'],
      ...(this.#port === undefined
        ? ['listen_addresses=']
        : ['listen_addresses=127.0.0.1', `port=${this.#port}`]),
      ...['shared_buffers=16MB', 'max_wal_senders=20', 'max_replication_slots=20', ...settings],
    ];
    let output = '';
    const server = spawn(
      join(this.#programs, 'postgres'),
      ['-D', join(this.folder, 'data'), ...given.flatMap((setting) => ['-c', setting])],
      { ...this.#as, cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    server.stderr!.on('data', (chunk) => {
      output += chunk;
    });
    noteProgram(server, { output: () => output, kill: () => server.kill('SIGKILL') });
    this.#server = server;
    await poll(async () => {
      assert.equal(server.exitCode, null, output);
      return this.client().then(
        async (client) => {
          await client.end();
          return true;
        },
        () => false,
      );
    });
  }

  async client(database = 'postgres'): Promise<Client> {
    const client = new Client({ connectionString: this.url.replace('/postgres?', `/${database}?`) });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  /** A connection that changes rows. */
  async writer(): Promise<Writer> {
    const client = await this.client();
    return { write: async (sql) => void (await client.query(sql)), end: () => client.end() };
  }

  /** Runs statements on a connection of its own. */
  async sql(text: string): Promise<Record<string, unknown>[]> {
    const client = await this.client();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows ?? [];
    } finally {
      await client.end();
    }
  }

  query(text: string): Promise<Record<string, unknown>[]> {
    return this.sql(text);
  }

  /** SIGKILL of the postmaster; its children end when they see it gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
    const file = join(this.folder, 'data', 'postmaster.pid');
    const pid = Number((await readFile(file, 'utf8').catch(() => '0')).split('\n')[0]);
    assert.ok(pid > 0, 'a killed postmaster leaves its file');
    // Shared memory is in use until the last child has gone; the next start waits for that by failing before.
    await poll(async () => !(await childrenIn(this.folder)));
  }

  async stop(): Promise<void> {
    await this.#end('SIGINT');
  }

  async remove(): Promise<void> {
    await this.#end('SIGINT');
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill(signal);
    await ended;
  }
}

/** Whether any process works in this folder's data. */
async function childrenIn(folder: string): Promise<boolean> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
    if (cwd.startsWith(folder)) return true;
  }
  return false;
}
