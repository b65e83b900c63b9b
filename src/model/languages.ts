/**
 * What a function's entry looks like in each language: by this the folder is read, and a manifest that names only an
 * entry is understood. How entries are built is in functions/build/, how they are run in server/.
 */
import type { RuntimeName } from './function.ts';

export interface LanguageFiles {
  readonly runtime: RuntimeName;
  /** File endings of entries. `functions/<name>.py` is a function by its ending. */
  readonly extensions: readonly string[];
  /** Names of files that make `functions/<name>/` a function, the preferred first. */
  readonly indexes: readonly string[];
}

const NODE_EXTENSIONS = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx'] as const;

/** In the order in which they are looked for. */
export const LANGUAGES: readonly LanguageFiles[] = [
  {
    runtime: 'node',
    extensions: NODE_EXTENSIONS,
    indexes: NODE_EXTENSIONS.map((extension) => `index${extension}`),
  },
  { runtime: 'python', extensions: ['.py'], indexes: ['index.py', 'main.py', 'app.py'] },
  { runtime: 'go', extensions: ['.go'], indexes: ['main.go'] },
  // A custom runtime of AWS Lambda: an executable of this name, with its folder.
  { runtime: 'bootstrap', extensions: [], indexes: ['bootstrap'] },
  // A web server: its entry is a folder, and the manifest's `command` makes it one.
  { runtime: 'command', extensions: [], indexes: [] },
];

/** All that can be an entry, for messages. */
export const ENTRY_ENDINGS: readonly string[] = LANGUAGES.flatMap(({ extensions, indexes }) =>
  extensions.length > 0 ? extensions : indexes,
);

/** The language that a file is an entry of, by its ending or its whole name. */
export function runtimeOfEntry(path: string): RuntimeName | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return LANGUAGES.find(
    ({ extensions, indexes }) =>
      indexes.includes(name) || extensions.some((extension) => name.endsWith(extension)),
  )?.runtime;
}

/** Their version is the platform's own, or nobody's. */
const VERSIONLESS: ReadonlySet<RuntimeName> = new Set(['node', 'bootstrap', 'command']);

/** A language as the manifest names it: `python`, or with the version that it must have, `python3.12`. */
export interface RuntimePin {
  readonly runtime: RuntimeName;
  /** `undefined`: whatever the machine has. */
  readonly version: string | undefined;
}

/** `undefined` when it is none, or when a version is asked of a language whose version is the platform's own. */
export function parseRuntime(text: string): RuntimePin | undefined {
  const [, name, version] = /^([a-z]+)(\d+(?:\.\d+){0,2})?$/.exec(text) ?? [];
  const language = LANGUAGES.find(({ runtime }) => runtime === name);
  const hasVersions = language !== undefined && !VERSIONLESS.has(language.runtime);
  if (language === undefined || (version !== undefined && !hasVersions)) return undefined;
  return { runtime: language.runtime, version };
}
