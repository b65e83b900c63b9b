import { LambentError } from '../base/errors.ts';
import type { InstanceId, InvocationId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from '../model/function.ts';
import {
  INVOCATION_STATUSES,
  type InvocationError,
  type InvocationRecord,
  TRIGGER_KINDS,
} from '../model/invocation.ts';
import { type AsciiFolded, ByteReader, NumberColumn, StringTable } from './byte-columns.ts';
import { PART, REST_COLUMNS } from './invocation-block.ts';
import { COLUMN, COLUMN_COUNT, type InvocationColumns, type Site } from './invocation-columns.ts';
import { unpackId } from './packed-ids.ts';

/** What a filter looks at. */
export class BlockKeys {
  readonly count: number;
  readonly sequence: NumberColumn;
  readonly arrivedMs: NumberColumn;
  readonly site: NumberColumn;
  readonly status: NumberColumn;
  readonly runUs: NumberColumn;
  readonly #siteTable: StringTable;
  #sites: readonly Site[] | undefined;

  constructor(part: Uint8Array<ArrayBuffer>) {
    const reader = new ByteReader(part);
    const count = reader.u32();
    this.count = count;
    // In the order of KEY_COLUMNS.
    this.sequence = reader.numbers(count);
    this.arrivedMs = reader.numbers(count);
    this.site = reader.numbers(count);
    this.status = reader.numbers(count);
    this.runUs = reader.numbers(count);
    this.#siteTable = reader.strings();
  }

  get sites(): readonly Site[] {
    this.#sites ??= parseSites(this.#siteTable.at(0));
    return this.#sites;
  }
}

function parseSites(text: string): Site[] {
  const sites = parseJson(text) as [AppName, FunctionName, VersionId, number][];
  return sites.map(([app, name, version, deployment]) => ({ app, function: name, version, deployment }));
}

/** What a search for text looks at. */
export interface BlockTexts {
  readonly summary: NumberColumn;
  readonly summaries: StringTable;
  readonly error: NumberColumn;
  readonly errorTypes: StringTable;
  readonly errorMessages: StringTable;
  readonly requestId: NumberColumn;
  readonly requestIds: StringTable;
}

export function decodeTexts(part: Uint8Array<ArrayBuffer>, count: number): BlockTexts {
  const reader = new ByteReader(part);
  return {
    summary: reader.numbers(count),
    summaries: reader.strings(),
    error: reader.numbers(count),
    errorTypes: reader.strings(),
    errorMessages: reader.strings(),
    // Blocks of format 1 end before them.
    requestId: reader.ended ? NumberColumn.zeros(count) : reader.numbers(count),
    requestIds: reader.ended ? StringTable.empty() : reader.strings(),
  };
}

/** The trigger of each row: the first of the columns of the rest. */
export function decodeTriggers(part: Uint8Array<ArrayBuffer>, count: number): Float64Array<ArrayBuffer> {
  return new ByteReader(part).numbers(count).values();
}

/** 1 for each row whose summary, caller's request id, or error's type or message holds the text; `undefined`: none does. */
export function matchTexts(texts: BlockTexts, text: AsciiFolded): Uint8Array | undefined {
  const inSummaries = texts.summaries.matches(text);
  const inTypes = texts.errorTypes.matches(text);
  const inMessages = texts.errorMessages.matches(text);
  const inRequestIds = texts.requestIds.matches(text);
  if (![inSummaries, inTypes, inMessages, inRequestIds].some((found) => found.includes(1))) return undefined;
  const summary = texts.summary.values();
  const errors = texts.error.values();
  const requestIds = texts.requestId.values();
  const rows = new Uint8Array(summary.length);
  for (let row = 0; row < rows.length; row += 1) {
    const error = errors[row]! - 1;
    const requestId = requestIds[row]! - 1;
    rows[row] =
      inSummaries[summary[row]!]! |
      (error < 0 ? 0 : inTypes[error]! | inMessages[error]!) |
      (requestId < 0 ? 0 : inRequestIds[requestId]!);
  }
  return rows;
}

/** A whole stored block. Numbers and strings are unpacked only as they are asked for. */
export class BlockView {
  readonly count: number;
  readonly #keys: BlockKeys;
  readonly #texts: BlockTexts;
  readonly #ids: Uint8Array<ArrayBuffer>;
  /** By place in COLUMN. */
  readonly #columns: readonly NumberColumn[];
  readonly #instances: StringTable;
  readonly #errorCodes: StringTable;
  readonly #errorStacks: StringTable;

  /** @param parts by place in PART */
  constructor(parts: readonly Uint8Array<ArrayBuffer>[]) {
    const keys = new BlockKeys(parts[PART.keys]!);
    const { count } = keys;
    const texts = decodeTexts(parts[PART.texts]!, count);
    const rest = new ByteReader(parts[PART.rest]!);
    const columns: NumberColumn[] = new Array(COLUMN_COUNT);
    columns[COLUMN.sequence] = keys.sequence;
    columns[COLUMN.arrivedMs] = keys.arrivedMs;
    columns[COLUMN.site] = keys.site;
    columns[COLUMN.status] = keys.status;
    columns[COLUMN.runUs] = keys.runUs;
    columns[COLUMN.summary] = texts.summary;
    columns[COLUMN.error] = texts.error;
    columns[COLUMN.callerRequestId] = texts.requestId;
    for (const column of REST_COLUMNS) columns[column] = rest.numbers(count);
    this.count = count;
    this.#keys = keys;
    this.#texts = texts;
    this.#columns = columns;
    this.#ids = parts[PART.ids]!;
    if (this.#ids.byteLength !== count * 16) damaged();
    this.#instances = rest.strings();
    this.#errorCodes = rest.strings();
    this.#errorStacks = rest.strings();
  }

  /** One record, as it was. */
  record(row: number): InvocationRecord {
    const at = (column: number): number => this.#columns[column]!.at(row);
    const site = this.#keys.sites[at(COLUMN.site)] ?? damaged();
    const instance = at(COLUMN.instance);
    const error = at(COLUMN.error);
    const requestId = at(COLUMN.callerRequestId);
    return {
      id: unpackId(this.#ids, row) as InvocationId,
      app: site.app,
      function: site.function,
      version: site.version,
      deployment: site.deployment,
      trigger: TRIGGER_KINDS[at(COLUMN.trigger)] ?? damaged(),
      status: INVOCATION_STATUSES[at(COLUMN.status)] ?? damaged(),
      cold: at(COLUMN.cold) === 1,
      instance: instance === 0 ? undefined : (this.#instances.at(instance - 1) as InstanceId),
      arrivedMs: at(COLUMN.arrivedMs),
      queueUs: at(COLUMN.queueUs),
      startUs: at(COLUMN.startUs),
      runUs: at(COLUMN.runUs),
      billedMs: at(COLUMN.billedMs),
      memoryMb: at(COLUMN.memoryMb),
      memoryPeakMb: at(COLUMN.memoryPeakMb),
      httpStatus: at(COLUMN.httpStatus),
      summary: this.#texts.summaries.at(at(COLUMN.summary)),
      callerRequestId: requestId === 0 ? undefined : this.#texts.requestIds.at(requestId - 1),
      attempt: at(COLUMN.attempt),
      error: error === 0 ? undefined : this.#error(error - 1),
    };
  }

  /** Everything, to be gathered into new blocks. */
  columns(): InvocationColumns {
    const { count } = this;
    const numbers = new Float64Array(COLUMN_COUNT * count);
    this.#columns.forEach((column, place) => {
      numbers.set(column.values(), place * count);
    });
    const ids: string[] = [];
    for (let row = 0; row < count; row += 1) ids.push(unpackId(this.#ids, row));
    return {
      count,
      numbers,
      sites: this.#keys.sites,
      instances: this.#instances.all(),
      summaries: this.#texts.summaries.all(),
      requestIds: this.#texts.requestIds.all(),
      errors: this.#errorCodes.all().map((_, index) => this.#error(index)),
      ids: ids.join(''),
    };
  }

  #error(index: number): InvocationError {
    return {
      code: this.#errorCodes.at(index) as InvocationError['code'],
      errorType: this.#texts.errorTypes.at(index),
      errorMessage: this.#texts.errorMessages.at(index),
      stackTrace: parseJson(this.#errorStacks.at(index)) as string[],
    };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return damaged();
  }
}

function damaged(): never {
  throw new LambentError('E_STORE_DAMAGED', 'A block of invocations does not hold what its counts say.');
}
