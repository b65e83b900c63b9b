import { createHash } from 'node:crypto';
import { open, realpath } from 'node:fs/promises';
import { join, matchesGlob, sep } from 'node:path';
import type { Timer } from '../../base/clock.ts';
import { type CloudEvent, parseCloudEvent } from '../../model/cloud-event.ts';
import type { FileAction, FilesSource as FilesSettings } from '../../model/trigger.ts';
import type { Source, SourceContext, SourceFactory } from '../../ports/source.ts';
import { type FileState, FolderTooLarge, isSameState, scanFolder } from './scan-folder.ts';

/*
 * Files: a folder of this machine that is looked at once a second; what was created, changed or removed in it since the
 * last look is told, also what was while the platform was down.
 *
 * Guarantees: the state of the folder as it was told is stored with the events in one step, so that each change of it is
 * told once, over restarts too; a file is told of when neither its size nor its time changed for `settleMs`, so that one
 * that is still being written is not. Where the folder itself is away, nothing counts as removed.
 * Deliberately absent: what happened between two looks (a file that came and went), moves (they are a removal and a
 * creation), links, and the content of large files.
 */

const LOOK_MS = 1_000;
/** Files of one trigger: their state is stored whole with each change. */
export const FILES_MAX = 10_000;
/** Events that are stored at once. */
const EVENTS_AT_ONCE = 200;
/** Content that goes along, in bytes, and of all events that are stored at once. */
export const CONTENT_BYTES_MAX = 512 * 1024;
const CONTENT_AT_ONCE = 8 * 1024 * 1024;

/** What was told so far; stored as the source's position. */
interface Told {
  /** Changes so far: part of the ids, so that a file that comes back as it was is another event. */
  count: number;
  readonly files: Map<string, FileState>;
}

interface Unsettled {
  readonly state: FileState;
  /** Since when it is so, monotonic. */
  readonly sinceMs: number;
}

interface Change {
  readonly path: string;
  readonly action: FileAction;
  readonly state: FileState;
}

/** `mayRead`: whether a folder may be looked at, by its real path. Nobody but the operator says so. */
export function createFileSources(mayRead: (folder: string) => boolean) {
  const open = (context: SourceContext): FileSource => new FileSource(context, mayRead);
  return { kind: 'files', open } as const satisfies SourceFactory;
}

export class FileSource implements Source {
  readonly #context: SourceContext;
  readonly #settings: FilesSettings;
  readonly #mayRead: (folder: string) => boolean;
  readonly #timer: Timer;
  #told: Told | undefined;
  /** Files that differ from what was told. */
  #unsettled: ReadonlyMap<string, Unsettled> = new Map();
  #looking: Promise<void> | undefined;
  #trouble: string | undefined;
  #isClosed = false;

  constructor(context: SourceContext, mayRead: (folder: string) => boolean) {
    this.#context = context;
    this.#settings = context.trigger.source as FilesSettings;
    this.#mayRead = mayRead;
    this.#told = context.position === undefined ? undefined : parseTold(context.position);
    this.#timer = context.clock.every(LOOK_MS, () => this.#lookSoon());
    this.#lookSoon();
  }

  status() {
    return { nextMs: undefined, trouble: this.#trouble };
  }

  /** Waits for the look that is under way. */
  async idle(): Promise<void> {
    await this.#looking;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.cancel();
    await this.idle();
  }

  #lookSoon(): void {
    this.#looking ??= this.#look()
      .then(
        () => {
          this.#trouble = undefined;
        },
        (thrown: unknown) => this.#fail(thrown),
      )
      .finally(() => {
        this.#looking = undefined;
      });
  }

  #fail(thrown: unknown): void {
    const { id, log } = this.#context;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const trouble = `the folder ${this.#settings.folder} cannot be looked at: ${why}`;
    if (trouble !== this.#trouble) log.warn('a source of files', { trigger: id, trouble });
    this.#trouble = trouble;
  }

  async #look(): Promise<void> {
    const { folder, match } = this.#settings;
    const real = await realpath(folder);
    if (!this.#mayRead(real))
      throw new Error(`the operator does not allow it; start the platform with --allow-folder ${real}`);
    const found = await scanFolder(real, (path) => match.some((glob) => matchesGlob(path, glob)));
    if (found.size > FILES_MAX) throw new FolderTooLarge(`more than ${FILES_MAX} files match`);
    if (this.#told === undefined) {
      const files = this.#settings.existing ? new Map<string, FileState>() : found;
      await this.#context.publish([], textOfTold({ count: 0, files }));
      this.#told = { count: 0, files };
    }
    const changes = this.#settle(found, this.#told);
    for (let at = 0; at < changes.length && !this.#isClosed; )
      at += await this.#tell(real, this.#told, changes.slice(at, at + EVENTS_AT_ONCE));
  }

  /** What differs from what was told, and has been as it is for long enough. */
  #settle(found: ReadonlyMap<string, FileState>, { files }: Told): Change[] {
    const { settleMs } = this.#settings;
    const nowMs = this.#context.clock.monotonicMs();
    const changes: Change[] = [];
    const unsettled = new Map<string, Unsettled>();
    for (const [path, state] of found) {
      const before = files.get(path);
      if (isSameState(before, state)) continue;
      const seen = this.#unsettled.get(path);
      const sinceMs = isSameState(seen?.state, state) ? seen!.sinceMs : nowMs;
      if (nowMs - sinceMs >= settleMs)
        changes.push({ path, state, action: before === undefined ? 'create' : 'change' });
      else unsettled.set(path, { state, sinceMs });
    }
    for (const [path, state] of files) if (!found.has(path)) changes.push({ path, state, action: 'remove' });
    this.#unsettled = unsettled;
    return changes;
  }

  /** Stores events with what is told by then. Returns of how many changes. */
  async #tell(folder: string, told: Told, changes: readonly Change[]): Promise<number> {
    const next: Told = { count: told.count, files: new Map(told.files) };
    const events: CloudEvent[] = [];
    let taken = 0;
    let contentBytes = 0;
    for (const change of changes) {
      if (contentBytes > CONTENT_AT_ONCE) break;
      taken += 1;
      next.count += 1;
      if (change.action === 'remove') next.files.delete(change.path);
      else next.files.set(change.path, change.state);
      if (!this.#settings.actions.includes(change.action)) continue;
      events.push(await this.#toEvent(folder, change, next.count));
      contentBytes += change.state.size <= CONTENT_BYTES_MAX ? change.state.size : 0;
    }
    await this.#context.publish(events, textOfTold(next));
    this.#told = next;
    return taken;
  }

  async #toEvent(folder: string, { path, action, state }: Change, count: number): Promise<CloudEvent> {
    const { id, clock } = this.#context;
    const facts = [path, action, state.mtimeMs, state.size, state.inode, count];
    const digest = createHash('sha256').update(JSON.stringify(facts)).digest('hex');
    const withContent = this.#settings.content && action !== 'remove' && state.size <= CONTENT_BYTES_MAX;
    return parseCloudEvent({
      specversion: '1.0',
      id: digest.slice(0, 32),
      source: `/lambent/files/${id}`,
      type: `lambent.file.${action}`,
      // Names may hold what no attribute may: then the data alone has it.
      subject: /^[\p{L}\p{N}\p{P}\p{S} ]{1,1024}$/u.test(path) ? path : undefined,
      time: new Date(clock.nowMs()).toISOString(),
      datacontenttype: 'application/json',
      data: {
        ...{ path, action, size: state.size },
        modified: new Date(state.mtimeMs).toISOString(),
        ...(withContent ? await readContent(join(folder, ...path.split('/'))) : {}),
      },
    });
  }
}

/** As text, or in base64 where it is none; nothing if it is gone or has grown by now. */
async function readContent(path: string): Promise<{ content?: string; contentBase64?: string }> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return {};
  try {
    const buffer = Buffer.alloc(CONTENT_BYTES_MAX + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    if (bytesRead > CONTENT_BYTES_MAX) return {};
    const bytes = buffer.subarray(0, bytesRead);
    try {
      return { content: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
    } catch {
      return { contentBase64: bytes.toString('base64') };
    }
  } finally {
    await file.close();
  }
}

/** Whether a folder is one of these, or lies in one. */
export function isWithin(folder: string, allowed: readonly string[]): boolean {
  return allowed.some((each) => folder === each || folder.startsWith(each.endsWith(sep) ? each : each + sep));
}

function textOfTold({ count, files }: Told): string {
  const rows = [...files].map(([path, { mtimeMs, size, inode }]) => [path, mtimeMs, size, inode]);
  return JSON.stringify({ count, files: rows });
}

function parseTold(position: string): Told {
  const { count, files } = JSON.parse(position) as {
    count: number;
    files: [string, number, number, number][];
  };
  return {
    count,
    files: new Map(files.map(([path, mtimeMs, size, inode]) => [path, { mtimeMs, size, inode }])),
  };
}
