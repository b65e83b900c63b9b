import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shareCosts, sumUse } from './share-costs.ts';

const DAY_MS = 86_400_000;
const use = (name: string, billedMbMs: number) => ({
  ...{ app: 'shop', function: name, invocations: 1, errors: 0, coldStarts: 0 },
  ...{ billedMs: 10, billedMbMs, awsCostUsd: 0.5 },
});

describe('the price of the machine', () => {
  const days = [
    { fromMs: 0, functions: [] },
    { fromMs: DAY_MS, functions: [use('a', 300), use('b', 100)] },
    { fromMs: 2 * DAY_MS, functions: [] },
    { fromMs: 3 * DAY_MS, functions: [use('a', 5)] },
  ];

  it('is shared by billed time times memory, from the first day with a call on, of the present day so far', () => {
    // 365 a year in twelve months: one dollar a day.
    const priced = shareCosts(days, 365 / 12, 3.5 * DAY_MS);
    assert.deepEqual(
      priced.map(({ fromMs, hereUsd, functions }) => [
        fromMs / DAY_MS,
        hereUsd,
        functions.map((each) => each.hereUsd),
      ]),
      [
        [1, 1, [0.75, 0.25]],
        [2, 1, []],
        [3, 0.5, [0.5]],
      ],
    );
    const sums = sumUse(priced.flatMap(({ functions }) => functions));
    assert.deepEqual([sums.invocations, sums.billedMbMs, sums.awsCostUsd, sums.hereUsd], [3, 405, 1.5, 1.5]);
  });

  it('is nobody’s where nothing was called, and nothing where it is not known', () => {
    assert.deepEqual(shareCosts([days[0]!], 30, DAY_MS), []);
    assert.deepEqual(
      shareCosts(days, 0, 4 * DAY_MS).map(({ hereUsd }) => hereUsd),
      [0, 0, 0],
    );
  });
});
