/** PostgreSQL as a private server of one race: each commit is fsynced, as it comes. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findFreePort } from './program.ts';

export interface PostgresServer {
  /** Where its programs are. */
  readonly bin: string;
  readonly url: string;
  stop(): void;
}

/** A cluster of its own, with the server's defaults beside `settings`: each commit waits for the disk. */
export async function startPostgres(
  folder: string,
  settings: readonly string[] = [],
): Promise<PostgresServer> {
  await mkdir(folder, { recursive: true });
  const port = await findFreePort();
  const bin = spawnSync('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | tail -1'], {
    encoding: 'utf8',
  }).stdout.trim();
  // The server refuses to run as root.
  const asUser =
    process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  if (asUser.length > 0) {
    spawnSync('chown', ['postgres', folder]);
    chmodSync(join(folder, '..'), 0o755);
  }
  const call = (...command: string[]): void => {
    const [file, ...args] = [...asUser, ...command];
    const { status, stderr } = spawnSync(file!, args, {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${command[0]}: ${stderr}`);
  };
  const data = join(folder, 'data');
  call(join(bin, 'initdb'), '-D', data, '-A', 'trust', '-U', 'postgres');
  const own = [
    `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder}`,
    ...settings.map((setting) => `-c ${setting}`),
  ].join(' ');
  call(join(bin, 'pg_ctl'), '-D', data, '-w', '-l', join(folder, 'log'), '-o', own, 'start');
  return {
    bin,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: () => call(join(bin, 'pg_ctl'), '-D', data, '-m', 'immediate', 'stop'),
  };
}
