import { createHash, type Hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { AppName } from '../../model/function.ts';
import type { BuildBench } from './build-bench.ts';
import type { Containing } from './tool-run.ts';
import { isBelow, refuseLinksOut } from './copy-files.ts';
import { dropLeastUsed } from './drop-least-used.ts';
import { findProgram, runTool } from './run-tool.ts';

/** How long an installation may take. */
export const INSTALL_MS_MAX = 10 * 60_000;
/** How many installations are kept for later deploys; the least recently used go. */
export const INSTALLATIONS_KEPT = 20;
/** A question to npm, and its answer. */
const ASK_MS_MAX = 30_000;
const ANSWER_CHARS_MAX = 10_000;
/** The largest lock file, in bytes. */
const LOCK_BYTES_MAX = 32 * 1024 * 1024;
const NPM_QUIET = ['--no-audit', '--no-fund', '--no-progress'];
const LOCK_FILES = ['npm-shrinkwrap.json', 'package-lock.json'];
/** npm's own settings that are passed on from the platform's environment. */
const NPM_ENV =
  /^(NODE_EXTRA_CA_CERTS|npm_config_(registry|userconfig|globalconfig|cache|cafile|proxy|https_proxy|noproxy))$/i;
/** Settings of an app's .npmrc that say where packages come from. Others could make npm run programs, as `git` does. */
const NPMRC_KEPT =
  /^\s*((@[^:=\s]+:)?registry|\/\/[^=]*:(_authToken|_auth|username|_password|email)|legacy-peer-deps|strict-ssl|omit-lockfile-registry-resolved)\s*=/;

export interface InstallOptions {
  /** Absolute real path of the app's folder; it is only read. */
  readonly folder: string;
  /** Where installations are kept, each under the digest of what it was made from. */
  readonly cacheDir: string;
  readonly clock: Clock;
  /** Packages whose install scripts may run. */
  readonly allowScripts: readonly string[];
  readonly onLine: (text: string) => void;
  readonly installMsMax?: number;
  /** The app, and where its tools are contained, if they are. */
  readonly app: AppName;
  readonly bench: BuildBench | undefined;
  /** Gives the installation up, with `E_SHUTTING_DOWN`. */
  readonly signal?: AbortSignal;
}

/** Installations that are being made, so that two deploys of the same lock share one. */
const underWay = new Map<string, Promise<string>>();

/**
 * Installs an app's packages with `npm ci --ignore-scripts` into a copy, where the folder has a lock file of npm
 * and no node_modules. Returns the absolute path of the installed `node_modules`; `undefined` when there is
 * nothing to install. The same lock is installed once. Rejects with `E_DEPENDENCIES_FAILED`.
 */
export async function installDependencies(options: InstallOptions): Promise<string | undefined> {
  const { folder, cacheDir, onLine } = options;
  const lockFile = LOCK_FILES.find((name) => existsSync(join(folder, name)));
  if (lockFile === undefined || existsSync(join(folder, 'node_modules'))) return undefined;
  const plan = await planInstall(folder, lockFile, options);
  if (plan === undefined) return undefined;
  const target = join(cacheDir, plan.digest);
  const modulesDir = join(target, 'node_modules');
  if (existsSync(target)) {
    const now = new Date(options.clock.nowMs());
    await utimes(target, now, now);
    onLine('the packages of this lock file are installed already');
    return existsSync(modulesDir) ? modulesDir : undefined;
  }
  let making = underWay.get(target);
  if (making === undefined) {
    making = install(plan, target, options).finally(() => underWay.delete(target));
    underWay.set(target, making);
  }
  await making;
  return existsSync(modulesDir) ? modulesDir : undefined;
}

interface InstallPlan {
  readonly digest: string;
  readonly files: readonly string[];
  /** Folders and archives of the app that are its own packages: workspaces and `file:` dependencies. */
  readonly linked: readonly string[];
  readonly npmrc: string;
}

async function planInstall(
  folder: string,
  lockFile: string,
  { app, allowScripts }: InstallOptions,
): Promise<InstallPlan | undefined> {
  const lockPath = join(folder, lockFile);
  if ((await stat(lockPath)).size > LOCK_BYTES_MAX)
    throw new LambentError('E_DEPENDENCIES_FAILED', `${lockFile} is larger than ${LOCK_BYTES_MAX} bytes`);
  const lockText = await readFile(lockPath, 'utf8');
  const linked = linkedFolders(lockText, lockFile, folder);
  if (linked === undefined) return undefined;
  const files = ['package.json', lockFile].filter((name) => existsSync(join(folder, name)));
  if (!files.includes('package.json'))
    throw new LambentError('E_DEPENDENCIES_FAILED', `there is a ${lockFile}, but no package.json beside it`);
  const npmrc = existsSync(join(folder, '.npmrc')) ? await readFile(join(folder, '.npmrc'), 'utf8') : '';
  const kept = npmrc
    .split('\n')
    .filter((line) => NPMRC_KEPT.test(line))
    .join('\n');
  // What packages of an app had a hand in is for no other app, however alike it looks.
  const scripts = allowScripts.length === 0 ? '' : `${app} ${allowScripts.join(' ')}`;
  const hash = createHash('sha256').update(
    `${process.platform} ${process.arch} ${process.versions.modules} ${scripts}\n`,
  );
  for (const name of files) hash.update(await readFile(join(folder, name)));
  hash.update(`\n${kept}\n`);
  for (const path of linked) await hashFolder(hash, join(folder, path));
  return { digest: hash.digest('hex').slice(0, 40), files, linked, npmrc: kept };
}

/** What of the app the lock file installs from; `undefined`: the lock names no packages at all. */
function linkedFolders(lockText: string, lockFile: string, folder: string): string[] | undefined {
  let lock: unknown;
  try {
    lock = JSON.parse(lockText);
  } catch (thrown) {
    throw new LambentError('E_DEPENDENCIES_FAILED', `${lockFile} is not JSON: ${(thrown as Error).message}`);
  }
  const packages = isObject(lock) ? lock.packages : undefined;
  if (!isObject(packages))
    throw new LambentError('E_DEPENDENCIES_FAILED', `${lockFile} is of a version that is too old`, {
      hint: 'Run `npm install` with a recent npm to renew it.',
    });
  const linked: string[] = [];
  let count = 0;
  for (const [path, entry] of Object.entries(packages)) {
    if (path.includes('node_modules/')) count += 1;
    if (!isObject(entry) || typeof entry.resolved !== 'string') continue;
    if (entry.link !== true && !entry.resolved.startsWith('file:')) continue;
    const local = entry.resolved.replace(/^file:/, '');
    if (!isBelow(folder, join(folder, local)))
      throw new LambentError('E_DEPENDENCIES_FAILED', `the package at \`${local}\` lies outside of the app`, {
        hint: 'Install it in the folder before (`npm install`), or publish it.',
      });
    if (!existsSync(join(folder, local)))
      throw new LambentError('E_DEPENDENCIES_FAILED', `the package at \`${local}\` does not exist`);
    linked.push(local);
  }
  return count === 0 ? undefined : linked.toSorted();
}

async function hashFolder(hash: Hash, folder: string): Promise<void> {
  if ((await stat(folder)).isFile()) {
    hash.update(await readFile(folder));
    return;
  }
  for (const entry of (await readdir(folder, { withFileTypes: true })).toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (entry.name === 'node_modules') continue;
    hash.update(`${entry.name}\n`);
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await hashFolder(hash, path);
    else if (entry.isFile()) hash.update(await readFile(path));
  }
}

async function install(plan: InstallPlan, target: string, options: InstallOptions): Promise<string> {
  const { folder, cacheDir, clock, onLine } = options;
  await mkdir(cacheDir, { recursive: true });
  const scratch = await mkdtemp(join(cacheDir, 'install-'));
  try {
    for (const name of plan.files) await copyFile(join(folder, name), join(scratch, name));
    for (const path of plan.linked)
      await cp(join(folder, path), join(scratch, path), {
        recursive: true,
        filter: (source) => basename(source) !== 'node_modules',
      });
    if (plan.npmrc !== '') await writeFile(join(scratch, '.npmrc'), `${plan.npmrc}\n`);
    const startedMs = clock.monotonicMs();
    onLine('npm ci --ignore-scripts');
    const writeDirs = [scratch];
    const containing = options.bench?.forTools({ writeDirs, network: true });
    if (options.bench !== undefined) options.bench.grant([(await defaultRegistry(options)).trim()]);
    await runNpm(scratch, ['ci', ...NPM_QUIET, '--ignore-scripts'], options, containing);
    if (options.allowScripts.length > 0) {
      const named = options.allowScripts.filter((name) => existsSync(join(scratch, 'node_modules', name)));
      onLine(`npm rebuild ${named.join(' ')}`);
      const rebuild = ['rebuild', ...NPM_QUIET, '--ignore-scripts=false', '--', ...named];
      if (named.length > 0) await runNpm(scratch, rebuild, options, options.bench?.forCode({ writeDirs }));
      if (options.bench !== undefined) await refuseLinksOut(scratch);
    }
    onLine(`packages installed in ${Math.round(clock.monotonicMs() - startedMs)} ms`);
    await rename(scratch, target).catch((thrown: unknown) => {
      // Another platform process with the same folder was faster: its result is as good.
      if (!existsSync(target)) throw thrown;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  await dropLeastUsed(cacheDir, INSTALLATIONS_KEPT, (name) => !name.startsWith('install-'));
  return target;
}

/** The registry that npm asks where nothing is configured. Some networks answer by its name themselves. */
async function defaultRegistry({ clock, signal }: InstallOptions): Promise<string> {
  return runTool({
    command: [findNpm(), 'config', 'get', 'registry'],
    cwd: '/',
    clock,
    msMax: ASK_MS_MAX,
    onLine: () => {},
    collectChars: ANSWER_CHARS_MAX,
    signal,
    failure: { code: 'E_DEPENDENCIES_FAILED', title: 'npm config get registry', hint: 'Is npm whole?' },
  });
}

async function runNpm(
  cwd: string,
  args: readonly string[],
  options: InstallOptions,
  containing: Containing | undefined,
): Promise<void> {
  const { clock, onLine, installMsMax = INSTALL_MS_MAX, signal } = options;
  await runTool({
    command: [findNpm(), ...args],
    cwd,
    containing,
    envPassed: NPM_ENV,
    clock,
    msMax: installMsMax,
    onLine,
    signal,
    failure: {
      code: 'E_DEPENDENCIES_FAILED',
      title: `npm ${args[0]}${args[0] === 'ci' ? ' --ignore-scripts' : ''}`,
      hint: 'Run `npm ci --ignore-scripts` in the folder and read its output.',
    },
  });
}

function findNpm(): string {
  const npm = findProgram('npm');
  if (npm !== undefined) return npm;
  throw new LambentError(
    'E_DEPENDENCIES_FAILED',
    'there is no `npm` on the PATH to install the packages with',
    { hint: 'Install npm, or run `npm ci` in the folder yourself before deploying.' },
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
