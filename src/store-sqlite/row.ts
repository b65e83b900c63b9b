import { LambentError } from '../base/errors.ts';

/** A row as the driver gives it. Every value is checked as it is taken out: a database file is outside input. */
export type Row = Readonly<Record<string, unknown>>;

export function textOf(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : refuse(column, 'text', value);
}

export function optionalTextOf(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : textOf(row, column);
}

export function numberOf(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : refuse(column, 'a number', value);
}

export function optionalNumberOf(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : numberOf(row, column);
}

export function bytesOf(row: Row, column: string): Uint8Array<ArrayBuffer> {
  const value = row[column];
  return value instanceof Uint8Array ? (value as Uint8Array<ArrayBuffer>) : refuse(column, 'bytes', value);
}

/** Text that only this program writes, parsed; damage to it is damage to the store. */
export function jsonOf(row: Row, column: string): unknown {
  const text = textOf(row, column);
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new LambentError('E_STORE_DAMAGED', `A stored row holds no valid JSON in column ${column}.`, {
      cause: thrown,
    });
  }
}

function refuse(column: string, wanted: string, value: unknown): never {
  throw new LambentError(
    'E_STORE_DAMAGED',
    `A stored row holds ${value === null ? 'nothing' : typeof value} in column ${column} instead of ${wanted}.`,
  );
}
