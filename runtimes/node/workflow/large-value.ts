import { createHash } from 'node:crypto';

/** Named by messages that are being written now: they go ahead of them. */
let named: LargeValue[] = [];

/**
 * A value that is too large for a message. To the code it is a payload like any other; in a message there is only its
 * name, and its text goes ahead of that in pieces (`src/model/workflow-wire.ts`).
 */
export class LargeValue {
  readonly bytes: Buffer;
  readonly blob: string;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.blob = createHash('sha256').update(bytes).digest('hex');
  }

  get json(): unknown {
    return JSON.parse(this.bytes.toString('utf8'));
  }

  toJSON(): { readonly blob: string; readonly bytes: number } {
    named.push(this);
    return { blob: this.blob, bytes: this.bytes.length };
  }
}

/** The values that were named since this was asked last. */
export function takeNamed(): readonly LargeValue[] {
  if (named.length === 0) return named;
  const taken = named;
  named = [];
  return taken;
}
