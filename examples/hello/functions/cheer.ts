import type { CloudEvent } from 'lambent';

/** Runs on events: see `on` in lambent.yaml. */
export const handler = async ({ type, data }: CloudEvent<{ rolled?: number }>) => {
  console.log(type === 'dice.rolled' ? `a ${data?.rolled}, hooray!` : 'nothing happened, hooray!');
};
