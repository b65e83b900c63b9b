import { once } from './_orders.ts';

/** The report did not come about: its orders are for another one. */
export const handler = ({ report }: { report: string }): Promise<{ released: string }> =>
  once(
    `${report}/release`,
    (client) => client.query('UPDATE orders SET report = NULL WHERE report = $1', [report]),
    async () => ({ released: report }),
  );
