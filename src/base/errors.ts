import type { ErrorFacts } from './error-facts.ts';
import { ERROR_TABLE, type ErrorCode } from './error-table.ts';

export type { ErrorFacts } from './error-facts.ts';
export type { ErrorCode } from './error-table.ts';

export interface ErrorOptions {
  /** What to do next in this very case; the table's general hint when left out. */
  hint?: string;
  /** Facts for machines (file, line, limit …). Never secrets. */
  details?: Record<string, unknown>;
  cause?: unknown;
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  retryAfterS?: number;
}

/** The shape of an error on the wire: API bodies, `--json`, stored records. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  fault: ErrorFacts['fault'];
  retryable: boolean;
  hint: string;
  details?: Record<string, unknown>;
}

/**
 * An operating error: something that can happen to a correct platform. A broken invariant is not one; it
 * throws an `AssertionError`. The code decides HTTP status, fault and general hint through one table.
 */
export class LambentError extends Error {
  override readonly name = 'LambentError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? ERROR_TABLE[code].hint;
    this.details = options.details;
    this.retryAfterS = options.retryAfterS;
  }

  get facts(): ErrorFacts {
    return ERROR_TABLE[this.code];
  }

  toRecord(): ErrorRecord {
    const { fault, retryable } = this.facts;
    const record: ErrorRecord = { code: this.code, message: this.message, fault, retryable, hint: this.hint };
    if (this.details !== undefined) record.details = this.details;
    return record;
  }
}

/** Any thrown value as a `LambentError`: itself, or `E_INTERNAL` with the original as its cause. */
export function toLambentError(thrown: unknown): LambentError {
  if (thrown instanceof LambentError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new LambentError('E_INTERNAL', message, { cause: thrown });
}
