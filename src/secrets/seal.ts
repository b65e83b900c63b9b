import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { LambentError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';

/** The first byte of what is sealed. A change of the form gets the next number. */
const FORMAT = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The key for secrets, from the platform's own secret: so that one file serves several purposes and none of them both. */
export function deriveKey(rootSecret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', rootSecret, '', 'lambent secrets', KEY_BYTES));
}

/** AES-256-GCM. `place` (who it belongs to) is not hidden, but what is sealed opens in no other. */
export function seal(key: Buffer, place: string, value: string, random: Random): Uint8Array<ArrayBuffer> {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(place));
  const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
  return Uint8Array.from(Buffer.concat([Uint8Array.of(FORMAT), nonce, cipher.getAuthTag(), text]));
}

/** @throws `E_SECRET_UNREADABLE` when the key is another one, or the bytes or the place were changed */
export function unseal(key: Buffer, place: string, sealed: Uint8Array): string {
  try {
    if (sealed[0] !== FORMAT) throw new Error(`format ${sealed[0]}`);
    const tagAt = 1 + NONCE_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, tagAt), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(place));
    decipher.setAuthTag(sealed.subarray(tagAt, tagAt + TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(tagAt + TAG_BYTES)), decipher.final()]).toString();
  } catch (cause) {
    throw new LambentError('E_SECRET_UNREADABLE', `The secret ${place} cannot be decrypted.`, { cause });
  }
}
