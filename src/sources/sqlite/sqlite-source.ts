import { watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Timer } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import { type Address, type Connection, placeOf } from '../../model/connection.ts';
import type { SqliteSource as Settings } from '../../model/trigger.ts';
import type { SourceContext, SourceFactory } from '../../ports/source.ts';
import { RateGuard } from '../rows/rate-guard.ts';
import {
  type Cleaning,
  clearUpAll,
  dropAll,
  type LeftBehind,
  leftBehind,
  leftoversOf,
  newSourceName,
  planOf,
} from '../rows/made-things.ts';
import { type RowLink, type RowReader, RowSource } from '../rows/row-source.ts';
import { changeEvent, existingEvent } from './change-event.ts';
import {
  dropStatements,
  ensureChangeTable,
  quoteName,
  setupStatements,
  type WatchedTable,
} from './change-table.ts';
import { DatabaseThread } from './database-thread.ts';
import { readExistingRows, type StoredKey } from './existing-rows.ts';
import { describeFailure } from './file-failure.ts';
import { findFile } from './find-file.ts';

/*
 * Changed rows of a file of SQLite's. SQLite keeps no log that could be read, so triggers write each change into a table
 * beside the watched one, in the transaction of whoever makes it: with it they are there, and without it they are not.
 * A change is stored as an event, together with its number, and only then deleted there. Numbers are never given twice,
 * so ids are made of them.
 *
 * Whoever writes the file needs nothing of ours: the triggers are plain SQL, and go when the trigger is deployed
 * no more. The platform hears of changes by the folder's own notices, and looks every second besides, in case a notice
 * did not come. The file is read on a thread of its own.
 *
 * Rows that were there before are told first where the trigger wants them (existing-rows.ts).
 *
 * Deliberately absent: truncation, which SQLite tells as deleted rows.
 */

/** Changes that are read, and stored in one step. */
const BATCH_MAX = 500;
/** How often the file is looked at without a notice. */
const POLL_MS = 1_000;
/** Changes that were stored stay in the file for so long: whoever writes it has it for himself the longer. */
const FORGET_MS = 1_000;
/** … or until there are so many of them. */
const FORGET_MAX = 5_000;
/** How often the file is looked at for being another one. */
const LOOK_MS = 10_000;

interface Position {
  /** Name of the change table and its triggers. */
  readonly name: string;
  /** What tells the file from others (`placeOf`): another one begins anew. */
  readonly url: string;
  /** The last change that is stored; `undefined`: the change table is still to be made. */
  readonly seq: number | undefined;
  /** Rows that were there before are still to be told: those behind this key. */
  readonly existing?: { readonly after?: StoredKey } | undefined;
  /** How to get there, for when the trigger reads another file. Names of secrets, no values. */
  readonly connection?: Connection;
  readonly left?: readonly LeftBehind[];
}

class ChangeReader implements RowReader {
  readonly #context: SourceContext;
  readonly #settings: Settings;
  readonly #guard: RateGuard;
  /** No file in here is read: it is the platform's own. */
  readonly #ownFolder: string;
  #position: Position;
  #isKnown: boolean;
  /** The last address: when the trigger is gone, so are the variables of its function. */
  #address: Address | undefined;
  /** The last change that was deleted in the file, and when. */
  #forgotten = { seq: 0, atMs: 0 };

  constructor(context: SourceContext, settings: Settings, ownFolder: string) {
    this.#context = context;
    this.#settings = settings;
    this.#guard = new RateGuard(context.clock, settings.maxPerMinute);
    this.#ownFolder = ownFolder;
    const before = parsePosition(context.position);
    const { connection } = settings;
    const url = placeOf(connection);
    this.#isKnown = before?.name !== undefined && before.url === url;
    this.#position = this.#isKnown
      ? { ...(before as Position), connection }
      : {
          ...{ name: newSourceName(context), url, seq: undefined, connection },
          existing: settings.backfill === true ? {} : undefined,
          left: leftBehind(before, connection),
        };
  }

  readonly describeFailure = describeFailure;

  async clearUp(): Promise<void> {
    const { name, url, left = [] } = this.#position;
    const { connection } = this.#settings;
    const own = this.#isKnown ? [{ name, url, connection }] : [];
    await clearUpAll([...left, ...own], this.#cleaning);
  }

  get #cleaning(): Cleaning {
    return {
      ...{ context: this.#context, statements: dropStatements, describeFailure },
      drop: async (connection, name) => {
        await dropIn(await this.#file(connection), name);
      },
    };
  }

  /** What was made in the file that the trigger read before: it would grow with every change. */
  async #clearLeft(): Promise<void> {
    const { left = [] } = this.#position;
    if (left.length === 0) return;
    const rest = await dropAll(left, this.#cleaning);
    if (rest.length === left.length) return;
    await this.#keep([], { ...this.#position, left: rest });
  }

  async stream(link: RowLink): Promise<void> {
    const file = await this.#file(this.#settings.connection);
    const { ino } = await stat(file);
    const database = new DatabaseThread(file, link.lose);
    const timers: Timer[] = [];
    const bell = new Bell();
    const watcher = watch(dirname(file), (_, changed) => {
      if (changed === null || changed.startsWith(basename(file))) bell.ring();
    });
    watcher.on('error', link.lose);
    try {
      let watched = await this.#setUp(database);
      let schema = await schemaVersion(database);
      const look = async (): Promise<void> => {
        if ((await stat(file)).ino !== ino) throw new Error('the file was replaced by another one');
      };
      const { clock } = this.#context;
      timers.push(clock.every(POLL_MS, () => bell.ring()));
      timers.push(clock.every(LOOK_MS, () => void look().catch(link.lose)));
      link.connected();
      await this.#tellExisting(database, watched, link);
      while (!link.signal.aborted) {
        const heard = bell.next();
        if (await this.#readSome(database, watched)) continue;
        await this.#forget(database);
        const version = await schemaVersion(database);
        if (version !== schema) {
          await this.#checkNothingLost(database, this.#position.seq!);
          ({ watched } = await ensureChangeTable(database, this.#position.name, this.#settings));
          schema = await schemaVersion(database);
        }
        await Promise.race([heard, link.lost, link.closed]);
      }
    } finally {
      watcher.close();
      for (const timer of timers) timer.cancel();
      await database.close();
    }
  }

  /** Stores the rows that were there before, each part together with how far it came. */
  async #tellExisting(database: DatabaseThread, watched: WatchedTable, link: RowLink): Promise<void> {
    const { name, existing } = this.#position;
    if (this.#settings.backfill !== true || existing === undefined) return;
    const { id: trigger, clock, log } = this.#context;
    const timeMs = clock.nowMs();
    let count = 0;
    for await (const part of readExistingRows(database, name, watched, this.#settings, existing.after)) {
      if (link.signal.aborted) return;
      const events = part.rows.map((row, at) =>
        existingEvent(row, watched, { trigger, timeMs, id: `${name}/existing/${part.digests[at]}` }),
      );
      const { existing: told, seq } = this.#position;
      await this.#keep(events, {
        ...this.#position,
        // What the first reading shows of changes is not told once more.
        seq: told?.after === undefined ? part.seq : seq,
        existing: part.after === undefined ? {} : { after: part.after },
      });
      count += events.length;
    }
    await this.#keep([], { ...this.#position, existing: undefined });
    log.info('all rows that a table had are told; its changes follow', { trigger, rows: count });
  }

  /** Stores the next changes; `false`: there is none. */
  async #readSome(database: DatabaseThread, watched: WatchedTable): Promise<boolean> {
    const { name, seq } = this.#position;
    const rows = await database.read(
      `SELECT * FROM ${quoteName(name)} WHERE seq > ? ORDER BY seq LIMIT ${BATCH_MAX}`,
      seq!,
    );
    if (rows.length === 0) return false;
    this.#guard.admit(rows.length);
    const place = { trigger: this.#context.id, name };
    await this.#store(
      rows.map((row) => changeEvent(row, watched, place)),
      Number(rows.at(-1)!.seq),
    );
    if (this.#position.seq! - this.#forgotten.seq > FORGET_MAX) await this.#forget(database, true);
    return true;
  }

  /** Deletes what is stored; should that fail, it is not read again all the same. */
  async #forget(database: DatabaseThread, now = false): Promise<void> {
    const { name, seq } = this.#position;
    const nowMs = this.#context.clock.monotonicMs();
    if (seq === this.#forgotten.seq || (!now && nowMs - this.#forgotten.atMs < FORGET_MS)) return;
    await database.write([`DELETE FROM ${quoteName(name)} WHERE seq <= ${seq!}`]);
    this.#forgotten = { seq: seq!, atMs: nowMs };
  }

  async #setUp(database: DatabaseThread): Promise<WatchedTable> {
    const { log, id } = this.#context;
    const { name, seq } = this.#position;
    if (!this.#isKnown) {
      // What is about to be made is remembered first, so that it is found again, and dropped in the end.
      await this.#context.publish([], JSON.stringify(this.#position));
      this.#isKnown = true;
    }
    await this.#clearLeft();
    if (seq !== undefined) await this.#checkNothingLost(database, seq);
    const { watched, statements } = await ensureChangeTable(database, name, this.#settings);
    if (statements.length > 0)
      log.info('a table becomes a source; in its file were made:', {
        trigger: id,
        statements: statements.join('; '),
      });
    if (seq === undefined) await this.#store([], 0);
    return watched;
  }

  /** `E_CHANGES_LOST` when the table of changes is gone, or is one of an older time. */
  async #checkNothingLost(database: DatabaseThread, seq: number): Promise<void> {
    const { name } = this.#position;
    const [there] = await database.read('SELECT 1 FROM sqlite_schema WHERE name = ?', name);
    const [last] = await database
      .read('SELECT seq FROM sqlite_sequence WHERE name = ?', name)
      .catch(() => []);
    if (there !== undefined && Number(last?.seq ?? 0) >= seq) return;
    throw new LambentError(
      'E_CHANGES_LOST',
      there === undefined
        ? `The table ${name} with the changes is gone from the file: changes since then do not come as events.`
        : 'The file is older than what was read from it: changes made in it since then do not come as events.',
    );
  }

  async #store(events: Parameters<SourceContext['publish']>[0], seq: number): Promise<void> {
    await this.#keep(events, { ...this.#position, seq });
  }

  /** Events and the position after them, in one step. */
  async #keep(events: Parameters<SourceContext['publish']>[0], next: Position): Promise<void> {
    await this.#context.publish(events, JSON.stringify(next));
    this.#position = next;
  }

  async #file(connection: Connection): Promise<string> {
    const isOurs = placeOf(connection) === this.#position.url;
    const address = await this.#context.address(connection).catch((thrown: unknown) => {
      if (this.#address === undefined || !isOurs) throw thrown;
      return this.#address;
    });
    if (isOurs) this.#address = address;
    return findFile(address, this.#ownFolder);
  }
}

async function dropIn(file: string, name: string): Promise<void> {
  const database = new DatabaseThread(file, () => {});
  try {
    await database.write(dropStatements(name));
  } finally {
    await database.close();
  }
}

/** Another one: columns may have come or gone. */
async function schemaVersion(database: DatabaseThread): Promise<unknown> {
  const [row] = await database.read('PRAGMA schema_version');
  return row?.schema_version;
}

/** Says whether something happened since it was last asked. */
class Bell {
  #ring: () => void = () => {};

  /** Resolves with the next ring from now on. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#ring = resolve;
    });
  }

  ring(): void {
    this.#ring();
  }
}

/** An empty one was forgotten on purpose; one without a name has only what is left of former ones. */
function parsePosition(text: string | undefined): Partial<Position> | undefined {
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as Partial<Position>);
}

/** `ownFolder`: the platform's data folder. */
export function createSqliteSources(ownFolder: string): SourceFactory {
  return {
    kind: 'sqlite',
    open: (context) =>
      new RowSource(context, new ChangeReader(context, context.trigger.source as Settings, ownFolder)),
    plan(id, source, position) {
      const settings = source as Settings;
      // The file is not looked at: `…` stands for the columns that the table has.
      const names = settings.columns ?? ['…'];
      const watched = { table: settings.table, columns: names, all: names, key: [] };
      const make = (name: string) => setupStatements(name, watched, settings);
      return planOf(id, settings.connection, parsePosition(position), { make, drop: dropStatements });
    },
    leftovers: leftoversOf('sqlite', dropStatements, (gone) => ({
      describeFailure,
      drop: async (connection, name) =>
        dropIn(await findFile(await gone.address(connection), ownFolder), name),
    })),
  };
}
