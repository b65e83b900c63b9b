import type { Activity, FunctionSums } from './answers.ts';

/*
 * Two prices of the same use. At AWS it is a list price of each call. Here it is what the machine costs, used or not:
 * each day's part of that is shared among the functions of the day by billed time times memory, and a day without a
 * call is nobody's.
 */

const DAY_MS = 86_400_000;
const MONTHS_A_YEAR = 12;
const DAYS_A_YEAR = 365;

export type PricedUse = FunctionSums & { readonly hereUsd: number };

export interface PricedDay {
  readonly fromMs: number;
  /** What the machine cost on that day; of the present day, so far. */
  readonly hereUsd: number;
  readonly functions: readonly PricedUse[];
}

/** Days from the first with a call on: before, this server may not have been there. */
export function shareCosts(
  days: Activity['items'],
  machineUsdMonth: number,
  nowMs: number,
): readonly PricedDay[] {
  const first = days.findIndex(({ functions }) => functions.length > 0);
  if (first === -1) return [];
  const dayUsd = (machineUsdMonth * MONTHS_A_YEAR) / DAYS_A_YEAR;
  return days.slice(first).map(({ fromMs, functions }) => {
    const hereUsd = dayUsd * Math.min(1, Math.max(0, nowMs - fromMs) / DAY_MS);
    const all = functions.reduce((sum, each) => sum + each.billedMbMs, 0);
    return {
      fromMs,
      hereUsd,
      functions: functions.map((each) => ({
        ...each,
        hereUsd: all === 0 ? 0 : (hereUsd * each.billedMbMs) / all,
      })),
    };
  });
}

export type UseSums = Omit<PricedUse, 'app' | 'function'>;

export function sumUse(uses: readonly PricedUse[]): UseSums {
  const sums = {
    ...{ invocations: 0, errors: 0, coldStarts: 0 },
    ...{ billedMs: 0, billedMbMs: 0, awsCostUsd: 0, hereUsd: 0 },
  };
  for (const use of uses) for (const key of Object.keys(sums) as (keyof UseSums)[]) sums[key] += use[key];
  return sums;
}
