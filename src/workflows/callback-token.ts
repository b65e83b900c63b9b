import { createHash } from 'node:crypto';
import type { ExecutionId } from '../base/ids.ts';

/** What a token says of itself: the operation that waits for it. */
export interface CallbackToken {
  readonly execution: ExecutionId;
  readonly op: number;
}

const FORMAT =
  /^cb1_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_([1-9]\d{0,7})_[\w-]{22}$/;

export function parseCallbackToken(text: string): CallbackToken | undefined {
  const found = FORMAT.exec(text);
  return found === null ? undefined : { execution: found[1] as ExecutionId, op: Number(found[2]) };
}

/** Under which an operation waits for its token: what lists show are no tokens. */
export function callbackKey(token: string): string {
  return `callback:${createHash('sha256').update(token).digest('hex')}`;
}
