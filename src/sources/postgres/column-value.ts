/**
 * PostgreSQL's values as JSON. Whatever JSON's numbers cannot hold stays text: `int8`, `numeric` and `money`, and
 * `NaN` and the infinities of floats. Times are ISO 8601, `timestamptz` in UTC, with microseconds where there are any. `bytea` is base64.
 * Arrays are lists. All other types are the text that PostgreSQL writes.
 */

/** Nested lists of one array: PostgreSQL's own limit is 6. */
const ARRAY_DEPTH_MAX = 6;

export type Form = 'boolean' | 'integer' | 'number' | 'text' | 'json' | 'bytes' | 'instant' | 'time';

/** Built-in types whose form is not text, by object id. Source: src/include/catalog/pg_type.dat of PostgreSQL 15. */
const FORMS: ReadonlyMap<number, Form> = new Map([
  [16, 'boolean'],
  [17, 'bytes'],
  [21, 'integer'],
  [23, 'integer'],
  [26, 'integer'],
  [700, 'number'],
  [701, 'number'],
  [114, 'json'],
  [3802, 'json'],
  [1114, 'time'],
  [1184, 'instant'],
]);

/** Built-in array types with the type of their elements. */
const ELEMENTS: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1001, 17],
  [1002, 18],
  [1003, 19],
  [1005, 21],
  [1007, 23],
  [1028, 26],
  [1021, 700],
  [1022, 701],
  [199, 114],
  [3807, 3802],
  [1115, 1114],
  [1185, 1184],
  [1016, 20],
  [1009, 25],
  [1014, 1042],
  [1015, 1043],
  [1231, 1700],
  [791, 790],
  [2951, 2950],
  [1182, 1082],
  [1183, 1083],
  [1270, 1266],
  [1187, 1186],
  [1041, 869],
  [651, 650],
  [1040, 829],
]);

/** What becomes of the values of a type. */
export function formOf(type: number, arrayTypes: ReadonlySet<number>): Form | 'list' {
  return ELEMENTS.has(type) || arrayTypes.has(type) ? 'list' : (FORMS.get(type) ?? 'text');
}

/** The JSON value of a column's text. `arrayTypes`: types of the database's own that are arrays. */
export function toJsonValue(text: string | null, type: number, arrayTypes: ReadonlySet<number>): unknown {
  if (text === null) return null;
  const element = ELEMENTS.get(type) ?? (arrayTypes.has(type) ? 25 : undefined);
  return element === undefined ? toScalar(text, FORMS.get(type) ?? 'text') : parseArray(text, element);
}

function toScalar(text: string, form: Form): unknown {
  switch (form) {
    case 'boolean':
      return text === 't';
    case 'integer':
    case 'number':
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case 'json':
      return JSON.parse(text) as unknown;
    case 'bytes':
      return text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex').toString('base64') : text;
    // The connection says that the time zone is UTC; `infinity` and years before Christ stay as they are.
    case 'instant':
      return text.replace(/^(\d{4,}-\d\d-\d\d) ([\d:.]+)\+00$/, '$1T$2Z');
    case 'time':
      return text.replace(/^(\d{4,}-\d\d-\d\d) ([\d:.]+)$/, '$1T$2');
    case 'text':
      return text;
  }
}

/** `{1,NULL,"a \"b\""}`, nested, perhaps with bounds before: `[0:1]={1,2}`. */
function parseArray(text: string, element: number): unknown {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  const form = FORMS.get(element) ?? 'text';
  const separator = ',';
  const readList = (depth: number): unknown[] => {
    if (depth > ARRAY_DEPTH_MAX || text[at] !== '{') throw new RangeError('an array that is none');
    at += 1;
    const list: unknown[] = [];
    while (text[at] !== '}') {
      list.push(text[at] === '{' ? readList(depth + 1) : readElement());
      if (text[at] === separator) at += 1;
      else if (text[at] !== '}') throw new RangeError('an array without an end');
    }
    at += 1;
    return list;
  };
  const readElement = (): unknown => {
    if (text[at] !== '"') {
      const start = at;
      while (at < text.length && text[at] !== separator && text[at] !== '}') at += 1;
      const plain = text.slice(start, at);
      return plain === 'NULL' ? null : toScalar(plain, form);
    }
    let value = '';
    for (at += 1; text[at] !== '"'; at += 1) {
      if (at >= text.length) throw new RangeError('a text without an end');
      if (text[at] === '\\') at += 1;
      value += text[at];
    }
    at += 1;
    return toScalar(value, form);
  };
  const list = readList(1);
  if (at !== text.length) throw new RangeError('an array with something behind it');
  return list;
}
