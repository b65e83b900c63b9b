/** The text is not what it should be: a path, a filter, a call of an intrinsic function. */
export class PathSyntaxError extends Error {
  override readonly name = 'PathSyntaxError';
}

/** Walks through a short text for the hand-written parsers of this folder. */
export class TextReader {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** The next character, or an empty string at the end. */
  peek(): string {
    return this.text.charAt(this.at);
  }

  next(): string {
    return this.text.charAt(this.at++);
  }

  take(expected: string): boolean {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  expect(expected: string): void {
    if (!this.take(expected)) throw this.error(`${expected} expected`);
  }

  /** What an anchored pattern finds here; `undefined` when it finds nothing. */
  match(pattern: RegExp): string | undefined {
    const found = pattern.exec(this.text.slice(this.at))?.[0];
    if (found === undefined || found === '') return undefined;
    this.at += found.length;
    return found;
  }

  skipSpace(): void {
    this.match(/^\s+/);
  }

  integer(): number | undefined {
    this.skipSpace();
    const digits = this.match(/^-?\d{1,15}/);
    this.skipSpace();
    return digits === undefined ? undefined : Number(digits);
  }

  /** A text in single or double quotes. `\'`, `\\` of its own quote and backslash are escapes; other backslashes stand. */
  quoted(): string {
    const quote = this.next();
    if (quote !== "'" && quote !== '"') throw this.error('a quoted name is expected');
    let value = '';
    while (!this.done) {
      const char = this.next();
      if (char === quote) return value;
      const following = this.peek();
      if (char === '\\' && (following === quote || following === '\\')) value += this.next();
      else value += char;
    }
    throw this.error('a quote is not closed');
  }

  error(what: string): PathSyntaxError {
    return new PathSyntaxError(`${what}, at character ${this.at + 1} of ${this.text.slice(0, 200)}`);
  }
}
