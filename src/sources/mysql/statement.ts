/**
 * Statements of the binary log, as far as they concern a reader of rows: where transactions begin and end, `TRUNCATE`,
 * and changes that came as statements although rows were wanted.
 */
export type Statement =
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  | { readonly kind: 'truncate'; readonly schema: string; readonly table: string }
  /** It changes rows. `mentions`: whether this table's name stands in it, where it can mean that of this schema. */
  | { readonly kind: 'change'; readonly mentions: (schema: string, table: string) => boolean }
  | { readonly kind: 'other' };

const NAME = '(`(?:[^`]|``)+`|"(?:[^"]|"")+"|[^\\s.`"/;]+)';
const TRUNCATE = new RegExp(`^TRUNCATE\\s+(?:TABLE\\s+)?${NAME}(?:\\s*\\.\\s*${NAME})?`, 'i');
const CHANGE = /^(?:INSERT|UPDATE|DELETE|REPLACE|LOAD|MERGE|WITH|CALL|SELECT)\b/i;
/** Comments and white space before a statement; those that the server runs (`/*!`) are none. */
const BEFORE = /^(?:\s+|\/\*(?![!M])[\s\S]*?\*\/|--\s[^\n]*(?:\n|$)|#[^\n]*(?:\n|$))+/;

export function readStatement(sql: string, schema: string): Statement {
  const text = sql.replace(BEFORE, '');
  if (/^(?:BEGIN|XA\s+START)\b/i.test(text)) return { kind: 'begin' };
  if (/^(?:COMMIT|ROLLBACK\s*$)/i.test(text)) return { kind: 'end' };
  const truncate = TRUNCATE.exec(text);
  if (truncate !== null) {
    const [, first = '', second] = truncate;
    return second === undefined
      ? { kind: 'truncate', schema, table: unquote(first) }
      : { kind: 'truncate', schema: unquote(first), table: unquote(second) };
  }
  if (!CHANGE.test(text)) return { kind: 'other' };
  const current = schema.toLowerCase();
  return {
    kind: 'change',
    mentions: (wanted, table) =>
      hasWord(text, table) && (current === wanted.toLowerCase() || hasWord(text, wanted)),
  };
}

/** Whether a name stands there as a whole, in whatever case. */
function hasWord(text: string, name: string): boolean {
  return new RegExp(`(?<![\\w$])${RegExp.escape(name)}(?![\\w$])`, 'i').test(text);
}

function unquote(name: string): string {
  const quote = name[0];
  if (quote !== '`' && quote !== '"') return name;
  return name.slice(1, -1).replaceAll(quote + quote, quote);
}
