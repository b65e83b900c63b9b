import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { BlobDigest } from '../../model/function.ts';
import type { BuildNote, BuildNotes } from './build-notes.ts';
import { isBelow } from './copy-files.ts';
import { SKIPPED_FOLDERS } from './skipped-folders.ts';

/** Builds that are remembered; the least recently used go. */
export const BUILDS_REMEMBERED_MAX = 20_000;
/** Files whose digest is remembered. */
const FILES_REMEMBERED_MAX = 100_000;
/** An app's folder with more entries is built anew each time. */
const TREE_ENTRIES_MAX = 50_000;
/** File systems may give two writes within this time the same timestamp. */
const TIMESTAMP_SLACK_MS = 50;
/** Files that steer how imports are resolved, wherever in the app they are. */
const STEERING = /^(package|tsconfig.*|jsconfig)\.json$/;
/** What package managers write at each installation. */
const INSTALL_MARKS = ['.package-lock.json', '.modules.yaml', '.yarn-state.yml'];

/** Where an app is, as far as its builds care. */
export interface AppPlace {
  readonly folder: string;
  /** Packages installed elsewhere for it. */
  readonly modulesDir: string | undefined;
  /** True when nobody but the platform writes to the folder. */
  readonly isPrivate: boolean;
}

export interface CachedBuild {
  readonly code: BlobDigest;
  readonly entry: string;
}

/** A state of an app's folder: the names in it, and the contents of files as they are asked for. */
export interface AppState {
  readonly place: AppPlace;
  /** Epoch milliseconds. */
  readonly takenMs: number;
  /** Over all paths; a file that appears or goes may lead imports elsewhere. `undefined`: too many. */
  readonly namesDigest: string | undefined;
  /** Absolute paths of files that steer resolution. */
  readonly steering: readonly string[];
  /** Digests by absolute path, each looked up once. */
  readonly digests: Map<string, Promise<string>>;
}

interface KnownFile {
  readonly identity: string;
  readonly digest: string;
}

/**
 * Remembers what each function was built from, so that a function whose inputs are unchanged is not built again.
 * An input is the text of a file, the names in the folder, a file that steers resolution, and the mark of an
 * installation; uploads match by contents, wherever they were unpacked. What is remembered outlives the process in
 * notes on the disk; digests of files do not: after a restart every input is read again.
 */
export class BuildCache {
  readonly #clock: Clock;
  readonly #notes: BuildNotes;
  readonly #builds = new Map<string, BuildNote>();
  readonly #files = new Map<string, KnownFile>();

  constructor(clock: Clock, notes: BuildNotes) {
    this.#clock = clock;
    this.#notes = notes;
  }

  /** Looks at the folder; cheap, because contents are read only when they are needed and have changed. */
  async look(place: AppPlace): Promise<AppState> {
    const takenMs = this.#clock.nowMs();
    const names: string[] = [];
    const steering: string[] = [];
    await listNames(place.folder, '', names, steering);
    const namesDigest =
      names.length > TREE_ENTRIES_MAX
        ? undefined
        : createHash('sha256').update(names.join('\n')).digest('hex');
    return { place, takenMs, namesDigest, steering, digests: new Map() };
  }

  /** An earlier build of the function with these options, if nothing that went into it has changed. */
  async find(key: string, optionsKey: string, state: AppState): Promise<CachedBuild | undefined> {
    const build = this.#builds.get(key) ?? (await this.#notes.read(key));
    if (build === undefined || build.optionsKey !== optionsKey || build.namesDigest !== state.namesDigest)
      return undefined;
    const same = await Promise.all(
      build.inputs.map(
        async ([path, digest]) => digest === (await this.#digest(toAbsolute(path, state.place), state)),
      ),
    );
    if (!same.every(Boolean)) return undefined;
    this.#keep(key, build);
    return build;
  }

  /** Notes a build. One whose inputs changed while it ran is not noted: nobody knows what it saw. */
  async remember(
    key: string,
    optionsKey: string,
    state: AppState,
    inputs: readonly string[],
    build: CachedBuild,
  ): Promise<void> {
    const { place, namesDigest } = state;
    if (namesDigest === undefined) return;
    const paths = new Set([
      ...inputs.filter((path) => !path.startsWith('\0')),
      ...state.steering,
      ...marksOf(inputs, place.folder),
    ]);
    // Looked at again: what was read before the build may be older than what the build saw.
    const fresh: AppState = { ...state, digests: new Map() };
    const noted = await Promise.all(
      [...paths].map(async (path) => {
        const changedMs = place.isPrivate ? 0 : await changedAt(path);
        return changedMs > state.takenMs - TIMESTAMP_SLACK_MS
          ? undefined
          : ([toPortable(path, place), await this.#digest(path, fresh)] as const);
      }),
    );
    const known = noted.filter((each) => each !== undefined);
    if (known.length < noted.length) {
      this.#builds.delete(key);
      await this.#notes.remove(key);
      return;
    }
    const note: BuildNote = { optionsKey, namesDigest, inputs: known, code: build.code, entry: build.entry };
    this.#keep(key, note);
    await this.#notes.write(key, note);
  }

  #keep(key: string, note: BuildNote): void {
    this.#builds.delete(key);
    this.#builds.set(key, note);
    if (this.#builds.size > BUILDS_REMEMBERED_MAX) this.#builds.delete(this.#builds.keys().next().value!);
  }

  #digest(path: string, state: AppState): Promise<string> {
    let digest = state.digests.get(path);
    if (digest === undefined) {
      digest = this.#digestNow(path);
      state.digests.set(path, digest);
    }
    return digest;
  }

  async #digestNow(path: string): Promise<string> {
    const facts = await stat(path, { bigint: true }).catch(() => undefined);
    if (facts === undefined || !facts.isFile()) return 'none';
    const identity = `${facts.dev} ${facts.ino} ${facts.size} ${facts.mtimeNs} ${facts.ctimeNs}`;
    const known = this.#files.get(path);
    if (known?.identity === identity) return known.digest;
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    // A file that was written just now may be written again without its timestamp telling.
    if (this.#clock.nowMs() - Number(facts.ctimeMs) > TIMESTAMP_SLACK_MS) {
      if (this.#files.size >= FILES_REMEMBERED_MAX) this.#files.clear();
      this.#files.set(path, { identity, digest });
    }
    return digest;
  }
}

async function listNames(folder: string, path: string, names: string[], steering: string[]): Promise<void> {
  const entries = await readdir(join(folder, path), { withFileTypes: true }).catch(() => []);
  const folders: string[] = [];
  for (const entry of entries.toSorted((left, right) => (left.name < right.name ? -1 : 1))) {
    const entryPath = path === '' ? entry.name : `${path}/${entry.name}`;
    // A `node_modules` that appears, goes, or is linked elsewhere counts; its contents have marks of their own.
    if (entry.name === 'node_modules')
      names.push(
        entry.isSymbolicLink()
          ? `${entryPath} -> ${await readlink(join(folder, entryPath)).catch(() => '')}`
          : entryPath,
      );
    if (SKIPPED_FOLDERS.has(entry.name)) continue;
    names.push(entryPath);
    if (entry.isDirectory()) folders.push(entryPath);
    else if (STEERING.test(entry.name)) steering.push(join(folder, entryPath));
    if (names.length > TREE_ENTRIES_MAX) return;
  }
  for (const each of folders) await listNames(folder, each, names, steering);
}

async function changedAt(path: string): Promise<number> {
  const facts = await stat(path).catch(() => undefined);
  return facts === undefined ? 0 : Math.max(facts.ctimeMs, facts.mtimeMs);
}

/** The marks of every installation that inputs came from. */
function marksOf(inputs: readonly string[], folder: string): string[] {
  const roots = new Set<string>([join(folder, 'node_modules')]);
  for (const path of inputs) {
    const at = path.indexOf('/node_modules/');
    if (at >= 0) roots.add(path.slice(0, at + '/node_modules'.length));
  }
  return [...roots].flatMap((root) => INSTALL_MARKS.map((name) => join(root, name)));
}

function toPortable(path: string, { folder, modulesDir }: AppPlace): string {
  if (modulesDir !== undefined && isBelow(dirname(modulesDir), path))
    return `modules:${relative(dirname(modulesDir), path)}`;
  return isBelow(folder, path) ? `app:${relative(folder, path)}` : `at:${path}`;
}

function toAbsolute(portable: string, { folder, modulesDir }: AppPlace): string {
  const colon = portable.indexOf(':');
  const path = portable.slice(colon + 1);
  switch (portable.slice(0, colon)) {
    case 'app':
      return join(folder, path);
    case 'modules':
      return join(modulesDir === undefined ? folder : dirname(modulesDir), path);
    default:
      return path;
  }
}
