import { createHash, timingSafeEqual } from 'node:crypto';
import type { ExecutionId } from '../base/ids.ts';
import type { Awaiting, JournalStore } from '../ports/journal-store.ts';

/** What a token says of itself: the operation that waits for it. The rest of it is the proof. */
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

/** Under which an operation waits for its answer. It names the operation and holds nothing secret. */
export function callbackKey({ execution, op }: CallbackToken): string {
  return `callback:${execution}/${op}`;
}

/** What is stored of a token, in journals and beside the key: who reads it cannot answer. */
export function callbackHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Who waits for an answer to this token; `undefined`: nobody, or nobody any more, or it is made up. */
export async function findCallback(
  store: Pick<JournalStore, 'findAwaiting'>,
  text: string,
): Promise<Awaiting | undefined> {
  const token = parseCallbackToken(text);
  const [awaiting] = token === undefined ? [] : await store.findAwaiting(callbackKey(token), 1);
  if (typeof awaiting?.detail !== 'string') return undefined;
  // Found by what is public; the proof is compared in constant time.
  const [expected, got] = [Buffer.from(awaiting.detail), Buffer.from(callbackHash(text))];
  return expected.length === got.length && timingSafeEqual(expected, got) ? awaiting : undefined;
}
