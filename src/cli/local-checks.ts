import { access, constants } from 'node:fs/promises';
import { createServer } from 'node:net';
import { freemem, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { LANGUAGE_LOOKS } from '../functions/build/look-languages.ts';
import { bubblewrapCheck } from '../server/bubblewrap-check.ts';
import { checkDisk } from '../server/doctor-checks.ts';
import type { Check } from './api-views.ts';
import { readPinnedNode } from './package-facts.ts';
import { DEFAULT_PORT } from './platform-options.ts';
import type { Terminal } from './terminal.ts';

const MB = 1024 * 1024;
/** Below this a small platform with a few functions gets into trouble. */
const MEMORY_MB_MIN = 512;

/** What can be said about this machine without asking the platform. */
export async function checkMachine(terminal: Terminal, dataDir: string): Promise<Check[]> {
  return await Promise.all([
    checkNode(),
    checkSystem(),
    checkMemory(),
    checkDisk(dataDir),
    checkProgram(
      terminal,
      'npm',
      'installs the dependencies of apps',
      'It comes with Node.js; install it to deploy apps with dependencies.',
    ),
    bubblewrapCheck.run(),
    ...LANGUAGE_LOOKS.map((look) => look.run()),
  ]);
}

/** What can be said where no platform runs. */
export async function checkWithoutServer(terminal: Terminal, dataDir: string): Promise<Check[]> {
  const machine = await checkMachine(terminal, dataDir);
  return [...machine, await checkPort(DEFAULT_PORT)];
}

async function checkNode(): Promise<Check> {
  const pinnedNode = readPinnedNode();
  const name = 'node';
  if (process.versions.node === pinnedNode) {
    return { name, status: 'ok', text: `Node.js ${pinnedNode}, the one that Lambent is pinned to.` };
  }
  return {
    name,
    status: 'warn',
    text: `Node.js ${process.versions.node}; Lambent is tested with ${pinnedNode}.`,
    fix: 'Install again without --omit=optional, so that the pinned Node.js is there.',
  };
}

async function checkSystem(): Promise<Check> {
  const text = `${process.platform} on ${process.arch}.`;
  if (process.platform === 'linux' || process.platform === 'darwin')
    return { name: 'system', status: 'ok', text };
  return { name: 'system', status: 'fail', text, fix: 'Lambent runs on Linux and macOS.' };
}

async function checkMemory(): Promise<Check> {
  // On Linux this is what programs can have, with caches that would be given up.
  const availableMb = Math.round((process.availableMemory?.() ?? freemem()) / MB);
  const text = `${availableMb} MB of ${Math.round(totalmem() / MB)} MB of memory are available.`;
  if (availableMb >= MEMORY_MB_MIN) return { name: 'memory', status: 'ok', text };
  return {
    name: 'memory',
    status: 'warn',
    text,
    fix: `Each instance needs up to its limit; leave at least ${MEMORY_MB_MIN} MB.`,
  };
}

async function checkPort(port: number): Promise<Check> {
  const server = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
  if (error === undefined) return { name: 'port', status: 'ok', text: `Port ${port} is free.` };
  return {
    name: 'port',
    status: 'warn',
    text: `Port ${port} cannot be used (${error.code}).`,
    fix: 'Stop what listens there, or choose another with --port.',
  };
}

/** `fix` undefined: nothing needs it today, so that its absence is no fault. */
async function checkProgram(
  terminal: Terminal,
  program: string,
  use: string,
  fix: string | undefined,
): Promise<Check> {
  for (const folder of (terminal.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, program);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return { name: program, status: 'ok', text: `${path} ${use}.` };
  }
  const text = `There is no ${program} on the PATH; it ${use}.`;
  return fix === undefined
    ? { name: program, status: 'ok', text }
    : { name: program, status: 'warn', text, fix };
}
