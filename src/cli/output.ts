import type { Terminal, TextSink } from './terminal.ts';

type Paint = (text: string) => string;

/** Colours, where they help a person; the plain text otherwise. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
  readonly colours: boolean;
}

/** Colours only on a terminal that can show them, and never with NO_COLOR (https://no-color.org). */
export function createStyle(sink: TextSink, env: Terminal['env']): Style {
  const colours = sink.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
  const paint =
    (open: number, close: number): Paint =>
    (text) =>
      colours && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
    colours,
  };
}

/** Text from elsewhere, safe to show: what would steer the terminal is shown as `\x1b` and the like. Keeps tabs. */
export function visible(text: string): string {
  return text.replace(
    /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** As `visible`, but colours (SGR sequences) pass when `colours`, closed at the end; they are dropped otherwise. */
export function visibleWithColours(text: string, colours: boolean): string {
  const parts = text.split(/(\x1b\[[0-9;:]*m)/);
  if (parts.length === 1) return visible(text);
  const shown = parts.map((part, index) => (index % 2 === 0 ? visible(part) : colours ? part : ''));
  return colours ? `${shown.join('')}\x1b[0m` : shown.join('');
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Paints a cell after it was padded. */
  readonly paint?: (text: string, cell: string) => string;
}

/** Columns of equal width, two spaces apart, the titles dimmed. Cells are made safe to show. Ends with a newline. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
): string {
  const cells = rows.map((row) => row.map(visible));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => (row[index] ?? '').length)),
  );
  const pad = (text: string, index: number): string => {
    const width = widths[index] ?? 0;
    if (columns[index]?.align === 'right') return text.padStart(width);
    return index === columns.length - 1 ? text : text.padEnd(width);
  };
  const head = columns.map((column, index) => style.dim(pad(column.title, index))).join('  ');
  const body = cells.map((row) =>
    columns
      .map((column, index) => {
        const padded = pad(row[index] ?? '', index);
        return column.paint === undefined ? padded : column.paint(padded, row[index] ?? '');
      })
      .join('  '),
  );
  return `${[head, ...body].map((line) => line.trimEnd()).join('\n')}\n`;
}

/** One JSON document; indented for people, on one line for programs. */
export function printJson(out: TextSink, value: unknown): void {
  out.write(`${JSON.stringify(value, undefined, out.isTerminal ? 2 : undefined)}\n`);
}

/** `2026-11-23 09:05:01`, in local time. */
export function formatTime(epochMs: number): string {
  const date = new Date(epochMs);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatClock(epochMs)}`;
}

/** `09:05:01`, in local time. */
export function formatClock(epochMs: number): string {
  const date = new Date(epochMs);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `0.4 ms`, `84 ms`, `1.2 s`, `3 min 5 s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 9.95) return `${durationMs.toFixed(1)} ms`;
  if (durationMs < 999.5) return `${Math.round(durationMs)} ms`;
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `1 function`, `2 functions`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
