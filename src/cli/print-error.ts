import { readFileSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { type ErrorRecord, LambentError, toLambentError } from '../base/errors.ts';
import { ServerError } from './api-client.ts';
import { createStyle, type Style, visible } from './output.ts';
import type { Terminal, TextSink } from './terminal.ts';

/** An error in the shape of the wire, wherever it came from. */
export function recordOf(thrown: unknown): ErrorRecord {
  if (thrown instanceof ServerError) return thrown.record;
  if (isFileError(thrown)) return new LambentError('E_FILE', thrown.message).toRecord();
  return toLambentError(thrown).toRecord();
}

/** What Node.js throws when the system refuses a file: no defect of Lambent. */
function isFileError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'syscall' in thrown && 'path' in thrown;
}

/** Prints what happened, where, and what to do next. `appFolder`: where relative file names in it begin. */
export function printError(terminal: Terminal, thrown: unknown, appFolder?: string): void {
  const { requestId, folder = appFolder ?? terminal.cwd } = thrown instanceof ServerError ? thrown : {};
  printRecord(terminal.err, createStyle(terminal.err, terminal.env), recordOf(thrown), folder, terminal.cwd);
  if (requestId !== undefined) terminal.err.write(`  request ${visible(requestId)}\n`);
  if (thrown instanceof Error && recordOf(thrown).code === 'E_INTERNAL') {
    const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
    terminal.err.write(`${(cause.stack ?? '').split('\n').slice(1, 9).map(visible).join('\n')}\n`);
  }
}

function printRecord(sink: TextSink, style: Style, record: ErrorRecord, folder: string, cwd: string): void {
  const message = record.message.split('\n').map(visible);
  sink.write(`${style.red(style.bold(record.code))}: ${message[0]}\n`);
  for (const line of message.slice(1)) sink.write(`  ${line}\n`);
  const place = placeOf(record);
  if (place !== undefined) sink.write(excerpt(place, record.message, folder, cwd, style));
  if (record.hint) sink.write(`  ${style.dim(visible(record.hint))}\n`);
}

interface Place {
  readonly file: string;
  readonly line: number;
  /** From 1; `undefined`: the whole line. */
  readonly column: number | undefined;
}

function placeOf(record: ErrorRecord): Place | undefined {
  const { file, line, column } = record.details ?? {};
  if (typeof file !== 'string' || typeof line !== 'number' || !(line >= 1)) return undefined;
  return { file, line, column: typeof column === 'number' && column >= 1 ? column : undefined };
}

/** A source line of minified code would fill the screen. */
const LINE_SHOWN_MAX = 160;

/** The place, unless the message names it already, and the source line with a caret, where the file is at hand. */
function excerpt(place: Place, message: string, folder: string, cwd: string, style: Style): string {
  const path = isAbsolute(place.file) ? place.file : join(folder, place.file);
  const shown = relative(cwd, path).startsWith('..') ? place.file : relative(cwd, path);
  const column = place.column === undefined ? '' : `:${place.column}`;
  const named = message.includes(`${place.file}:${place.line}`);
  const heading = named ? '' : `  at ${style.cyan(`${visible(shown)}:${place.line}${column}`)}\n`;
  const source = readSourceLine(path, place.line);
  // With two source lines printed in the message itself (as bundlers do), a third would be noise.
  if (source === undefined || source.length > LINE_SHOWN_MAX || message.includes(source.trim()))
    return heading;
  const gutter = `  ${place.line} | `;
  const caretAt = gutter.length + (place.column ?? source.length - source.trimStart().length + 1) - 1;
  return `${heading}${style.dim(gutter)}${visible(source)}\n${' '.repeat(caretAt)}${style.red('^')}\n`;
}

function readSourceLine(path: string, line: number): string | undefined {
  try {
    // A tab is one column for compilers: shown as one space, the caret stays in place.
    return readFileSync(path, 'utf8').split(/\r?\n/)[line - 1]?.replaceAll('\t', ' ');
  } catch {
    return undefined;
  }
}
