import { readFileSync } from 'node:fs';

/** The longest part of a source line that is shown, in characters. */
const LINE_SHOWN_MAX = 160;

/** One line of a file, counted from 1; `undefined` when there is none. */
export function sourceLine(path: string, line: number): string | undefined {
  try {
    return readFileSync(path, 'utf8').split('\n')[line - 1]?.replace(/\r$/, '');
  } catch {
    return undefined;
  }
}

/** The line with a caret below the column, cut where it is very long. */
export function pointAt(source: string, column: number): string {
  const from = column > LINE_SHOWN_MAX - 20 ? column - LINE_SHOWN_MAX / 2 : 0;
  const shown = source.slice(from, from + LINE_SHOWN_MAX);
  const indent = shown.slice(0, Math.max(0, column - 1 - from)).replaceAll(/[^\t]/g, ' ');
  return `  ${shown}\n  ${indent}^`;
}
