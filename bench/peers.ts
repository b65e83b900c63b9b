/** The programs that Lambent races against, each answering the same hello over HTTP. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort, type Program, startProgram } from './program.ts';

export const BENCH_ROOT = fileURLToPath(new URL('./', import.meta.url));

export interface Contestant {
  readonly name: string;
  readonly origin: string;
  readonly path: string;
  readonly program: Program;
}

interface PeerPlan {
  readonly name: string;
  readonly path: string;
  /** The folder in fixtures/ it starts in. */
  readonly folder: string;
  command(port: number): Promise<string[]> | string[];
  readonly env?: Record<string, string>;
}

const inModules = (path: string): string => join(BENCH_ROOT, 'node_modules', path);

const PEERS: readonly PeerPlan[] = [
  {
    name: 'node:http',
    path: '/',
    folder: 'bare-node',
    command: (port) => [process.execPath, 'server.js', String(port)],
  },
  {
    name: 'workerd',
    path: '/',
    folder: 'workerd',
    command: (port) => [findWorkerd(), 'serve', 'config.capnp', `--socket-addr=http=127.0.0.1:${port}`],
  },
  {
    name: 'serverless-offline',
    path: '/hello',
    folder: 'serverless-offline',
    command: async (port) => [
      ...[process.execPath, inModules('osls/bin/serverless.js'), 'offline', 'start'],
      ...['--host', '127.0.0.1', '--httpPort', String(port), '--lambdaPort', String(await findFreePort())],
      // Its faster mode: by default each call gets a worker thread.
      '--useInProcess',
    ],
    env: { SLS_TELEMETRY_DISABLED: '1', SLS_NOTIFICATIONS_MODE: 'off' },
  },
  {
    name: 'functions-framework',
    path: '/',
    folder: 'functions-framework',
    command: (port) => [
      ...[process.execPath, inModules('@google-cloud/functions-framework/build/src/main.js')],
      ...['--target=hello', `--port=${port}`, '--host=127.0.0.1'],
    ],
  },
];

export async function startPeers(): Promise<Contestant[]> {
  const started: Contestant[] = [];
  try {
    for (const peer of PEERS) started.push(await startPeer(peer));
  } catch (error) {
    await Promise.all(started.map((contestant) => contestant.program.stop()));
    throw error;
  }
  return started;
}

async function startPeer(peer: PeerPlan): Promise<Contestant> {
  const port = await findFreePort();
  const origin = `http://127.0.0.1:${port}`;
  const program = await startProgram({
    command: await peer.command(port),
    cwd: join(BENCH_ROOT, 'fixtures', peer.folder),
    readyUrl: `${origin}${peer.path}`,
    ...(peer.env === undefined ? {} : { env: peer.env }),
  });
  return { name: peer.name, origin, path: peer.path, program };
}

/** workerd's own package would fetch its program in an install script; the program is a package too, one a system. */
function findWorkerd(): string {
  const system = `${process.platform}-${process.arch === 'x64' ? '64' : process.arch}`;
  const require = createRequire(inModules('workerd/package.json'));
  return join(dirname(require.resolve(`@cloudflare/workerd-${system}/package.json`)), 'bin', 'workerd');
}

/** Installs what bench/package-lock.json names, once for each state of that file. No install script runs. */
export function installPeers(): void {
  const lock = readFileSync(join(BENCH_ROOT, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  const mark = inModules('.installed-from');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === digest) return;
  console.log('installing the peers (bench/package-lock.json) …');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-progress'], {
    cwd: BENCH_ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 600_000,
  });
  if (status !== 0) throw new Error('the peers could not be installed; npm says why above');
  writeFileSync(mark, digest);
}
