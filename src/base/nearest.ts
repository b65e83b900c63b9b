/** The share of a word that may differ while it still counts as a slip of the pen. */
const EDITS_SHARE = 0.4;

/**
 * The candidate that a person most likely meant, or `undefined` when none is near. Case does not count; a
 * candidate that begins with the word, or the other way round, is nearer than one with as many edits.
 */
export function nearestOf(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length * EDITS_SHARE));
  let best: string | undefined;
  let bestEdits = limit + 1;
  for (const candidate of candidates) {
    const offered = candidate.toLowerCase();
    const related = wanted.length > 2 && (offered.startsWith(wanted) || wanted.startsWith(offered));
    const edits = related ? 0.5 : editDistance(wanted, offered);
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** How many insertions, deletions, replacements and swaps of neighbours turn one word into the other. */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = last[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, replaced);
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) edits = Math.min(edits, beforeLast[column - 2]! + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
}
