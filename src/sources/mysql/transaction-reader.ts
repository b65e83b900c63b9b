import type { MysqlSource as Settings, TableAction } from '../../model/trigger.ts';
import { LambentError } from '../../base/errors.ts';
import { COLUMN_BYTES, keyOfRow, putColumn, type Row, toRowEvent } from '../rows/row-event.ts';
import type { Read } from '../rows/row-queue.ts';
import { type BinlogEvent, parseEvent, parseHead, type RowsEvent } from './binlog-event.ts';
import { ByteReader, hasBit } from './byte-reader.ts';
import { type CharacterSets, readValue } from './column-value.ts';
import { setupError } from './connect.ts';
import type { GtidState } from './gtid-state.ts';
import { readStatement } from './statement.ts';
import { parseTableMap, parseTableName, type TableMap } from './table-map.ts';

/** The end of a transaction. */
export interface Place {
  /** All that was read up to here. */
  readonly gtids: string;
  /** … and where that is in the server's files: for the lag alone, as files differ from server to server. */
  readonly file: string;
  readonly at: number;
}

export type RowRead = Read<Place>;

export interface TransactionReaderOptions {
  readonly trigger: string;
  /** The trigger's own name at this server: ids begin with it. */
  readonly name: string;
  readonly settings: Pick<Settings, 'actions' | 'columns'>;
  readonly table: WatchedTable;
  readonly isMariaDb: boolean;
  readonly sets: CharacterSets;
  readonly gtids: GtidState;
}

export interface WatchedTable {
  readonly schema: string;
  readonly table: string;
  /** Whether the server tells names apart by their case. */
  readonly isCaseSensitive: boolean;
}

interface Transaction {
  readonly gtid: string;
  readonly isSingle: boolean;
  isOpen: boolean;
  depth: number;
  index: number;
}

const DEPTH_MAX = 1_000_000;

/** Turns the events of a binary log into those of a trigger. One reader for one connection. */
export class TransactionReader {
  readonly #options: TransactionReaderOptions;
  /** Our table's maps by their number, which is given anew in each file. */
  readonly #maps = new Map<number, TableMap>();
  #transaction: Transaction | undefined;
  #file = '';

  constructor(options: TransactionReaderOptions) {
    this.#options = options;
  }

  get isInside(): boolean {
    return this.#transaction !== undefined;
  }

  read(bytes: Buffer): RowRead[] {
    const head = parseHead(bytes);
    const event = parseEvent(head, bytes);
    switch (event.kind) {
      case 'gtid':
        this.#transaction = {
          ...event,
          isOpen: this.#options.isMariaDb && !event.isSingle,
          depth: 0,
          index: 0,
        };
        return [];
      case 'rotate':
        this.#file = event.file;
        this.#maps.clear();
        return [];
      case 'tableMap':
        this.#describe(event.body);
        return [];
      case 'statement':
        this.#tellDepth(event.sql);
        return [];
      case 'rows':
        return this.#rows(event, head.timeMs, head.bytes);
      case 'query':
        return this.#query(event, head.timeMs, head.nextPlace);
      case 'xid':
        return [this.#commit(head.nextPlace)];
      case 'payload':
        // Places inside do not count: that of the whole comes with its end.
        return event.events.flatMap((inner) => this.read(inner));
      case 'unreadable':
        throw this.#lost(`The binary log has ${event.what}`, '');
      case 'other':
        return [];
    }
  }

  #isOurs(schema: string, table: string): boolean {
    const { table: wanted } = this.#options;
    if (wanted.isCaseSensitive) return schema === wanted.schema && table === wanted.table;
    return (
      schema.toLowerCase() === wanted.schema.toLowerCase() &&
      table.toLowerCase() === wanted.table.toLowerCase()
    );
  }

  #describe(body: Buffer): void {
    const { id, schema, table } = parseTableName(body);
    if (this.#isOurs(schema, table)) this.#maps.set(id, parseTableMap(body, this.#options.isMariaDb));
    else this.#maps.delete(id);
  }

  #rows(event: RowsEvent, timeMs: number, bytes: number): RowRead[] {
    const map = this.#maps.get(event.tableId);
    if (map === undefined) return [];
    if (map.columns === undefined)
      throw setupError(
        'The binary log does not say how the table’s columns are called.',
        `As an administrator: SET GLOBAL binlog_row_metadata = 'FULL'; what was written before stays without names: give the trigger another \`name\`, which begins anew.`,
      );
    const reader = new ByteReader(event.rows);
    const reads: RowRead[] = [];
    while (reader.left > 0) {
      const omitted = new Set<string>();
      const first = this.#row(reader, map, event.before);
      const second = event.action === 'update' ? this.#row(reader, map, event.after) : undefined;
      const next = event.action === 'insert' ? first : second;
      const former = event.action === 'insert' ? undefined : first;
      for (const { name } of map.columns) {
        if (next === undefined || Object.hasOwn(next, name)) continue;
        // Where only what changed is logged, the rest is as before.
        if (former !== undefined && Object.hasOwn(former, name)) putColumn(next, name, former[name]);
        else omitted.add(name);
      }
      // Twice: what an update did not log is taken from before.
      const change = {
        next,
        former,
        omitted,
        timeMs,
        bytes: 2 * event.rows.length + event.columns * COLUMN_BYTES,
      };
      const read = this.#event(event.action, map, change);
      if (read !== undefined) reads.push({ ...read, bytes: Math.ceil(bytes / (reads.length + 1)) });
    }
    return reads;
  }

  #row(reader: ByteReader, { columns }: TableMap, present: Buffer): Row {
    const there = columns!.filter((_, at) => hasBit(present, at));
    const nulls = reader.slice((there.length + 7) >> 3);
    const row: Row = {};
    there.forEach((column, at) => {
      putColumn(row, column.name, hasBit(nulls, at) ? null : readValue(reader, column, this.#options.sets));
    });
    return row;
  }

  /** Counts every change, wanted or not: settings may change between two readings of the same one. */
  #event(
    action: TableAction,
    { schema, table, primaryKey }: Pick<TableMap, 'schema' | 'table' | 'primaryKey'>,
    change: {
      readonly next?: Row | undefined;
      readonly former?: Row | undefined;
      readonly omitted?: Set<string>;
      readonly timeMs: number;
      readonly bytes?: number;
    },
  ): Extract<RowRead, { kind: 'event' }> | undefined {
    const { settings, trigger, name } = this.#options;
    const transaction = this.#transaction;
    if (transaction === undefined) throw new RangeError('a change outside of a transaction');
    const index = transaction.index;
    transaction.index += 1;
    if (!settings.actions.includes(action)) return undefined;
    const { next, former, omitted = new Set(), timeMs, bytes = 0 } = change;
    const { gtid, depth } = transaction;
    const event = toRowEvent(
      {
        ...{ action, schema, table, key: keyOfRow(primaryKey, former, next) },
        ...{ new: this.#listed(next), old: this.#listed(former), omitted: this.#listedNames(omitted), bytes },
      },
      {
        ...{ kind: 'mysql', trigger, id: `${name}/${gtid}/${index}`, timeMs, depth },
        details: { gtid },
      },
    );
    return { kind: 'event', event, depth, bytes: 0 };
  }

  #listed(row: Row | undefined): Row | undefined {
    const { columns } = this.#options.settings;
    if (row === undefined || columns === undefined) return row;
    const listed: Row = {};
    for (const name of columns) if (Object.hasOwn(row, name)) putColumn(listed, name, row[name]);
    return listed;
  }

  #listedNames(names: Set<string>): Set<string> {
    const { columns } = this.#options.settings;
    return columns === undefined ? names : new Set(columns.filter((name) => names.has(name)));
  }

  #query(
    { schema, sql }: Extract<BinlogEvent, { kind: 'query' }>,
    timeMs: number,
    nextPlace: number,
  ): RowRead[] {
    const statement = readStatement(sql, schema);
    const transaction = this.#transaction;
    if (transaction === undefined) return [];
    switch (statement.kind) {
      case 'begin':
        transaction.isOpen = true;
        return [];
      case 'end':
        return [this.#commit(nextPlace)];
      case 'truncate': {
        const read = this.#isOurs(statement.schema, statement.table)
          ? this.#event('truncate', { ...statement, primaryKey: [] }, { timeMs })
          : undefined;
        return [...(read === undefined ? [] : [read]), ...this.#endOfSingle(nextPlace)];
      }
      case 'change':
        if (statement.mentions(this.#options.table.schema, this.#options.table.table))
          throw this.#lost(
            'A session changed the table with binlog_format other than ROW, so that the binary log has the statement and not the rows',
            ` (${transaction.gtid})`,
          );
        return this.#endOfSingle(nextPlace);
      case 'other':
        return this.#endOfSingle(nextPlace);
    }
  }

  #endOfSingle(nextPlace: number): RowRead[] {
    return this.#transaction?.isOpen === true ? [] : [this.#commit(nextPlace)];
  }

  #commit(nextPlace: number): RowRead {
    if (this.#transaction !== undefined) this.#options.gtids.add(this.#transaction.gtid);
    this.#transaction = undefined;
    return { kind: 'commit', end: { gtids: this.#options.gtids.text(), file: this.#file, at: nextPlace } };
  }

  /** A function says which event led to its statement: in a comment that the statement begins with. */
  #tellDepth(sql: string): void {
    const depth = Number(/^\s*\/\*\s*lambent:(\d{1,9})\s*\*\//.exec(sql)?.[1] ?? Number.NaN);
    if (this.#transaction !== undefined && depth < DEPTH_MAX) this.#transaction.depth = depth + 1;
  }

  #lost(what: string, where: string): LambentError {
    return new LambentError('E_BINLOG_LOST', `${what}${where}: such changes cannot come as events.`);
  }
}
