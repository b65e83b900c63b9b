import { invoke, workflow } from 'lambent';
import type { Order } from '../functions/fetch.ts';
import type { Report } from '../functions/store.ts';

const RETRY = { attempts: 4, initial: '100ms' } as const;

export default workflow(async (ctx, { region }: { region: string }): Promise<Report> => {
  const report = ctx.id;
  // Before the call, not after it: one that is given up half-way may have marked orders as well.
  ctx.compensate('release the orders', () => invoke('release', { report }));
  const orders = await ctx.call<Order[]>('fetch', { report, region }, { retry: RETRY });
  const totals = await ctx.call<Pick<Report, 'orders' | 'cents' | 'best'>>('process', orders);
  return await ctx.call<Report>('store', { report, region, ...totals }, { retry: RETRY });
});
