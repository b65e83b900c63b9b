import { workflow } from 'lambent';

interface Rolled {
  rolled: number;
}

/** A function whose steps are recorded: what was done is not done again, whatever happens in between. */
export default workflow(async (ctx) => {
  const water = await ctx.step('boil', () => `${98 + Math.random() * 2}`.slice(0, 5));
  const { rolled } = await ctx.call<Rolled>('dice', { sides: 4 });
  await ctx.sleep('3s');
  return { tea: 'ready', boiledAt: `${water} °C`, lumps: rolled };
});
