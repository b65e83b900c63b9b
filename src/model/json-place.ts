import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Place } from './manifest-problems.ts';

/**
 * Finds what a JSON pointer (RFC 6901) points at in the text that it was parsed from, for messages; the nearest
 * enclosing value where it leads into nothing, and the first fault of a text that is no JSON.
 */
export function createJsonLocator(text: string): (pointer: string) => Place | undefined {
  const lines = new LineCounter();
  // JSON is YAML in flow style; only tabs are not allowed there, and they are as wide.
  const document = parseDocument(text.replaceAll('\t', ' '), { lineCounter: lines, prettyErrors: false });
  const placeAt = (offset: number | undefined): Place | undefined => {
    if (offset === undefined) return undefined;
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  return (pointer) => {
    let node: unknown = document.contents;
    let offset = document.errors[0]?.pos[0] ?? document.contents?.range?.[0];
    for (const part of pointer.split('/').slice(1)) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
        if (pair === undefined || !isScalar(pair.key)) break;
        offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        const item = node.items[Number(key)] as { range?: [number, number, number] } | undefined;
        if (item === undefined) break;
        offset = item.range?.[0] ?? offset;
        node = item;
      } else break;
    }
    return placeAt(offset);
  };
}
