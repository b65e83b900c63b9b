import { findSourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';
import { getCallSites } from 'node:util';
import { shortPath } from '../failure.ts';

/** Frames looked at: the runtime's own, and some of a helper of the author's. */
const FRAMES = 12;
const KNOWN_MAX = 10_000;

// The author's code may replace this: the runtime keeps what it started with.
const { captureStackTrace } = Error;

const known = new Map<string, string>();

/**
 * Where the author's code is that called into the runtime: `workflows/order.ts:12`. Cheap enough for each operation:
 * a place is looked up in the source map once, and of the stack no more is read than who called `entry`, the runtime's
 * function that the author's code calls.
 */
export function callSite(entry?: (...args: never[]) => unknown): string | undefined {
  const caller = entry === undefined ? undefined : callerOf(entry);
  const script = caller?.getScriptNameOrSourceURL();
  const short = script == null ? undefined : shortPath(script);
  if (short === undefined) return deepCallSite();
  return placeOf(`${script}:${caller!.getPosition()}`, () =>
    sourcePlace(script!, short, caller!.getLineNumber() ?? 1, caller!.getColumnNumber() ?? 1),
  );
}

/** The author's code is further away: a helper that is not its own stands between. */
function deepCallSite(): string | undefined {
  for (const { scriptName, lineNumber, columnNumber } of getCallSites(FRAMES)) {
    const short = shortPath(scriptName);
    if (short !== undefined)
      return placeOf(`${scriptName}:${lineNumber}:${columnNumber}`, () =>
        sourcePlace(scriptName, short, lineNumber, columnNumber),
      );
  }
  return undefined;
}

function placeOf(key: string, find: () => string): string {
  const place = known.get(key);
  if (place !== undefined) return place;
  if (known.size >= KNOWN_MAX) known.clear();
  const found = find();
  known.set(key, found);
  return found;
}

/** The frame that called a function. `undefined`: what the author's code did to `Error` does not allow it. */
function callerOf(entry: (...args: never[]) => unknown): NodeJS.CallSite | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite } = {};
  try {
    try {
      Error.prepareStackTrace = firstFrame;
      Error.stackTraceLimit = 1;
      captureStackTrace(holder, entry);
      return holder.stack;
    } finally {
      Error.prepareStackTrace = prepareStackTrace;
      Error.stackTraceLimit = stackTraceLimit;
    }
  } catch {
    return undefined;
  }
}

function firstFrame(_error: Error, [frame]: NodeJS.CallSite[]): NodeJS.CallSite | undefined {
  return frame;
}

function sourcePlace(script: string, short: string, line: number, column: number): string {
  try {
    const file = script.startsWith('file://') ? fileURLToPath(script) : script;
    const entry = findSourceMap(file)?.findEntry(line - 1, column - 1);
    if (entry !== undefined && 'originalSource' in entry) {
      const source = entry.originalSource.startsWith('file://')
        ? fileURLToPath(entry.originalSource)
        : entry.originalSource;
      return `${shortPath(source) ?? source}:${entry.originalLine + 1}`;
    }
  } catch {
    // A broken map is no reason to fail an operation.
  }
  return `${short}:${line}`;
}
