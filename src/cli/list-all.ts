import { LambentError } from '../base/errors.ts';
import type { ApiClient, ApiRequest } from './api-client.ts';
import type { Items } from './api-views.ts';

interface Page<Item> extends Items<Item> {
  readonly next?: string;
}

/** Pages that are followed, of a thousand items each. */
const PAGES_MAX = 1_000;

/** All items of a list that the API answers by the page. */
export async function listAll<Item>(
  client: ApiClient,
  path: string,
  query: ApiRequest['query'] = {},
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const page: Page<Item> = await client.send({ method: 'GET', path, query: { ...query, cursor } });
    items.push(...page.items);
    cursor = page.next;
    if (cursor === undefined) return items;
  }
  throw new LambentError(
    'E_UNREACHABLE',
    `What is at ${client.address} answers ${path} with more than ${PAGES_MAX} pages.`,
    { hint: 'That is no list of Lambent. Does --server (or LAMBENT_URL) name the right server?' },
  );
}
