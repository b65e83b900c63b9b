import { readdirSync, readFileSync } from 'node:fs';
import { findSourceMap } from 'node:module';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { FailureMessage } from '../../src/model/frames.ts';

const STACK_LINES_MAX = 50;
const MESSAGE_CHARS_MAX = 16 * 1024;
const LOG_CHARS_MAX = 48 * 1024;
/** A longer source line is cut around the place of the error. */
const SOURCE_LINE_CHARS_MAX = 160;
/** How many built files are searched for the text of a source line. */
const MAPPED_FILES_MAX = 500;

const RUNTIME_DIR = import.meta.dirname + sep;
const PROTOCOL_DIR = fileURLToPath(new URL('../../src/model/', import.meta.url));

let codeDir = '';

/** What a bundle's source map calls the SDK's files. */
const SDK_FILE = 'lambent';

/** Tells where the author's code lies: stacks name files relative to it. */
export function setCodeDir(folder: string): void {
  codeDir = folder.endsWith(sep) ? folder : folder + sep;
}

/** A place in the author's source. */
export interface SourcePlace {
  file: string;
  line: number;
  column: number;
}

/** An error in the terms of the platform: it carries its own code. */
export class RuntimeFailure extends Error {
  readonly code: string;
  constructor(code: string, errorType: string, message: string) {
    super(message);
    this.code = code;
    this.name = errorType;
  }
}

function stackOf(thrown: unknown): string {
  try {
    const { stack } = thrown as Error;
    return typeof stack === 'string' ? stack : '';
  } catch {
    return '';
  }
}

/** `at f (file:1:2)` or `at file:1:2` or `at async file:1:2`. */
export function placeOf(stackLine: string): SourcePlace | undefined {
  const found = /(?:\(|at (?:async )?)((?:file:\/\/)?[^()]*?):(\d+):(\d+)\)?$/.exec(stackLine.trimEnd());
  if (found === null) return undefined;
  let file = found[1]!;
  if (file.startsWith('file://')) {
    try {
      file = fileURLToPath(file);
    } catch {
      return undefined;
    }
  }
  return { file, line: Number(found[2]), column: Number(found[3]) };
}

function isRuntimeFrame(stackLine: string): boolean {
  if (!/^\s+at /.test(stackLine)) return false;
  const file = placeOf(stackLine)?.file;
  if (file === undefined) return false;
  if (file === `${codeDir}${SDK_FILE}`) return true;
  if (codeDir !== '' && file.startsWith(codeDir)) return false;
  return file.startsWith(RUNTIME_DIR) || file.startsWith(PROTOCOL_DIR);
}

function isOwnFrame(stackLine: string): boolean {
  const file = placeOf(stackLine)?.file;
  return file !== undefined && !file.startsWith('node:') && !file.includes(`${sep}node_modules${sep}`);
}

/**
 * A line of a stack, or what `inspect` writes instead of those that the cause has too; and what it writes after the
 * last one of an error that has further properties.
 */
const FRAME_LINE = /^\s+(?:at .*?|\.\.\. \d+ lines matching cause stack trace \.\.\.)( \{)?$/;

/**
 * The lines of one or more stacks, in whatever text, without the runtime's frames and without what called the
 * author's code: timers, the event loop, the storage that knows the invocation.
 */
function withoutCallers(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < lines.length; ) {
    let end = at;
    while (end < lines.length && FRAME_LINE.test(lines[end]!)) end += 1;
    if (end === at) {
      kept.push(lines[at]!);
      at += 1;
    } else {
      kept.push(...trimStack(lines.slice(at, end)));
      at = end;
    }
  }
  return kept;
}

function trimStack(lines: readonly string[]): string[] {
  const suffix = FRAME_LINE.exec(lines.at(-1)!)![1] ?? '';
  const frames = lines.map((line) => line.replace(/ \{$/, '')).filter((line) => !isRuntimeFrame(line));
  const last = frames.findLastIndex((line) => {
    const file = placeOf(line)?.file;
    return file !== undefined && !file.startsWith('node:');
  });
  // Without a line of the author's or of a package, Node's own frames are all there is to go by.
  const shown = last < 0 ? frames : frames.slice(0, last + 1);
  if (suffix === '') return shown;
  return [...shown.slice(0, -1), `${shown.at(-1) ?? '    at Lambent'}${suffix}`];
}

/** Paths below the code folder in short form, without `file://`. */
function shorten(text: string): string {
  const plain = text.replaceAll('file://', '');
  return codeDir === '' ? plain : plain.replaceAll(codeDir, '');
}

/** A file of the author's code relative to the code folder; `undefined` for any other. */
export function shortPath(file: string): string | undefined {
  const plain = file.replace('file://', '');
  return codeDir !== '' && plain.startsWith(codeDir) ? plain.slice(codeDir.length) : undefined;
}

/** The frames of a stack: the author's own first, then those of packages and of Node. Never the runtime's. */
export function stackLines(thrown: unknown): string[] {
  const lines = withoutCallers(
    stackOf(thrown)
      .split('\n')
      .filter((line) => FRAME_LINE.test(line)),
  );
  const own = lines.filter(isOwnFrame);
  const others = lines.filter((line) => !own.includes(line));
  return [...own, ...others].slice(0, STACK_LINES_MAX).map((line) => shorten(line.trim()));
}

function nameOf(thrown: unknown): string {
  if (thrown instanceof Error || (typeof thrown === 'object' && thrown !== null && 'name' in thrown)) {
    const { name } = thrown as Error;
    if (typeof name === 'string' && name !== '') return name;
  }
  return thrown === null ? 'null' : typeof thrown;
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && typeof (thrown as Error).message === 'string')
    return (thrown as Error).message;
  return `the function threw something that is not an Error: ${inspect(thrown, { depth: 3 })}`;
}

/** Whether an error says that the same will fail again, as the SDK's `FatalError` does. */
export function isFinal(thrown: unknown): boolean {
  return (
    typeof thrown === 'object' && thrown !== null && (thrown as { retryable?: unknown }).retryable === false
  );
}

/** What FAILED and BOOT_FAILED say of a thrown value. */
export function describeFailure(thrown: unknown, code: string): FailureMessage {
  try {
    return {
      code: thrown instanceof RuntimeFailure ? thrown.code : code,
      errorType: nameOf(thrown),
      errorMessage: shorten(messageOf(thrown)).slice(0, MESSAGE_CHARS_MAX),
      stackTrace: stackLines(thrown),
      ...(isFinal(thrown) && { retryable: false }),
    };
  } catch {
    // A hostile getter or proxy was thrown.
    return {
      code,
      errorType: 'unknown',
      errorMessage: 'the function threw a value that cannot be read',
      stackTrace: [],
    };
  }
}

/** The text of an error for the log: the source line with a caret, then the error as Node prints it. */
export function failureText(thrown: unknown): string {
  try {
    const body = inspectError(thrown);
    const excerpt = sourceExcerpt(thrown);
    return (excerpt === '' ? body : `${excerpt}\n\n${body}`).slice(0, LOG_CHARS_MAX);
  } catch {
    return 'the function threw a value that cannot be read';
  }
}

function inspectError(thrown: unknown): string {
  if (thrown instanceof RuntimeFailure) return `${thrown.name}: ${thrown.message}`;
  if (!(thrown instanceof Error)) return `Uncaught ${inspect(thrown, { depth: 3 })}`;
  const text = inspect(thrown, { depth: 3 });
  return shorten(withoutCallers(text.split('\n')).join('\n'));
}

function sourceExcerpt(thrown: unknown): string {
  if (thrown instanceof RuntimeFailure) return '';
  const own = stackOf(thrown)
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !isRuntimeFrame(line))
    .find(isOwnFrame);
  const place = own === undefined ? undefined : placeOf(own);
  if (place === undefined) return '';
  const shown = `${shorten(place.file)}:${place.line}`;
  const text = sourceText(place.file)?.split('\n')[place.line - 1];
  if (text === undefined) return shown;
  const from =
    text.length <= SOURCE_LINE_CHARS_MAX ? 0 : Math.max(0, place.column - SOURCE_LINE_CHARS_MAX / 2);
  const cut = text.slice(from, from + SOURCE_LINE_CHARS_MAX).trimEnd();
  const indent = cut.slice(0, Math.max(0, place.column - 1 - from)).replace(/[^\t]/g, ' ');
  return `${shown}\n${cut}\n${indent}^`;
}

/** The text of a source file: out of the source maps that the build left, or from the disk. */
function sourceText(file: string): string | undefined {
  mappedSources ??= readMappedSources();
  const known = mappedSources.get(file);
  if (known !== undefined) return known;
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

let mappedSources: Map<string, string> | undefined;

interface MapPayload {
  sources: (string | null)[];
  sourcesContent?: (string | null)[];
}

function readMappedSources(): Map<string, string> {
  const texts = new Map<string, string>();
  for (const file of builtFiles()) {
    const payload = findSourceMap(file)?.payload as MapPayload | undefined;
    payload?.sources.forEach((source, index) => {
      const text = payload.sourcesContent?.[index];
      if (source === null || text === null || text === undefined) return;
      texts.set(source.startsWith('file://') ? fileURLToPath(source) : source, text);
    });
  }
  return texts;
}

function builtFiles(): string[] {
  try {
    const names = readdirSync(codeDir, { recursive: true, encoding: 'utf8' });
    return names
      .filter((name) => /\.[cm]?js$/.test(name) && !name.includes('node_modules'))
      .slice(0, MAPPED_FILES_MAX)
      .map((name) => join(codeDir, name));
  } catch {
    return [];
  }
}
