import type { Cost, CostModel, CpuArchitecture } from '../ports/cost-model.ts';
import type { UsageRow } from '../ports/telemetry-store.ts';
import prices from './aws-prices.json' with { type: 'json' };

const MB_IN_GB = 1_024;
const MS_IN_S = 1_000;

/**
 * What the same invocations would cost at AWS Lambda's list price, by the table in `aws-prices.json`.
 *
 * Lambda bills each request, and configured memory times duration in whole milliseconds
 * (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html and the pricing page), of at least
 * 128 MB. The first price tier is taken for everything, and the free tier is not subtracted. Where the memory of a
 * function changed within the span, the 128 MB minimum is applied to its sum, not to each call.
 */
export const awsLambdaCost: CostModel = {
  table: { source: prices.source, date: prices.date, region: prices.region },

  price(usage: Pick<UsageRow, 'invocations' | 'billedMs' | 'billedMbMs'>, cpu: CpuArchitecture): Cost {
    const mbMs = Math.max(usage.billedMbMs, usage.billedMs * prices.memoryMbMin);
    const requestsUsd = usage.invocations * prices.requestUsd;
    const computeUsd = (mbMs / MB_IN_GB / MS_IN_S) * prices.gbSecondUsd[cpu];
    return { requestsUsd, computeUsd, totalUsd: requestsUsd + computeUsd };
  },
};
