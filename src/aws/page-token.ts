import { AwsJsonError } from './json-protocol.ts';

/** Where a next page begins, as a token that callers give back unread. */
export function encodePage(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The place in a token: a text or a number; `undefined` without a token. */
export function decodePage<Place extends string | number>(
  token: string | undefined,
  type: 'string' | 'number',
): Place | undefined {
  if (token === undefined) return undefined;
  try {
    const place: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof place === type) return place as Place;
  } catch {
    // Said below.
  }
  throw new AwsJsonError('InvalidToken', 'Invalid Token: the nextToken is none that this server gave.');
}

/** Cuts a list that was read with one more than a page holds. */
export function page<Item>(
  items: readonly Item[],
  size: number,
  placeOf: (last: Item) => unknown,
): { items: Item[]; nextToken?: string } {
  const shown = items.slice(0, size);
  const last = shown.at(-1);
  return items.length > size && last !== undefined
    ? { items: shown, nextToken: encodePage(placeOf(last)) }
    : { items: shown };
}
