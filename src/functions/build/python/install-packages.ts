import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../base/clock.ts';
import { LambentError } from '../../../base/errors.ts';
import type { BlobDigest } from '../../../model/function.ts';
import type { BlobStore } from '../../../ports/blob-store.ts';
import { refuseLinksOut } from '../copy-files.ts';
import type { AppSource } from '../language.ts';
import { runTool } from '../run-tool.ts';
import { pathsOf, type Python } from './find-python.ts';
import { type PipSettings, pipSettings } from './pip-settings.ts';

/** How long an installation may take, and reading what is to be installed. */
export const INSTALL_MS_MAX = 10 * 60_000;
const PLAN_MS_MAX = 30_000;
/** How much a list of requirements may hold, in characters. */
const PLAN_CHARS_MAX = 16 * 1024 * 1024;
const PLAN_PROGRAM = fileURLToPath(new URL('./plan_packages.py', import.meta.url));
/** pip's own settings that are passed on: where packages come from and how to reach them. */
const PIP_ENV =
  /^(PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CERT|PROXY|CACHE_DIR|CONFIG_FILE|DEFAULT_TIMEOUT|RETRIES)|XDG_CACHE_HOME|XDG_CONFIG_HOME)$/;
const NO_SETTINGS: PipSettings = { env: {}, registries: [], paths: [] };
/** Files that name packages; the first that is there counts. */
const LISTS = ['pylock.toml', 'uv.lock', 'requirements.txt', 'pyproject.toml'];
const SHOWN_CHARS = 200;

export interface InstallerOptions {
  readonly clock: Clock;
  readonly blobs: BlobStore;
  /** Where is noted which blob holds which packages; installations are made there. */
  readonly packagesDir: string;
}

interface PackagePlan {
  readonly lines: readonly string[];
  /** Further files of the app that count: wheels, constraints. */
  readonly files: readonly string[];
  /** The list is complete: nothing is to be resolved. */
  readonly locked: boolean;
  readonly refused?: string;
}

/** Installed packages of a function; equal ones are one blob. */
export interface InstalledPackages {
  readonly blob: BlobDigest;
  /** Absolute path. */
  readonly dir: string;
}

/**
 * Installs what requirements and lock files name: wheels only, so that nothing of them runs. The same packages for
 * the same Python are installed once and shared.
 */
export class PackageInstaller {
  readonly #options: InstallerOptions;
  readonly #underWay = new Map<string, Promise<InstalledPackages>>();
  readonly #withPip = new Map<string, Promise<unknown>>();

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** `undefined`: the function needs none. Rejects with `E_DEPENDENCIES_FAILED`, or `E_TOOLCHAIN_MISSING` without pip. */
  async install(python: Python, entry: string, source: AppSource): Promise<InstalledPackages | undefined> {
    const file = findList(source.folder, entry);
    if (file === undefined) return undefined;
    const plan = await this.#plan(python, file, source);
    if (plan.refused !== undefined)
      throw new LambentError('E_DEPENDENCIES_FAILED', plan.refused, {
        hint: 'Correct the line that the message names.',
      });
    if (plan.lines.every((line) => line.startsWith('-'))) return undefined;
    const digest = await digestOf(plan, python, source);
    const known = await this.#find(digest);
    if (known !== undefined) return known;
    await this.#checkPip(python, source.signal);
    let making = this.#underWay.get(digest);
    if (making === undefined) {
      making = this.#install(plan, file, digest, python, source).finally(() => this.#underWay.delete(digest));
      this.#underWay.set(digest, making);
    }
    return making;
  }

  async #plan(
    python: Python,
    file: string,
    { folder, allowScripts, signal, bench }: AppSource,
  ): Promise<PackagePlan> {
    const shown = [folder, dirname(PLAN_PROGRAM), ...pathsOf(python)];
    const text = await runTool({
      command: [python.program, '-I', '-S', PLAN_PROGRAM],
      cwd: folder,
      containing: (await bench())?.forTools({ readPaths: shown }),
      input: JSON.stringify({ folder, source: file, allowScripts }),
      clock: this.#options.clock,
      msMax: PLAN_MS_MAX,
      onLine: () => {},
      collectChars: PLAN_CHARS_MAX,
      signal,
      failure: {
        code: 'E_DEPENDENCIES_FAILED',
        title: 'reading the requirements',
        hint: 'Look at requirements.txt or the lock file.',
      },
    });
    return JSON.parse(text) as PackagePlan;
  }

  /** Asked once for each interpreter; one without pip may get it later. */
  #checkPip({ program, version }: Python, signal: AbortSignal): Promise<unknown> {
    let asked = this.#withPip.get(program);
    if (asked !== undefined) return asked;
    const minor = version.split('.').slice(0, 2).join('.');
    const isDebian = existsSync('/etc/debian_version') && program.startsWith('/usr/bin/');
    const command = isDebian ? 'apt-get install python3-pip' : `${program} -m ensurepip`;
    asked = runTool({
      command: [program, '-I', '-c', 'import pip'],
      cwd: '/',
      clock: this.#options.clock,
      msMax: PLAN_MS_MAX,
      onLine: () => {},
      signal,
      failure: {
        code: 'E_TOOLCHAIN_MISSING',
        title: `python${minor} -m pip`,
        hint: `Install pip: \`${command}\`.`,
      },
    });
    this.#withPip.set(program, asked);
    asked.catch(() => this.#withPip.delete(program));
    return asked;
  }

  async #find(digest: string): Promise<InstalledPackages | undefined> {
    const blob = await readFile(this.#notePath(digest), 'utf8').catch(() => undefined);
    if (blob === undefined) return undefined;
    const dir = await this.#options.blobs.locate(blob as BlobDigest);
    return dir === undefined ? undefined : { blob: blob as BlobDigest, dir };
  }

  #notePath(digest: string): string {
    return join(this.#options.packagesDir, `${digest}.blob`);
  }

  async #install(
    plan: PackagePlan,
    file: string,
    digest: string,
    python: Python,
    source: AppSource,
  ): Promise<InstalledPackages> {
    const { clock, blobs, packagesDir } = this.#options;
    await mkdir(packagesDir, { recursive: true, mode: 0o700 });
    const scratch = await mkdtemp(join(packagesDir, 'install-'));
    try {
      const target = join(scratch, 'packages');
      await mkdir(target);
      const list = join(scratch, 'requirements.txt');
      await writeFile(list, `${plan.lines.join('\n')}\n`);
      const startedMs = clock.monotonicMs();
      source.tell('install', `pip install -r ${file} (Python ${python.version})`);
      await this.#pip(plan.locked, file, python, list, target, source);
      if (source.allowScripts.length > 0) await refuseLinksOut(target);
      await compile(python, target, clock, source);
      source.tell('install', `packages installed in ${Math.round(clock.monotonicMs() - startedMs)} ms`);
      const blob = await blobs.adopt(target);
      const note = join(scratch, 'note');
      await writeFile(note, blob);
      await rename(note, this.#notePath(digest));
      return { blob, dir: (await blobs.locate(blob))! };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #pip(
    locked: boolean,
    file: string,
    python: Python,
    list: string,
    target: string,
    { folder, allowScripts, signal, tell, bench: openBench }: AppSource,
  ): Promise<void> {
    const { clock } = this.#options;
    const bench = await openBench();
    const runsCode = allowScripts.length > 0;
    const settings =
      bench === undefined ? NO_SETTINGS : await pipSettings(python, clock, { secrets: !runsCode });
    bench?.grant(settings.registries);
    const containing = {
      readPaths: [folder, list, ...settings.paths, ...pathsOf(python)],
      writeDirs: [target],
      network: true,
    };
    const args = [
      'install',
      '--target',
      target,
      '--only-binary',
      ':all:',
      ...allowScripts.flatMap((name) => ['--no-binary', name]),
      ...(locked ? ['--no-deps'] : []),
      '--no-compile',
      '--no-warn-conflicts',
      '--no-input',
      '--no-color',
      '--progress-bar',
      'off',
      '--disable-pip-version-check',
      '--requirement',
      list,
    ];
    await runTool({
      command: [python.program, '-I', '-m', 'pip', ...args],
      cwd: folder,
      envPassed: PIP_ENV,
      containing: runsCode ? bench?.forCode(containing) : bench?.forTools(containing),
      env: { ...settings.env, PIP_ROOT_USER_ACTION: 'ignore' },
      clock,
      msMax: INSTALL_MS_MAX,
      onLine: (line) => tell('install', line.replaceAll(list, file).trim().slice(0, SHOWN_CHARS)),
      signal,
      failure: {
        code: 'E_DEPENDENCIES_FAILED',
        title: `pip install --only-binary :all: -r ${file}`,
        hint: `Read what pip says above. A package without a wheel for Python ${python.version} on this machine can be built here if you name it in \`allowScripts\` of the manifest; that runs its author's code.`,
      },
    });
  }
}

/** The file that names a function's packages, relative to the app: beside the function, or else in the app's folder. */
function findList(folder: string, entry: string): string | undefined {
  const places = [...new Set([dirname(entry), '.'])];
  const paths = places.flatMap((place) => LISTS.map((name) => join(place, name)));
  return paths.find((path) => existsSync(join(folder, path)));
}

async function digestOf(plan: PackagePlan, python: Python, source: AppSource): Promise<string> {
  const minor = python.version.split('.').slice(0, 2).join('.');
  // What packages of an app had a hand in is for no other app, however alike it looks.
  const scripts = source.allowScripts.length === 0 ? '' : `${source.app} ${source.allowScripts.join(' ')}`;
  const hash = createHash('sha256').update(
    `python ${minor} ${process.platform} ${process.arch} ${scripts} ${plan.locked}\n`,
  );
  // Paths inside the app differ from upload to upload; what lies there counts.
  for (const line of plan.lines) hash.update(`${line.replaceAll(source.folder, '')}\n`);
  for (const path of plan.files) hash.update(await readFile(join(source.folder, path)));
  return `python-${hash.digest('hex').slice(0, 40)}`;
}

/** Compiled here, because the folder is read-only when it is used. */
async function compile(python: Python, target: string, clock: Clock, source: AppSource): Promise<void> {
  const bench = await source.bench();
  const failure = {
    code: 'E_DEPENDENCIES_FAILED',
    title: 'compileall',
    hint: 'Look at the output.',
  } as const;
  const options = ['-q', '-q', '-j', '0', '--invalidation-mode', 'unchecked-hash', '-s', target];
  await runTool({
    // Files that do not compile are common in packages (examples, templates): they are nobody's fault.
    command: [
      '/bin/sh',
      '-c',
      '"$@" || true',
      'compile',
      python.program,
      '-I',
      '-m',
      'compileall',
      ...options,
      target,
    ],
    cwd: target,
    containing: bench?.forTools({ readPaths: pathsOf(python), writeDirs: [target] }),
    clock,
    msMax: INSTALL_MS_MAX,
    onLine: () => {},
    signal: source.signal,
    failure,
  });
}
