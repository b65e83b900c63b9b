import type { FailureMessage } from '../../src/model/frames.ts';

const STACK_LINES_MAX = 50;
const TEXT_CHARS_MAX = 16 * 1024;

/**
 * What a program reports of an error: JSON with `errorType`, `errorMessage` and `stackTrace` (some runtimes write
 * `trace`), and the type in a header where the body has none. A body that is no such JSON is the message itself.
 * `"retryable": false` in it says that another attempt would fail as well.
 */
export function parseErrorReport(
  body: Buffer,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Omit<FailureMessage, 'code'> {
  const text = body.toString('utf8');
  const report = parseObject(text);
  const named = headers['lambda-runtime-function-error-type'];
  const errorType = textOf(report?.errorType) ?? (typeof named === 'string' ? named : undefined);
  const lines = report?.stackTrace ?? report?.trace;
  return {
    errorType: (errorType ?? 'Runtime.UnknownReason').slice(0, 256),
    errorMessage: (report === undefined ? text : (textOf(report.errorMessage) ?? '')).slice(
      0,
      TEXT_CHARS_MAX,
    ),
    stackTrace: (Array.isArray(lines) ? lines : typeof lines === 'string' ? lines.split('\n') : [])
      .slice(0, STACK_LINES_MAX)
      .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)).trim()),
    ...(report?.retryable === false ? { retryable: false } : {}),
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return value === undefined || value === null
    ? undefined
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
}
