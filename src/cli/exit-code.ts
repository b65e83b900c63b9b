import type { ErrorCode } from '../base/errors.ts';

/** How `lambent` ends. Scripts rely on these numbers: they are documented in docs/cli.md and do not change. */
export const EXIT = {
  ok: 0,
  /** The operation was understood, and failed. */
  failed: 1,
  /** The command line was not understood. */
  usage: 2,
  /** No Lambent answers at the address. */
  unreachable: 3,
  /** The server wants a token, or another one. */
  unauthenticated: 4,
  /** `invoke`: the platform did its part, and the function failed. */
  functionFailed: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_ERROR: Partial<Record<string, ExitCode>> = {
  E_USAGE: EXIT.usage,
  E_UNREACHABLE: EXIT.unreachable,
  E_UNAUTHENTICATED: EXIT.unauthenticated,
} satisfies Partial<Record<ErrorCode, ExitCode>>;

/** The exit code for an error's code. A server may be newer than this program: unknown codes are failures. */
export function exitCodeOf(errorCode: string): ExitCode {
  return BY_ERROR[errorCode] ?? EXIT.failed;
}

/** What `--help` says about them. */
export const EXIT_CODE_TEXT: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'the operation failed'],
  [EXIT.usage, 'the command line is not understood'],
  [EXIT.unreachable, 'no Lambent answers at the address'],
  [EXIT.unauthenticated, 'the server wants a valid token'],
  [EXIT.functionFailed, 'the invoked function failed'],
];
