import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { systemClock } from '../../../base/clock.ts';
import { LambentError } from '../../../base/errors.ts';
import type { LanguageFinding } from '../language-finding.ts';
import { isProgram, runTool } from '../run-tool.ts';

/** The oldest Python that functions run on. */
const OLDEST: readonly [number, number] = [3, 9];
/** Names that are looked for, newest first; a version that comes out later is found as `python3`. */
const MINORS = [15, 14, 13, 12, 11, 10, 9];
const PROBE_MS_MAX = 10_000;
/** Interpreters that are asked for their version in one search. */
const CANDIDATES_MAX = 64;

const PROBE = `import sys, json, os
print(json.dumps({"version": "%d.%d.%d" % sys.version_info[:3], "program": os.path.realpath(sys.executable),
"library": [p for p in sys.path if os.path.isdir(p)], "implementation": sys.implementation.name}))`;

/** An interpreter on this machine. */
export interface Python {
  /** Absolute path of the program. */
  readonly program: string;
  /** `3.11.7`. */
  readonly version: string;
  /** The folders of its standard library: what a sandbox must show it. */
  readonly library: readonly string[];
}

/** What a sandbox must show for it to run. */
export function pathsOf({ program, library }: Python): string[] {
  const prefix = dirname(dirname(program));
  // With pip among its packages, and headers for packages that are compiled.
  const more = ['lib', 'include'].map((name) => join(prefix, name)).filter((path) => existsSync(path));
  return [program, ...library, ...more];
}

/** What each candidate said, by its path: asked once a process. `undefined`: it is no Python that can be used. */
const probes = new Map<string, Promise<Python | undefined>>();

/**
 * An interpreter for `wanted` (`3.12`, `3.12.1`; `undefined`: the machine's own `python3`, or else the newest). It is
 * looked for on the PATH, then among what pyenv and uv have installed. Rejects with `E_TOOLCHAIN_MISSING`.
 */
export async function findPython(wanted: string | undefined): Promise<Python> {
  const seen = new Set<string>();
  for (const candidate of candidates(wanted)) {
    if (seen.size >= CANDIDATES_MAX) break;
    if (seen.has(candidate)) continue;
    seen.add(candidate);
    const python = await probe(candidate);
    if (python !== undefined && fits(python.version, wanted)) return python;
  }
  throw missing(wanted);
}

/** The interpreter that an instance of an earlier build needs: the same minor version, whose packages' native code fits. */
export function findPythonLike(version: string): Promise<Python> {
  return findPython(version.split('.').slice(0, 2).join('.'));
}

/** For `lambent doctor`. */
export async function lookForPython(): Promise<LanguageFinding> {
  const name = 'language python';
  try {
    const { program, version } = await findPython(undefined);
    return { name, status: 'ok', text: `Functions in Python run on Python ${version} (${program}).` };
  } catch (thrown) {
    if (!(thrown instanceof LambentError)) throw thrown;
    return {
      name,
      status: 'warn',
      text: 'There is no Python 3.9 or newer; only functions in Python need it.',
      ...(thrown.hint === undefined ? {} : { fix: thrown.hint }),
    };
  }
}

function missing(wanted: string | undefined): LambentError {
  const what = wanted === undefined ? `${OLDEST.join('.')} or newer` : wanted;
  const command =
    wanted !== undefined
      ? `uv python install ${wanted}`
      : process.platform === 'darwin'
        ? 'brew install python'
        : 'apt-get install python3 python3-pip';
  return new LambentError('E_TOOLCHAIN_MISSING', `there is no Python ${what} on this machine`, {
    hint: `Install it: \`${command}\`${wanted === undefined ? '' : ' (or with pyenv), or change `runtime` in the manifest'}.`,
    details: { language: 'python', version: wanted },
  });
}

function fits(version: string, wanted: string | undefined): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== OLDEST[0] || minor < OLDEST[1]) return false;
  if (wanted === undefined) return true;
  return version === wanted || version.startsWith(`${wanted}.`);
}

function* candidates(wanted: string | undefined): Generator<string> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const minor = wanted?.split('.')[1];
  const names = [
    ...(minor === undefined ? [] : [`python3.${minor}`]),
    'python3',
    ...(minor === undefined ? MINORS.map((each) => `python3.${each}`) : []),
  ];
  for (const name of names) for (const folder of folders) yield join(folder, name);
  for (const folder of managedFolders()) yield join(folder, 'bin/python3');
}

/** Installations of pyenv and uv, the newest first. */
function managedFolders(): string[] {
  const home = process.env.HOME ?? homedir();
  const roots = [
    join(process.env.PYENV_ROOT ?? join(home, '.pyenv'), 'versions'),
    process.env.UV_PYTHON_INSTALL_DIR ??
      join(process.env.XDG_DATA_HOME ?? join(home, '.local/share'), 'uv/python'),
  ];
  return roots.flatMap((root) => namesIn(root).map((name) => join(root, name)));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort((left, right) => right.localeCompare(left, 'en', { numeric: true }));
  } catch {
    return [];
  }
}

function probe(candidate: string): Promise<Python | undefined> {
  let asked = probes.get(candidate);
  if (asked === undefined) {
    asked = ask(candidate).then((python) => {
      // One that is not there may be installed later.
      if (python === undefined) probes.delete(candidate);
      return python;
    });
    probes.set(candidate, asked);
  }
  return asked;
}

async function ask(candidate: string): Promise<Python | undefined> {
  if (!isProgram(candidate)) return undefined;
  try {
    const text = await runTool({
      command: [candidate, '-I', '-S', '-c', PROBE],
      cwd: '/',
      clock: systemClock,
      msMax: PROBE_MS_MAX,
      onLine: () => {},
      collectChars: 10_000,
      signal: undefined,
      failure: { code: 'E_TOOLCHAIN_MISSING', title: candidate, hint: '' },
    });
    const facts = JSON.parse(text) as Python & { readonly implementation: string };
    return facts.implementation === 'cpython' ? facts : undefined;
  } catch {
    return undefined;
  }
}
