import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { FUNCTION_NAME } from '../../model/function.ts';
import { LANGUAGES, runtimeOfEntry } from '../../model/languages.ts';
import type { FoundFunction } from '../../model/manifest.ts';

/** Files beside functions that are none: hidden ones, helpers (`_x.ts`), declarations, tests (also as Python names them). */
const NO_FUNCTION =
  /^[._]|\.d\.[mc]?ts$|\.(test|spec)\.[^.]+$|^test_.*\.py$|_test\.py$|^conftest\.py$|_test\.go$/;
const INDEX_FILES = LANGUAGES.flatMap(({ indexes }) => indexes);
/** The largest package.json, in bytes. */
const PACKAGE_JSON_BYTES_MAX = 1024 * 1024;

/**
 * The functions of a folder by convention: each code file in `functions/`, and each `functions/<name>/index.ts`
 * (or .js, main.py …: see model/languages.ts). `functions/hello.ts` answers at `/hello` and everything below, `functions/index.ts` at `/`
 * and everything that no other route takes. Durable workflows lie in `workflows/` in the same way. Names that begin with `_` or `.`, and tests, are left alone.
 */
export async function findFunctions(
  folder: string,
  within: 'functions' | 'workflows' = 'functions',
): Promise<FoundFunction[]> {
  const entries = await entriesOf(join(folder, within));
  const found = new Map<string, FoundFunction>();
  for (const entry of entries) {
    if (NO_FUNCTION.test(entry.name)) continue;
    const isFolder = entry.isDirectory();
    const file = isFolder ? await indexOf(join(folder, within, entry.name)) : entry.name;
    if (file === undefined || !isCode(file)) continue;
    const name = isFolder ? entry.name : entry.name.slice(0, -extname(entry.name).length);
    const path = isFolder ? `${within}/${name}/${file}` : `${within}/${file}`;
    if (!FUNCTION_NAME.test(name) || name === '__proto__')
      throw new LambentError(
        'E_MANIFEST_INVALID',
        `${path}: \`${name}\` is no name of a function: letters, digits, \`_\` and \`-\`, at most 64`,
        { hint: 'Rename it, or begin its name with `_` if it is no function.', details: { file: path } },
      );
    const before = found.get(name);
    if (before !== undefined)
      throw new LambentError(
        'E_MANIFEST_INVALID',
        `${before.entry} and ${path} are both the function \`${name}\``,
        {
          hint: 'Rename or remove one of them.',
          details: { file: path },
        },
      );
    found.set(name, { name, entry: path, path: name === 'index' ? '/' : `/${name}` });
  }
  return [...found.values()];
}

/** The one function of an app that is a single file: `index.ts` (or .js, main.py …), or `main` of its package.json. */
export async function findSingleFile(folder: string): Promise<FoundFunction | undefined> {
  const entry = (await indexOf(folder)) ?? (await mainOf(folder));
  return entry === undefined ? undefined : { name: 'index', entry, path: '/' };
}

async function mainOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
  if (text === undefined || text.length > PACKAGE_JSON_BYTES_MAX) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    throw new LambentError('E_MANIFEST_INVALID', `package.json is not JSON: ${(thrown as Error).message}`);
  }
  const main = typeof json === 'object' && json !== null && 'main' in json ? json.main : undefined;
  return typeof main === 'string' && isCode(main) ? main.replace(/^\.\//, '') : undefined;
}

function isCode(file: string): boolean {
  return runtimeOfEntry(file) !== undefined;
}

async function indexOf(folder: string): Promise<string | undefined> {
  const names = new Set(
    (await entriesOf(folder)).filter((entry) => entry.isFile()).map((entry) => entry.name),
  );
  return INDEX_FILES.find((name) => names.has(name));
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return [];
    throw thrown;
  });
  return entries.toSorted((left, right) => (left.name < right.name ? -1 : 1));
}
