import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import { findPythonLike, type Python } from '../functions/build/python/find-python.ts';
import { runTool } from '../functions/build/run-tool.ts';
import { bootMessageOf } from './boot-message.ts';
import type { RuntimeStart } from './runtime-start.ts';

/** What the language runtime itself takes is not counted against the function's memory. */
const RUNTIME_MB = 32;
const COMPILE_MS_MAX = 60_000;
const SOURCES = fileURLToPath(new URL('../../runtimes/python', import.meta.url));

/**
 * How an instance of a Python function is started: isolated from what is installed on the machine (`-I -S`), in UTF-8
 * whatever the locale, and with a traceback of each thread should native code crash.
 */
const FLAGS = ['-I', '-S', '-B', '-X', 'utf8', '-X', 'faulthandler'];

export function pythonRuntime(cacheDir: string, clock: Clock): RuntimeStart {
  const programs = new Map<string, Promise<string>>();
  return async ({ version, deployment, codeDir, packagesDir }) => {
    const python = await findOnce(version.runtimePin.replace(/^python /, ''));
    let program = programs.get(python.program);
    if (program === undefined) {
      program = compileRuntime(python, cacheDir, clock);
      programs.set(python.program, program);
      program.catch(() => programs.delete(python.program));
    }
    const runtimeDir = await program;
    const { memoryMb } = version.config;
    const spec = {
      command: [python.program, ...FLAGS, join(runtimeDir, 'main.py')],
      env: {},
      codeDir,
      readDirs: [runtimeDir, ...python.library, ...(packagesDir === undefined ? [] : [packagesDir])],
      memoryMb: memoryMb + RUNTIME_MB,
    };
    const boot = bootMessageOf(version, deployment, codeDir, {}, packagesDir);
    return { spec, boot, generic: true };
  };
}

/** What was found is looked for anew only when it is gone: a search of the whole path takes longer than most of a start. */
const found = new Map<string, Python>();

async function findOnce(version: string): Promise<Python> {
  const known = found.get(version);
  if (known !== undefined && existsSync(known.program)) return known;
  const python = await findPythonLike(version);
  found.set(version, python);
  return python;
}

/**
 * The runtime's sources with their compiled form, which loads twice as fast. Made once for each version of the sources
 * and of Python, and kept in the data folder.
 */
async function compileRuntime(python: Python, cacheDir: string, clock: Clock): Promise<string> {
  const folder = join(cacheDir, `python-${python.version}-${await digestSources()}`);
  if (existsSync(folder)) return folder;
  await mkdir(cacheDir, { recursive: true });
  const unfinished = await mkdtemp(`${folder}.unfinished-`);
  try {
    await cp(SOURCES, unfinished, { recursive: true, filter: (path) => !NOT_THE_RUNTIME.test(path) });
    await runTool({
      command: [
        python.program,
        '-I',
        '-m',
        'compileall',
        '-q',
        '--invalidation-mode',
        'unchecked-hash',
        unfinished,
      ],
      cwd: unfinished,
      clock,
      msMax: COMPILE_MS_MAX,
      onLine: () => {},
      signal: undefined,
      failure: {
        code: 'E_START_FAILED',
        title: 'compiling the runtime for Python',
        hint: `Try another Python than ${python.program}.`,
      },
    });
    // Inside a sandbox another user reads it.
    await chmod(unfinished, 0o755);
    await rename(unfinished, folder).catch((thrown: unknown) => {
      // Another start was faster: its result is as good.
      if (!existsSync(folder)) throw thrown;
    });
    return folder;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

const NOT_THE_RUNTIME = /\/(fixtures|__pycache__)(\/|$)|\.test\.[tj]s$/;

async function digestSources(): Promise<string> {
  const hash = createHash('sha256');
  const names = await readdir(join(SOURCES, '_lambent'), { recursive: true });
  for (const name of names.filter((each) => each.endsWith('.py')).sort())
    hash.update(`${name}\n`).update(await readFile(join(SOURCES, '_lambent', name)));
  return hash
    .update(await readFile(join(SOURCES, 'main.py')))
    .digest('hex')
    .slice(0, 16);
}
