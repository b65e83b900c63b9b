/**
 * Watches the folder of an app for `dev`: one call for each burst of changes. It watches folder by folder,
 * because the recursive mode of `fs.watch` would walk into `node_modules` too and loses folders that are replaced.
 *
 * Guaranteed: after the last change of a burst there is a call, also when editors save by renaming, when folders
 * come, go and come back, and when the app's own folder does.
 * What is not packed (logs, what `.lambentignore` lists) is not watched either, nor are the files of a database: a
 * function that writes to one, or a log of `dev` itself, would deploy without end.
 * Deliberately absent: any word on what changed; whoever deploys looks at everything anyway.
 */
import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { IGNORE_FILE, type IgnoreRules } from './archive/ignore-rules.ts';
import { readIgnoreRules } from './archive/read-ignore-rules.ts';
import { SKIPPED_FOLDERS } from './build/skipped-folders.ts';

/** Changes within this time of each other are one burst. */
export const BURST_MS = 20;
/** A burst that does not end is told after this time all the same. */
export const BURST_MS_MAX = 500;
/** Folders that are watched at most; each costs the system one watch. */
export const FOLDERS_MAX = 4_096;
/** How often is looked for an app's folder that went away. */
const LOST_ROOT_MS = 250;

/** What editors write beside the files they save: vim (and its probe 4913), Emacs, JetBrains, VS Code, sed. */
const EDITOR_FILE =
  /~$|\.sw[a-z]$|^\.#|^#.*#$|___jb_\w+___$|^4913$|\.tmp(-[\w-]+|\.\d+)?$|^sed\w{6}$|^\.DS_Store$/;

/** Databases, which programs write to all the time; `.lambentignore` brings one back with `!`. */
const DATABASE_RULES = ['db', 'sqlite', 'sqlite3'].map((end) => `*.${end}\n*.${end}-*\n`).join('');

export interface WatchOptions {
  /** Absolute path. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  onChange(): void;
}

export interface FolderWatch {
  /** Resolves when every folder that is there is watched. */
  readonly ready: Promise<void>;
  close(): void;
}

export function watchFolder(options: WatchOptions): FolderWatch {
  return new TreeWatch(options);
}

class TreeWatch implements FolderWatch {
  readonly ready: Promise<void>;
  readonly #options: WatchOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #burst: Timer | undefined;
  #burstEnd: Timer | undefined;
  #lostRoot: Timer | undefined;
  #saidTooMany = false;
  #rootInode: number | undefined;
  #rules: IgnoreRules | undefined;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.ready = this.#add(options.folder);
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#burst, this.#burstEnd, this.#lostRoot]) timer?.cancel();
    this.#closeAll();
  }

  /** Watches a folder and those below it. */
  async #add(folder: string): Promise<void> {
    if (this.#closed || this.#watchers.has(folder)) return;
    if (this.#watchers.size >= FOLDERS_MAX) {
      if (!this.#saidTooMany)
        this.#options.log.warn('too many folders to watch: changes in some are not noticed', {
          folder,
          limit: FOLDERS_MAX,
        });
      this.#saidTooMany = true;
      return;
    }
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) =>
        this.#onEvent(folder, event, name),
      );
      watcher.on('error', () => this.#drop(folder));
      this.#watchers.set(folder, watcher);
    } catch {
      // Gone again already, or no more watches: the folder above tells of the former, this line of the latter.
      if (folder === this.#options.folder) this.#loseRoot();
      return;
    }
    if (folder === this.#options.folder) {
      this.#rootInode = (await stat(folder).catch(() => undefined))?.ino;
      await this.#readRules();
    }
    // Listed after the watch is there, so that nothing that comes in between is missed.
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries)
      if (
        entry.isDirectory() &&
        !SKIPPED_FOLDERS.has(entry.name) &&
        !this.#ignores(join(folder, entry.name), true)
      )
        await this.#add(join(folder, entry.name));
  }

  /** The rules are others: so may be the folders to watch. */
  async #restart(): Promise<void> {
    this.#closeAll();
    await this.#add(this.#options.folder);
    // What happened while nothing was watched.
    this.#changed();
  }

  #closeAll(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Those before stay when they cannot be read: whoever deploys tells of it. */
  async #readRules(): Promise<void> {
    this.#rules = await readIgnoreRules(this.#options.folder, DATABASE_RULES).catch(() => this.#rules);
  }

  #ignores(path: string, isFolder: boolean): boolean {
    return this.#rules?.ignores(relative(this.#options.folder, path), isFolder) === true;
  }

  #onEvent(folder: string, event: string, name: string | null): void {
    if (this.#closed) return;
    if (name === null) this.#changed();
    else if (SKIPPED_FOLDERS.has(name) || EDITOR_FILE.test(name) || this.#ignores(join(folder, name), false))
      return;
    else {
      this.#changed();
      if (folder === this.#options.folder && name === IGNORE_FILE) void this.#restart();
      else if (event === 'rename') void this.#onRename(folder, join(folder, name));
    }
  }

  /** Something appeared or went away. A folder that was replaced has a new inode: its old watch is worth nothing. */
  async #onRename(folder: string, path: string): Promise<void> {
    const facts = await stat(path).catch(() => undefined);
    if (this.#closed) return;
    // The app's own folder reports its own removal, or that another one took its place, under its own name.
    const root = folder === this.#options.folder ? await stat(folder).catch(() => undefined) : undefined;
    const rootIsThere = folder !== this.#options.folder || root?.ino === this.#rootInode;
    if (!rootIsThere) this.#loseRoot();
    else if (facts?.isDirectory() && !this.#ignores(path, true)) {
      this.#dropBelow(path);
      await this.#add(path);
      // Files that came with the folder, before it was watched.
      this.#changed();
    } else if (facts === undefined) this.#dropBelow(path);
  }

  #dropBelow(path: string): void {
    for (const folder of this.#watchers.keys())
      if (folder === path || folder.startsWith(`${path}/`)) this.#drop(folder);
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
    if (folder === this.#options.folder && !this.#closed) this.#loseRoot();
  }

  /** The app's folder is gone: looks for it until it is back. */
  #loseRoot(): void {
    if (this.#lostRoot !== undefined || this.#closed) return;
    this.#closeAll();
    const { clock, folder } = this.#options;
    this.#lostRoot = clock.every(LOST_ROOT_MS, () => void this.#findRoot(folder));
  }

  async #findRoot(folder: string): Promise<void> {
    const facts = await stat(folder).catch(() => undefined);
    if (!facts?.isDirectory() || this.#lostRoot === undefined || this.#closed) return;
    this.#lostRoot.cancel();
    this.#lostRoot = undefined;
    await this.#add(folder);
    this.#changed();
  }

  #changed(): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    this.#burst?.cancel();
    this.#burst = clock.after(BURST_MS, () => this.#tell());
    this.#burstEnd ??= clock.after(BURST_MS_MAX, () => this.#tell());
  }

  #tell(): void {
    this.#burst?.cancel();
    this.#burstEnd?.cancel();
    this.#burst = undefined;
    this.#burstEnd = undefined;
    this.#options.onChange();
  }
}
