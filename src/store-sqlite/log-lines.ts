import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { InstanceId, InvocationId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from '../model/function.ts';
import type { LogLine, LogSeverity, LogStream } from '../model/invocation.ts';
import type { LogFilter } from '../ports/telemetry-store.ts';
import { numberOf, optionalTextOf, type Row, textOf } from './row.ts';

/** Most lines of one answer. */
export const LINES_PAGE_MAX = 10_000;
/** Longest text to look for, in characters. */
export const TEXT_FILTER_CHARS_MAX = 1_000;
/** An app (or a function's name over all apps) with more functions than this is searched line by line. */
const FUNCTIONS_MERGED_MAX = 64;

/** Order is stored: append only. Rises with severity. */
const LOG_SEVERITIES: readonly LogSeverity[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
/** Order is stored: append only. */
const LOG_STREAMS: readonly LogStream[] = ['stdout', 'stderr', 'platform'];

/**
 * Lines on their way to the store: what repeats is said once, so that the gateway's thread copies little.
 * Texts are one string, because thousands of short ones take many times longer to hand over.
 */
export interface LineBatch {
  readonly count: number;
  /** Six numbers a line: time, severity, stream, place in `origins`, place in `invocations` plus 1, end in `text`. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly origins: readonly LineOrigin[];
  readonly invocations: readonly string[];
  readonly text: string;
}

interface LineOrigin {
  readonly app: string;
  readonly function: string;
  readonly version: string;
  readonly instance: string | undefined;
}

const NUMBERS_A_LINE = 6;

/** Runs on the gateway's thread. */
export function batchLines(lines: readonly LogLine[]): LineBatch {
  const numbers = new Float64Array(lines.length * NUMBERS_A_LINE);
  const origins: LineOrigin[] = [];
  const originPlaces = new Map<string, number>();
  const invocations: string[] = [];
  let last: LogLine | undefined;
  let origin = 0;
  let text = '';
  let at = 0;
  for (const line of lines) {
    if (last === undefined || !hasSameOrigin(line, last)) {
      const key = `${line.app}/${line.function}/${line.version}/${line.instance ?? ''}`;
      const known = originPlaces.get(key);
      origin = known ?? origins.length;
      if (known === undefined) {
        originPlaces.set(key, origin);
        const { app, function: name, version, instance } = line;
        origins.push({ app, function: name, version, instance });
      }
    }
    if (line.invocation !== undefined && line.invocation !== invocations.at(-1))
      invocations.push(line.invocation);
    text += line.text;
    numbers[at] = line.timeMs;
    numbers[at + 1] = LOG_SEVERITIES.indexOf(line.severity);
    numbers[at + 2] = LOG_STREAMS.indexOf(line.stream);
    numbers[at + 3] = origin;
    numbers[at + 4] = line.invocation === undefined ? 0 : invocations.length;
    numbers[at + 5] = text.length;
    at += NUMBERS_A_LINE;
    last = line;
  }
  return { count: lines.length, numbers, origins, invocations, text };
}

function hasSameOrigin(line: LogLine, other: LogLine): boolean {
  return (
    line.instance === other.instance &&
    line.version === other.version &&
    line.function === other.function &&
    line.app === other.app
  );
}

/** Finds the small number of a function, giving it one when it is new. Not kept in memory: a rollback may undo it. */
export type FunctionNumbers = (app: string, name: string) => number;

export function createFunctionNumbers(db: DatabaseSync): FunctionNumbers {
  const find = db.prepare('SELECT id FROM telemetry_functions WHERE app = ? AND name = ?');
  const insert = db.prepare('INSERT INTO telemetry_functions (app, name) VALUES (?, ?) RETURNING id');
  return (app, name) => numberOf((find.get(app, name) ?? insert.get(app, name))!, 'id');
}

export function createLineWriter(db: DatabaseSync, functionNumber: FunctionNumbers) {
  const insert = db.prepare(`
    INSERT INTO log_lines (function, time_ms, severity, stream, version, instance, invocation, text)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const highest = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'log_lines'");
  const removeOlder = db.prepare(`
    DELETE FROM log_lines WHERE sequence IN (SELECT sequence FROM log_lines WHERE time_ms < ? LIMIT ?)`);
  const count = db.prepare('SELECT count(*) AS n FROM log_lines');
  const removeOldest = db.prepare(`
    DELETE FROM log_lines WHERE sequence IN (SELECT sequence FROM log_lines ORDER BY sequence LIMIT ?)`);

  return {
    insert(batch: LineBatch): void {
      const functions = batch.origins.map((origin) => functionNumber(origin.app, origin.function));
      const { numbers } = batch;
      let start = 0;
      for (let at = 0; at < numbers.length; at += NUMBERS_A_LINE) {
        const place = numbers[at + 3]!;
        const origin = batch.origins[place]!;
        const invocation = numbers[at + 4]!;
        const end = numbers[at + 5]!;
        insert.run(
          functions[place]!,
          numbers[at]!,
          numbers[at + 1]!,
          numbers[at + 2]!,
          origin.version,
          origin.instance ?? null,
          invocation === 0 ? null : batch.invocations[invocation - 1]!,
          batch.text.slice(start, end),
        );
        start = end;
      }
    },
    highestSequence(): number {
      const row = highest.get();
      return row === undefined ? 0 : numberOf(row, 'seq');
    },
    /** Deletes at most `limit` lines that are too old, or the oldest beyond `linesMax`; returns how many went. */
    prune(beforeMs: number, linesMax: number, limit: number): number {
      const aged = Number(removeOlder.run(beforeMs, limit).changes);
      if (aged === limit) return aged;
      const excess = numberOf(count.get()!, 'n') - linesMax;
      if (excess <= 0) return aged;
      return aged + Number(removeOldest.run(Math.min(excess, limit - aged)).changes);
    },
  };
}

const COLUMNS = `l.sequence, l.time_ms, l.severity, l.stream, l.version, l.instance, l.invocation, l.text,
  f.app, f.name`;
const FROM = 'FROM log_lines l CROSS JOIN telemetry_functions f ON f.id = l.function';

export function createLineReads(db: DatabaseSync) {
  const findFunctions = db.prepare(
    'SELECT id FROM telemetry_functions WHERE (?1 IS NULL OR app = ?1) AND (?2 IS NULL OR name = ?2)',
  );
  // A search has few shapes; each is prepared once.
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const statement = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };

  function query(search: LineSearch, order: 'ASC' | 'DESC', limit: number): LogLine[] {
    const where = search.conditions.length === 0 ? '' : `WHERE ${search.conditions.join(' AND ')}`;
    const sql = `SELECT ${COLUMNS} ${FROM} ${where} ORDER BY l.sequence ${order} LIMIT ?`;
    return prepare(sql)
      .all(...search.values, limit)
      .map(toLine);
  }

  /** In the order wanted: by sequence, up or down. */
  function find(filter: LogFilter, after: number | undefined, limit: number): LogLine[] {
    checkLimit(limit);
    checkText(filter.text);
    const order = after === undefined ? 'DESC' : 'ASC';
    const search = searchOf(filter, after);
    const { app, function: name } = filter;
    if (filter.invocation !== undefined) {
      // The index of invocations leads to a handful of lines; their function is looked at then.
      if (app !== undefined) search.add('f.app = ?', app);
      if (name !== undefined) search.add('f.name = ?', name);
      return query(search, order, limit);
    }
    if (app === undefined && name === undefined) return query(search, order, limit);
    const functions = findFunctions.all(app ?? null, name ?? null).map((row) => numberOf(row, 'id'));
    if (functions.length > FUNCTIONS_MERGED_MAX) {
      if (app !== undefined) search.add('f.app = ?', app);
      if (name !== undefined) search.add('f.name = ?', name);
      return query(search, order, limit);
    }
    return merge(search, functions, order, limit);
  }

  /** The lines of each function by its own index, then the first `limit` of all. */
  function merge(
    search: LineSearch,
    functions: readonly number[],
    order: 'ASC' | 'DESC',
    limit: number,
  ): LogLine[] {
    const direction = order === 'ASC' ? 1 : -1;
    let lines: LogLine[] = [];
    for (const id of functions) {
      const own = search.with('l.function = ?', id);
      lines.push(...query(own, order, limit));
      lines.sort((a, b) => direction * (a.sequence - b.sequence));
      lines = lines.slice(0, limit);
    }
    return lines;
  }

  return {
    tailLogs: (filter: LogFilter, limit: number): LogLine[] => find(filter, undefined, limit).reverse(),
    logsAfter: (filter: LogFilter, after: number, limit: number): LogLine[] => find(filter, after, limit),
  };
}

/** Conditions on lines with their values. Few shapes exist, so statements can be kept. */
class LineSearch {
  readonly conditions: string[] = [];
  readonly values: SQLInputValue[] = [];

  add(condition: string, value: SQLInputValue): void {
    this.conditions.push(condition);
    this.values.push(value);
  }

  with(condition: string, value: SQLInputValue): LineSearch {
    const copy = new LineSearch();
    copy.conditions.push(...this.conditions, condition);
    copy.values.push(...this.values, value);
    return copy;
  }
}

function searchOf(filter: LogFilter, after: number | undefined): LineSearch {
  const search = new LineSearch();
  if (filter.invocation !== undefined) search.add('l.invocation = ?', filter.invocation);
  if (after !== undefined) search.add('l.sequence > ?', after);
  if (filter.severityMin !== undefined)
    search.add('l.severity >= ?', LOG_SEVERITIES.indexOf(filter.severityMin));
  // The unary plus keeps the search in order of sequence: the index by time would have it sort everything.
  if (filter.fromMs !== undefined) search.add('+l.time_ms >= ?', filter.fromMs);
  if (filter.toMs !== undefined) search.add('+l.time_ms < ?', filter.toMs);
  if (filter.text !== undefined && filter.text !== '')
    search.add("l.text LIKE ? ESCAPE '\\'", `%${filter.text.replace(/[\\%_]/g, '\\$&')}%`);
  return search;
}

function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > LINES_PAGE_MAX)
    throw new LambentError('E_BAD_REQUEST', `An answer has 1 to ${LINES_PAGE_MAX} log lines.`);
}

export function checkText(text: string | undefined): void {
  if (text !== undefined && text.length > TEXT_FILTER_CHARS_MAX)
    throw new LambentError(
      'E_BAD_REQUEST',
      `A text to look for has at most ${TEXT_FILTER_CHARS_MAX} characters, not ${text.length}.`,
    );
}

function toLine(row: Row): LogLine {
  return {
    sequence: numberOf(row, 'sequence'),
    timeMs: numberOf(row, 'time_ms'),
    app: textOf(row, 'app') as AppName,
    function: textOf(row, 'name') as FunctionName,
    version: textOf(row, 'version') as VersionId,
    instance: optionalTextOf(row, 'instance') as InstanceId | undefined,
    invocation: optionalTextOf(row, 'invocation') as InvocationId | undefined,
    stream: LOG_STREAMS[numberOf(row, 'stream')] ?? 'platform',
    severity: LOG_SEVERITIES[numberOf(row, 'severity')] ?? 'info',
    text: textOf(row, 'text'),
  };
}
