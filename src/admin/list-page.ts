import { z } from '@hono/zod-openapi';
import { limitSchema } from './schemas.ts';

/*
 * Lists by the page: `limit`, `cursor`, `next`. Histories are paged by their stores, along an index. What there is now
 * (apps, functions, triggers, secrets …) is in memory or bounded by a limit of its own, and is cut here, by a key that
 * each item keeps as long as it is there: who reads page by page gets what was there all the time exactly once, whatever
 * comes and goes meanwhile.
 */

/** Items of one answer of a list of what there is now: at most, and where no other limit is asked for. */
export const LIST_ITEMS_MAX = 1_000;
const CURSOR_CHARS_MAX = 1_000;

export const pageQuery = (most: number, normally: number) => ({
  limit: limitSchema(most, normally),
  cursor: z
    .string()
    .min(1)
    .max(CURSOR_CHARS_MAX)
    .optional()
    .openapi({ description: '`next` of the page before.' }),
});

/** Of a list of what there is now. */
export const listQuery = pageQuery(LIST_ITEMS_MAX, LIST_ITEMS_MAX);

export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item).readonly(),
    next: z.string().optional().openapi({ description: 'Absent on the last page.' }),
  });

/** The page of `all` after the cursor, in the order of its keys, no two of which may be alike. */
export function pageOf<Item>(
  all: readonly Item[],
  keyOf: (item: Item) => string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): { items: Item[]; next: string | undefined } {
  const rest = all
    .map((item) => ({ key: keyOf(item), item }))
    .filter(({ key }) => cursor === undefined || key > cursor)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const page = rest.slice(0, limit);
  return { items: page.map(({ item }) => item), next: rest.length > limit ? page.at(-1)?.key : undefined };
}

const DIGITS = 16;
/** A whole number as a part of a key: ordered as numbers are. */
export const keyOfNumber = (value: number): string => String(value).padStart(DIGITS, '0');
