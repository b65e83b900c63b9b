import { once } from './_orders.ts';

export interface Order {
  readonly product: string;
  readonly cents: number;
}

/** The orders of a region that no report has yet; from now on this one has them. */
export const handler = ({ report, region }: { report: string; region: string }): Promise<Order[]> =>
  once(
    `${report}/fetch`,
    (client) =>
      client.query('UPDATE orders SET report = $1 WHERE region = $2 AND report IS NULL', [report, region]),
    async (client) =>
      (await client.query<Order>('SELECT product, cents FROM orders WHERE report = $1 ORDER BY id', [report]))
        .rows,
  );
