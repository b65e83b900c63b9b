import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { CostModel, CpuArchitecture } from '../ports/cost-model.ts';
import type { TelemetryStore, UsageRow } from '../ports/telemetry-store.ts';
import { storeNewest } from './fresh-reads.ts';
import { CpuSchema, PriceTableSchema } from './price-table.ts';
import type { AdminRouter } from './router.ts';
import { jsonAnswer, TimeSchema } from './schemas.ts';

export interface UsageDeps {
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  clock: Clock;
  cost: CostModel;
}

/** The span when none is asked for, in milliseconds: as long as history is kept. */
export const USAGE_SPAN_MS = 7 * 24 * 3_600_000;

const SumsSchema = z.object({
  invocations: z.number().int(),
  errors: z.number().int(),
  coldStarts: z.number().int(),
  billedMs: z.number(),
  billedMbMs: z.number().openapi({ description: 'Billed milliseconds times megabytes.' }),
  awsCostUsd: z.number().openapi({ description: 'What the same calls would cost at AWS Lambda.' }),
  awsRequestsUsd: z.number(),
  awsComputeUsd: z.number(),
});

const usageRoute = createRoute({
  method: 'get',
  path: '/usage',
  operationId: 'getUsage',
  tags: ['platform'],
  summary: 'Use per function over a span of time, and its price at AWS Lambda.',
  description: 'List price without the free tier. Only what is still in the history counts.',
  request: {
    query: z.strictObject({
      from: TimeSchema.optional(),
      to: TimeSchema.optional(),
      cpu: CpuSchema,
    }),
  },
  responses: {
    200: jsonAnswer(
      z
        .object({
          from: z.number(),
          to: z.number(),
          items: z.array(
            SumsSchema.extend({ app: z.string(), function: z.string(), memoryMb: z.number() }).openapi(
              'UsageRow',
            ),
          ),
          totals: SumsSchema.openapi('UsageTotals'),
          priceTable: PriceTableSchema,
        })
        .openapi('Usage'),
      'The sums.',
    ),
  },
});

export function addUsage(api: AdminRouter, { telemetry, feed, clock, cost }: UsageDeps): void {
  api.openapi(usageRoute, async (c) => {
    const { cpu, ...span } = c.req.valid('query');
    // The end is exclusive, and a call of this very millisecond should count.
    const to = span.to ?? clock.nowMs() + 1;
    const from = span.from ?? to - USAGE_SPAN_MS;
    if (from >= to)
      throw new LambentError('E_BAD_REQUEST', 'query parameter `from`: it must be before `to`.');
    await storeNewest(feed, clock);
    const items = (await telemetry.usage(from, to)).map((row) => withCost(row, cost, cpu));
    return c.json({ from, to, items, totals: sum(items), priceTable: { ...cost.table, cpu } }, 200);
  });
}

type PricedRow = UsageRow & { awsCostUsd: number; awsRequestsUsd: number; awsComputeUsd: number };

function withCost(row: UsageRow, cost: CostModel, cpu: CpuArchitecture): PricedRow {
  const { requestsUsd, computeUsd, totalUsd } = cost.price(row, cpu);
  return { ...row, awsCostUsd: totalUsd, awsRequestsUsd: requestsUsd, awsComputeUsd: computeUsd };
}

function sum(rows: readonly PricedRow[]): z.output<typeof SumsSchema> {
  const totals = {
    invocations: 0,
    errors: 0,
    coldStarts: 0,
    billedMs: 0,
    billedMbMs: 0,
    awsCostUsd: 0,
    awsRequestsUsd: 0,
    awsComputeUsd: 0,
  };
  for (const row of rows) {
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += row[key];
  }
  return totals;
}
