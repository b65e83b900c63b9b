import { JSON_DEPTH_MAX } from './json-depth.ts';

/** What may come next. */
const VALUE = 0;
const FIRST_ITEM = 1;
const FIRST_NAME = 2;
const NAME = 3;
const COLON = 4;
const AFTER = 5;
const TEXT = 6;
const ESCAPE = 7;
const HEX = 8;
const LITERAL = 9;
const MINUS = 10;
const ZERO = 11;
const WHOLE = 12;
const POINT = 13;
const FRACTION = 14;
const EXPONENT = 15;
const EXPONENT_SIGN = 16;
const EXPONENT_DIGITS = 17;
const WRONG = 18;

const LITERALS = new Map(['true', 'false', 'null'].map((each) => [each.charCodeAt(0), each]));
const ESCAPES = new Set([...'"\\/bfnrtu'].map((each) => each.charCodeAt(0)));
/** A number may end in these. */
const NUMBER_ENDS: ReadonlySet<number> = new Set([ZERO, WHOLE, FRACTION, EXPONENT_DIGITS]);

/**
 * Says of bytes that come in pieces whether they are one JSON text in UTF-8 (RFC 8259), nested at most JSON_DEPTH_MAX
 * deep. It keeps a few numbers, whatever the text's length: values that are too large to be parsed where they pass
 * through are held against it.
 */
export class JsonCheck {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true });
  /** Of each list or object around: whether it is an object. */
  readonly #within: boolean[] = [];
  #state = VALUE;
  #isName = false;
  #literal = '';
  /** How much of a literal or of an escape has come. */
  #come = 0;

  /** False: it cannot become JSON any more. */
  push(bytes: Uint8Array): boolean {
    try {
      this.#utf8.decode(bytes, { stream: true });
    } catch {
      this.#state = WRONG;
    }
    for (let at = 0; at < bytes.length && this.#state !== WRONG; at += 1) {
      const byte = bytes[at]!;
      if (this.#state === TEXT && byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) continue;
      this.#state = this.#next(byte);
    }
    return this.#state !== WRONG;
  }

  /** Whether what came is whole. */
  end(): boolean {
    try {
      this.#utf8.decode();
    } catch {
      return false;
    }
    return this.#within.length === 0 && (this.#state === AFTER || NUMBER_ENDS.has(this.#state));
  }

  #next(byte: number): number {
    switch (this.#state) {
      case TEXT:
        if (byte === 0x5c) return ESCAPE;
        if (byte !== 0x22) return WRONG;
        return this.#isName ? COLON : AFTER;
      case ESCAPE:
        this.#come = 0;
        return byte === 0x75 ? HEX : ESCAPES.has(byte) ? TEXT : WRONG;
      case HEX:
        if (!isHex(byte)) return WRONG;
        this.#come += 1;
        return this.#come === 4 ? TEXT : HEX;
      case LITERAL:
        if (byte !== this.#literal.charCodeAt(this.#come)) return WRONG;
        this.#come += 1;
        return this.#come === this.#literal.length ? AFTER : LITERAL;
      case MINUS:
        return byte === 0x30 ? ZERO : isDigit(byte) ? WHOLE : WRONG;
      case POINT:
        return isDigit(byte) ? FRACTION : WRONG;
      case EXPONENT:
        if (byte === 0x2b || byte === 0x2d) return EXPONENT_SIGN;
        return isDigit(byte) ? EXPONENT_DIGITS : WRONG;
      case EXPONENT_SIGN:
        return isDigit(byte) ? EXPONENT_DIGITS : WRONG;
      case ZERO:
      case WHOLE:
      case FRACTION:
      case EXPONENT_DIGITS:
        return this.#inNumber(byte);
      default:
        return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
          ? this.#state
          : this.#between(byte);
    }
  }

  #inNumber(byte: number): number {
    if (isDigit(byte)) return this.#state === ZERO ? WRONG : this.#state;
    const isInteger = this.#state === ZERO || this.#state === WHOLE;
    if (byte === 0x2e && isInteger) return POINT;
    if ((byte === 0x65 || byte === 0x45) && this.#state !== EXPONENT_DIGITS) return EXPONENT;
    this.#state = AFTER;
    return this.#next(byte);
  }

  #between(byte: number): number {
    switch (this.#state) {
      case FIRST_ITEM:
        return byte === 0x5d ? this.#close(false) : this.#value(byte);
      case FIRST_NAME:
        return byte === 0x7d ? this.#close(true) : this.#name(byte);
      case NAME:
        return this.#name(byte);
      case COLON:
        return byte === 0x3a ? VALUE : WRONG;
      case AFTER:
        if (byte === 0x5d) return this.#close(false);
        if (byte === 0x7d) return this.#close(true);
        return byte === 0x2c && this.#within.length > 0 ? (this.#within.at(-1) ? NAME : VALUE) : WRONG;
      default:
        return this.#value(byte);
    }
  }

  #value(byte: number): number {
    if (byte === 0x22) {
      this.#isName = false;
      return TEXT;
    }
    if (byte === 0x7b || byte === 0x5b) {
      this.#within.push(byte === 0x7b);
      if (this.#within.length > JSON_DEPTH_MAX) return WRONG;
      return byte === 0x7b ? FIRST_NAME : FIRST_ITEM;
    }
    if (byte === 0x2d) return MINUS;
    if (isDigit(byte)) return byte === 0x30 ? ZERO : WHOLE;
    this.#literal = LITERALS.get(byte) ?? '';
    this.#come = 1;
    return this.#literal === '' ? WRONG : LITERAL;
  }

  #name(byte: number): number {
    this.#isName = true;
    return byte === 0x22 ? TEXT : WRONG;
  }

  #close(isObject: boolean): number {
    return this.#within.pop() === isObject ? AFTER : WRONG;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}
