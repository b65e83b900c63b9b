import { StateFailure } from './failure.ts';
import { fieldOf, isObject, type Json, type JsonObject, setField } from './json-value.ts';

/** Items of one distributed Map. AWS has no such figure for files; here they are held in memory. */
const ITEMS_MAX = 1_000_000;
const DELIMITERS: Readonly<Record<string, string>> = {
  COMMA: ',',
  PIPE: '|',
  SEMICOLON: ';',
  SPACE: ' ',
  TAB: '\t',
};

const failed = (reason: string): StateFailure => new StateFailure('States.ItemReaderFailed', reason);

/** The items in a file by ReaderConfig, as `$$.Map.Item` of each iteration. */
export function itemsOfFile(text: string, config: JsonObject, source: string): JsonObject[] {
  const max = typeof config.MaxItems === 'number' && config.MaxItems > 0 ? config.MaxItems : ITEMS_MAX;
  const items = readItems(text, config, max);
  if (items.length > ITEMS_MAX) throw failed(`The file has more than ${ITEMS_MAX} items.`);
  return items.slice(0, max).map((item, Index) => ({ Index, ...item, Source: source }));
}

function readItems(text: string, config: JsonObject, max: number): JsonObject[] {
  const valued = (values: readonly Json[]): JsonObject[] => values.map((Value) => ({ Value }));
  switch (config.InputType) {
    case 'CSV':
      return valued(csvItems(text, config, max));
    case 'JSONL':
      return valued(
        text
          .split(/\r?\n/)
          .filter((line) => line.trim() !== '')
          .map((line) => parseJson(line)),
      );
    case undefined:
    case 'JSON':
    // What a manifest names, and the rows of Parquet, have been read and are a list by now.
    case 'MANIFEST':
    case 'PARQUET':
      return jsonItems(parseJson(text), config);
    default:
      throw failed(
        `ItemReader does not read ${String(config.InputType)} here; it reads CSV, JSON, JSONL, Parquet and manifests.`,
      );
  }
}

function jsonItems(whole: Json, config: JsonObject): JsonObject[] {
  let at: Json | undefined = whole;
  if (typeof config.ItemsPointer === 'string') {
    for (const part of config.ItemsPointer.split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      at = Array.isArray(at) ? at[Number(name)] : isObject(at) ? fieldOf(at, name) : undefined;
    }
  }
  if (Array.isArray(at)) return at.map((Value) => ({ Value }));
  if (isObject(at)) return Object.entries(at).map(([Key, Value]) => ({ Key, Value: { Key, Value } }));
  throw failed('Attempting to map over non-iterable node.');
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (thrown) {
    throw failed(`The file is not JSON: ${(thrown as Error).message}`);
  }
}

function csvItems(text: string, config: JsonObject, max: number): Json[] {
  const rows = csvRows(text, DELIMITERS[String(config.CSVDelimiter ?? 'COMMA')] ?? ',');
  const headers =
    config.CSVHeaderLocation === 'GIVEN' ? (config.CSVHeaders as string[] | undefined) : rows.shift();
  if (headers === undefined) throw failed('The CSV file has no headers.');
  if (new Set(headers).size < headers.length) throw failed('CSV headers cannot contain duplicates.');
  return rows.slice(0, max).map((row) => {
    const item: JsonObject = {};
    for (const [index, header] of headers.entries()) setField(item, header, row[index] ?? '');
    return item;
  });
}

/** RFC 4180: fields in double quotes may hold anything, two double quotes are one. Empty lines are no rows. */
function csvRows(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  const endRow = (): void => {
    if (row.length > 0 || field !== '') rows.push([...row, field]);
    row = [];
    field = '';
  };
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') {
        field += '"';
        at += 1;
      } else quoted = false;
    } else if (char === '"' && field === '') quoted = true;
    else if (char === delimiter) {
      row.push(field);
      field = '';
    } else if (char === '\n') endRow();
    else if (char !== '\r') field += char;
  }
  endRow();
  return rows;
}
