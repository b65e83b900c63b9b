/** What of an app's folder is left out. Of the language alone: the console decides the same in a browser. */

/** In an app's folder; what it lists is neither packed nor watched. */
export const IGNORE_FILE = '.lambentignore';
/** Left out unless `.lambentignore` brings it back with `!`. */
export const DEFAULT_RULES =
  '.DS_Store\nThumbs.db\n*.log\n*.swp\n*~\n.env\n.env.*\ncoverage/\n*/**/node_modules\n';

/** The longest ignore file, in characters, and the most rules in it. */
const IGNORE_CHARS_MAX = 64 * 1024;
const RULES_MAX = 1_000;

interface IgnoreRule {
  readonly pattern: RegExp;
  readonly foldersOnly: boolean;
  /** `!pattern`: brings back what an earlier rule took out. */
  readonly negated: boolean;
}

/**
 * Rules in the manner of .gitignore: one pattern a line; `#` begins a remark; `*` and `?` stay within a name, `**`
 * crosses folders; a pattern with a `/` before its end counts from the app's folder, others match at any depth;
 * `/` at the end means folders only; `!` brings back. The last rule that matches decides. (Unlike git, a file
 * below an ignored folder cannot be brought back: the folder is not looked into, as in git.)
 */
export class IgnoreRules {
  readonly #rules: readonly IgnoreRule[];

  /** Texts in order; those of later ones win. */
  constructor(...texts: readonly string[]) {
    this.#rules = texts
      .flatMap((text) => text.slice(0, IGNORE_CHARS_MAX).split('\n'))
      .slice(0, RULES_MAX)
      .flatMap(parseRule);
  }

  /** Whether a path (relative, with `/`) is left out. */
  ignores(path: string, isFolder: boolean): boolean {
    let ignored = false;
    for (const { pattern, foldersOnly, negated } of this.#rules)
      if ((!foldersOnly || isFolder) && pattern.test(path)) ignored = !negated;
    return ignored;
  }
}

function parseRule(line: string): IgnoreRule[] {
  const text = line.replace(/\r$/, '').trimEnd();
  if (text === '' || text.startsWith('#')) return [];
  const negated = text.startsWith('!');
  const body = (negated ? text.slice(1) : text).replace(/^\\(?=[#!])/, '');
  const foldersOnly = body.endsWith('/');
  const pattern = foldersOnly ? body.slice(0, -1) : body;
  if (pattern === '' || pattern === '/') return [];
  const anchored = pattern.includes('/');
  const source = patternSource(pattern.replace(/^\//, ''));
  return [{ pattern: new RegExp(`^${anchored ? '' : '(?:.*/)?'}${source}$`), foldersOnly, negated }];
}

/** A glob as the source of a regular expression. Stars next to each other are one, so that it cannot backtrack far. */
function patternSource(glob: string): string {
  return glob
    .replaceAll(/\*{3,}/g, '**')
    .split(/(\*\*\/|\/\*\*$|\*\*|\*|\?)/)
    .map((piece) => {
      if (piece === '**/') return '(?:.*/)?';
      if (piece === '/**') return '/.*';
      if (piece === '**') return '.*';
      if (piece === '*') return '[^/]*';
      if (piece === '?') return '[^/]';
      return piece.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
}
