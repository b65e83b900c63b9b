import { createHash } from 'node:crypto';
import type { Random } from '../base/random.ts';

/** What every token begins with, so that scanners for leaked secrets can recognise one. */
export const TOKEN_PREFIX = 'lmb_';
/** 256 bits: beyond guessing, which is why a plain SHA-256 is enough to store. */
const TOKEN_BYTES = 32;

/** A new token of the control API. It is shown once and never stored. */
export function mintToken(random: Random): string {
  return TOKEN_PREFIX + Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url');
}

/** SHA-256 of a token in hex: what is stored and compared. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}
