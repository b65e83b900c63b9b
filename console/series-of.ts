import type { Activity, LiveFunction } from './answers.ts';

/** Calls of one function in each step of time, and those that failed. */
export function seriesOf(
  activity: Activity | undefined,
  { app, name }: LiveFunction,
): { values: number[]; bad: number[] } {
  const rows = (activity?.items ?? []).map(({ functions }) =>
    functions.filter((each) => each.app === app && each.function === name),
  );
  const sum = (pick: (each: { invocations: number; errors: number }) => number): number[] =>
    rows.map((row) => row.reduce((total, each) => total + pick(each), 0));
  return { values: sum((each) => each.invocations), bad: sum((each) => each.errors) };
}
