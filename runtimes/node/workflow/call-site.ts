import { findSourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';
import { getCallSites } from 'node:util';
import { shortPath } from '../failure.ts';

/** Frames looked at: the runtime's own, and some of a helper of the author's. */
const FRAMES = 12;
const KNOWN_MAX = 10_000;

const known = new Map<string, string | undefined>();

/**
 * Where the author's code is that called into the runtime: `workflows/order.ts:12`. Cheap enough for each operation:
 * a place is looked up in the source map once.
 */
export function callSite(): string | undefined {
  for (const { scriptName, lineNumber, columnNumber } of getCallSites(FRAMES)) {
    const short = shortPath(scriptName);
    if (short === undefined) continue;
    const place = `${short}:${lineNumber}:${columnNumber}`;
    if (!known.has(place)) {
      if (known.size >= KNOWN_MAX) known.clear();
      known.set(place, sourcePlace(scriptName, short, lineNumber, columnNumber));
    }
    return known.get(place);
  }
  return undefined;
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
