/**
 * `Headers` as the Fetch standard has it, without what makes Node's own slow here: loading that takes tens of
 * milliseconds of every cold start, and each use some microseconds.
 */

import { isRealHeaders } from './web-globals.ts';

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const EDGE_SPACE = /^[\t\n\r ]+|[\t\n\r ]+$/g;
/** Names seen and found valid, with their lower-case form. */
const KNOWN_NAMES_MAX = 512;
const knownNames = new Map<string, string>();

export type HeadersSource =
  | WebHeaders
  | Iterable<readonly [string, string] | readonly string[]>
  | Record<string, string>
  | undefined
  | null;

/** The lower-case form of a header name. Throws a TypeError when it is not a token. */
export function headerName(name: string): string {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const text = String(name);
  if (!NAME.test(text))
    throw new TypeError(`Header name must be a valid HTTP token [${JSON.stringify(text)}]`);
  const lower = text.toLowerCase();
  if (knownNames.size < KNOWN_NAMES_MAX) knownNames.set(text, lower);
  return lower;
}

/** The value without outer white space. Throws a TypeError for line breaks and characters beyond U+00FF. */
export function headerValue(name: string, value: unknown): string {
  let text = typeof value === 'string' ? value : String(value);
  if (VALUE.test(text)) {
    const first = text.charCodeAt(0);
    const last = text.charCodeAt(text.length - 1);
    if (first !== 0x20 && first !== 0x09 && last !== 0x20 && last !== 0x09) return text;
  }
  text = text.replace(EDGE_SPACE, '');
  if (!VALUE.test(text))
    throw new TypeError(
      `Header ${JSON.stringify(String(name))} has an invalid value: ${JSON.stringify(text.slice(0, 200))}`,
    );
  return text;
}

export class WebHeaders {
  /** Combined values by lower-case name, without `set-cookie`. */
  #values = new Map<string, string>();
  #cookies: string[] | undefined;
  /** Raw request lines that nobody has asked for yet. */
  #lines: readonly string[] | undefined;

  constructor(source?: HeadersSource) {
    if (source === undefined || source === null) return;
    if (typeof source !== 'object' && typeof source !== 'function')
      throw new TypeError(`Headers constructor: ${String(source)} is not a record or an iterable of pairs`);
    if (#values in source) {
      source.#parse();
      this.#values = new Map(source.#values);
      this.#cookies = source.#cookies?.slice();
    } else if (typeof (source as Iterable<unknown>)[Symbol.iterator] === 'function') {
      for (const pair of source as Iterable<readonly string[]>) {
        const entry = [...pair];
        if (entry.length !== 2)
          throw new TypeError('Headers constructor: expected name/value pair to be length 2');
        this.append(entry[0]!, entry[1]!);
      }
    } else {
      for (const name of Object.keys(source)) this.append(name, (source as Record<string, string>)[name]!);
    }
  }

  /** Headers of a request, from validated `name: value` lines with names in lower case. */
  static fromLines(lines: readonly string[]): WebHeaders {
    const headers = new WebHeaders();
    headers.#lines = lines;
    return headers;
  }

  append(name: string, value: string): void {
    const key = headerName(name);
    this.#add(key, headerValue(key, value));
  }

  set(name: string, value: string): void {
    const key = headerName(name);
    const text = headerValue(key, value);
    this.#parse();
    if (key === 'set-cookie') this.#cookies = [text];
    else this.#values.set(key, text);
  }

  delete(name: string): void {
    const key = headerName(name);
    this.#parse();
    if (key === 'set-cookie') this.#cookies = undefined;
    else this.#values.delete(key);
  }

  get(name: string): string | null {
    const key = headerName(name);
    this.#parse();
    if (key === 'set-cookie') return this.#cookies?.join(', ') ?? null;
    return this.#values.get(key) ?? null;
  }

  has(name: string): boolean {
    const key = headerName(name);
    this.#parse();
    return key === 'set-cookie' ? this.#cookies !== undefined : this.#values.has(key);
  }

  getSetCookie(): string[] {
    this.#parse();
    return this.#cookies?.slice() ?? [];
  }

  forEach(callback: (value: string, name: string, headers: WebHeaders) => void, self?: unknown): void {
    for (const [name, value] of this.#sorted()) callback.call(self, value, name, this);
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.#sorted()) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.#sorted()) yield value;
  }

  entries(): IterableIterator<[string, string]> {
    return this.#sorted()[Symbol.iterator]();
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }

  get [Symbol.toStringTag](): string {
    return 'Headers';
  }

  [Symbol.for('nodejs.util.inspect.custom')](
    depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `Headers ${inspect(Object.fromEntries(this.#sorted()), { ...options, depth })}`;
  }

  /** Calls back for each line in insertion order: what goes on the wire. */
  static eachLine(headers: WebHeaders, callback: (name: string, value: string) => void): void {
    headers.#parse();
    for (const [name, value] of headers.#values) callback(name, value);
    if (headers.#cookies !== undefined) for (const cookie of headers.#cookies) callback('set-cookie', cookie);
  }

  static is(value: unknown): value is WebHeaders {
    return typeof value === 'object' && value !== null && #values in value;
  }

  #add(key: string, text: string): void {
    this.#parse();
    if (key === 'set-cookie') {
      this.#cookies ??= [];
      this.#cookies.push(text);
      return;
    }
    const before = this.#values.get(key);
    this.#values.set(key, before === undefined ? text : before + (key === 'cookie' ? '; ' : ', ') + text);
  }

  #parse(): void {
    const lines = this.#lines;
    if (lines === undefined) return;
    this.#lines = undefined;
    for (const line of lines) {
      const colon = line.indexOf(': ');
      this.#add(line.slice(0, colon), line.slice(colon + 2));
    }
  }

  #sorted(): [string, string][] {
    this.#parse();
    const entries: [string, string][] = [...this.#values];
    for (const cookie of this.#cookies ?? []) entries.push(['set-cookie', cookie]);
    return entries.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  }
}

// Node's own headers (of what `fetch` answered) count too; a subclass, asked for its instances, has none among them.
Object.defineProperty(WebHeaders, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    return this === WebHeaders && isRealHeaders(value);
  },
});
