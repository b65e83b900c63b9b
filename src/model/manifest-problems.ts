import type { z } from 'zod';
import { LambentError } from '../base/errors.ts';
import { nearestOf } from '../base/nearest.ts';

/** How many problems one error names; the rest are counted. */
const PROBLEMS_SHOWN_MAX = 20;
/** How many problems are gathered at all. */
const PROBLEMS_KEPT_MAX = 1_000;
/** The longest piece of a wrong value that an error repeats, in characters. */
const VALUE_SHOWN_MAX = 60;

/** Where something is in a manifest: keys and list positions from the top. */
export type ManifestPath = readonly (string | number)[];

/** A place in a file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Finds the key or the value at a path in the text that a manifest was read from. */
export type Locate = (path: ManifestPath, what: 'key' | 'value') => Place | undefined;

/** One thing that is wrong with a manifest. */
export interface ManifestProblem {
  readonly path: ManifestPath;
  readonly place: Place | undefined;
  readonly message: string;
  /** The valid key or value that was probably meant. */
  readonly nearest?: string | undefined;
}

/** Where a manifest came from, for messages. */
export interface ManifestSource {
  /** Relative to the app: `lambent.yaml`. */
  readonly file: string;
  readonly locate: Locate;
}

/** Words from elsewhere for keys of ours, where the letters alone would not lead there. */
const SYNONYMS: Readonly<Record<string, string>> = {
  name: 'app',
  environment: 'env',
  variables: 'env',
  main: 'entry',
  file: 'entry',
  code: 'entry',
  events: 'routes',
  url: 'path',
  verb: 'method',
  retries: 'attempts',
  files: 'include',
};

/** Gathers problems while a manifest is read, so that all are reported together. */
export class ManifestProblems {
  readonly #source: ManifestSource;
  readonly #problems: ManifestProblem[] = [];
  readonly #seen = new Set<string>();

  constructor(source: ManifestSource) {
    this.#source = source;
  }

  add(path: ManifestPath, what: 'key' | 'value', message: string, nearest?: string): void {
    // A value for all functions is looked at once a function, but is wrong only once.
    const identity = `${pathText(path)} ${message}`;
    if (this.#seen.has(identity) || this.#problems.length >= PROBLEMS_KEPT_MAX) return;
    this.#seen.add(identity);
    this.#problems.push({ path, place: this.#source.locate(path, what), message, nearest });
  }

  /** "`functions.hello.memory` must be a size …, but is "12x"". */
  addWrong(path: ManifestPath, expected: string, value: unknown, nearest?: string): void {
    const name = path.length === 0 ? 'the manifest' : `\`${pathText(path)}\``;
    if (value === undefined)
      this.add(path.slice(0, -1), 'value', `${name} is missing; it must be ${expected}`);
    else this.add(path, 'value', `${name} must be ${expected}, but is ${shown(value)}`, nearest);
  }

  addUnknownKey(path: ManifestPath, key: string, validKeys: readonly string[]): void {
    const synonym = SYNONYMS[key.toLowerCase()];
    const nearest =
      synonym !== undefined && validKeys.includes(synonym) ? synonym : nearestOf(key, validKeys);
    const where = path.length === 0 ? '' : ` in \`${pathText(path)}\``;
    const rest = nearest === undefined ? `; valid keys are ${validKeys.join(', ')}` : '';
    this.add([...path, key], 'key', `unknown key \`${key}\`${where}${rest}`, nearest);
  }

  /** Takes over what zod found. `value` is what it looked at. */
  addIssues(
    issues: readonly z.core.$ZodIssue[],
    value: unknown,
    keysAt: KeysAt,
    base: ManifestPath = [],
  ): void {
    for (const issue of issues) this.#addIssue(issue, value, keysAt, base);
  }

  /** `lambent.yaml:3:5` for messages that point at another place. */
  placeText(path: ManifestPath): string {
    const place = this.#source.locate(path, 'value');
    return place === undefined ? this.#source.file : `${this.#source.file}:${place.line}:${place.column}`;
  }

  throwIfAny(): void {
    if (this.#problems.length > 0) throw manifestError(this.#source.file, this.#problems);
  }

  #addIssue(issue: z.core.$ZodIssue, root: unknown, keysAt: KeysAt, base: ManifestPath): void {
    const path = [...base, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) this.addUnknownKey(path, key, keysAt(path));
      return;
    }
    if (issue.code === 'invalid_key') {
      const expected = issue.issues[0]?.message ?? issue.message;
      this.add(path, 'key', `the key \`${pathText(path)}\` must be ${expected}`);
      return;
    }
    if (issue.code === 'invalid_union') {
      // The branch that fits the kind of the value says what is wrong inside it.
      const inner = issue.errors.find((branch) =>
        branch.every((each) => each.path.length > 0 || each.code === 'unrecognized_keys'),
      );
      if (inner !== undefined && inner.length > 0) {
        this.addIssues(inner, root, keysAt, path);
        return;
      }
    }
    const value = valueAt(root, path);
    const nearest = typeof value === 'string' ? nearestOf(value, valuesOf(issue)) : undefined;
    this.addWrong(path, issue.message, value, nearest);
  }
}

/** The keys that are valid in the object at a path. */
export type KeysAt = (path: ManifestPath) => readonly string[];

/** One error for all problems of a manifest, in the order of their places. */
export function manifestError(file: string, problems: readonly ManifestProblem[]): LambentError {
  const sorted = problems.toSorted(
    (left, right) =>
      (left.place?.line ?? 0) - (right.place?.line ?? 0) ||
      (left.place?.column ?? 0) - (right.place?.column ?? 0),
  );
  const lines = sorted.slice(0, PROBLEMS_SHOWN_MAX).map((problem) => {
    const at = problem.place === undefined ? file : `${file}:${problem.place.line}:${problem.place.column}`;
    const meant = problem.nearest === undefined ? '' : `; did you mean \`${problem.nearest}\`?`;
    return `${at}: ${problem.message}${meant}`;
  });
  if (sorted.length > PROBLEMS_SHOWN_MAX) lines.push(`… and ${sorted.length - PROBLEMS_SHOWN_MAX} more`);
  const details = sorted.slice(0, PROBLEMS_SHOWN_MAX).map((problem) => ({
    file,
    line: problem.place?.line,
    column: problem.place?.column,
    path: pathText(problem.path),
    message: problem.message,
    nearest: problem.nearest,
  }));
  const first = sorted[0];
  const hint = first?.nearest === undefined ? {} : { hint: `Write \`${first.nearest}\` there.` };
  return new LambentError('E_MANIFEST_INVALID', lines.join('\n'), {
    ...hint,
    details: { file, line: first?.place?.line, column: first?.place?.column, problems: details },
  });
}

/** `functions.hello.routes[1].path`. */
export function pathText(path: ManifestPath): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
    .join('');
}

/** The values that an issue would have accepted, where it knows them. */
function valuesOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code !== 'invalid_union') return [];
  return issue.errors.flat().flatMap((inner) => (inner.path.length === 0 ? valuesOf(inner) : []));
}

function shown(value: unknown): string {
  if (value === null) return 'empty';
  const text = Array.isArray(value)
    ? 'a list'
    : typeof value === 'object'
      ? 'an object'
      : JSON.stringify(value);
  if (text === undefined) return `a ${typeof value}`;
  return text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}…` : text;
}

function valueAt(root: unknown, path: ManifestPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
