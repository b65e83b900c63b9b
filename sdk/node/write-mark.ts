import type { CloudEvent } from './emit.ts';

/** SQL with which a function says which event led it to write: only so does a loop through a table end by itself. */
export interface WriteMark {
  /** For PostgreSQL: a statement, within the transaction and before its changes. */
  readonly postgres: string;
  /** For MariaDB and MySQL: a comment that each statement begins with. */
  readonly comment: string;
}

/**
 * For a function that writes to the table that triggers it, as in `await client.query(writeMark(event).postgres)` after
 * `BEGIN`. Of an event that came from no table the chain begins anew.
 */
export function writeMark(event: Pick<CloudEvent, 'type'>): WriteMark {
  const { lambentdepth: given } = event as { readonly lambentdepth?: unknown };
  const depth = Number.isSafeInteger(given) && (given as number) > 0 ? (given as number) : 0;
  return {
    postgres: `SELECT pg_logical_emit_message(true, 'lambent', '${depth}')`,
    comment: `/* lambent:${depth} */`,
  };
}
