import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { CostModel } from '../ports/cost-model.ts';
import type { LatencyView } from '../ports/latency.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';
import { storeNewest } from './fresh-reads.ts';
import { CpuSchema, PriceTableSchema } from './price-table.ts';
import type { AdminRouter } from './router.ts';
import { AppNameSchema, FunctionNameSchema, jsonAnswer, TimeSchema } from './schemas.ts';

export interface ActivityDeps {
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  clock: Clock;
  cost: CostModel;
  latency: LatencyView;
}

/** Steps of one answer: each is one read of the sums that the store keeps by the minute. */
export const ACTIVITY_STEPS_MAX = 180;
const MINUTE_MS = 60_000;

const SumsSchema = z
  .object({
    app: z.string(),
    function: z.string(),
    invocations: z.number().int(),
    errors: z.number().int(),
    coldStarts: z.number().int(),
    billedMs: z.number(),
    billedMbMs: z.number().openapi({ description: 'Billed milliseconds times megabytes.' }),
    awsCostUsd: z.number().openapi({ description: 'What the same calls would cost at AWS Lambda.' }),
  })
  .openapi('FunctionSums');

const activityRoute = createRoute({
  method: 'get',
  path: '/activity',
  operationId: 'getActivity',
  tags: ['platform'],
  summary: 'Calls per function in equal steps of time, the oldest first.',
  description: `The steps are whole minutes; an answer has at most ${ACTIVITY_STEPS_MAX} of them.`,
  request: {
    query: z.strictObject({
      to: TimeSchema.optional().openapi({ description: 'The last step holds this time. Default: now.' }),
      stepMinutes: z.coerce.number().int().min(1).max(1_440).default(1),
      steps: z.coerce.number().int().min(1).max(ACTIVITY_STEPS_MAX).default(60),
      cpu: CpuSchema,
    }),
  },
  responses: {
    200: jsonAnswer(
      z
        .object({
          stepMs: z.number().int(),
          items: z.array(z.object({ fromMs: z.number(), functions: z.array(SumsSchema) })),
          priceTable: PriceTableSchema,
        })
        .openapi('Activity'),
      'The steps.',
    ),
  },
});

const latencyFields = {
  calls: z.number().int(),
  p50Us: z.number().openapi({ description: 'Microseconds, right to a tenth; 0 where there was no call.' }),
  p95Us: z.number(),
  p99Us: z.number(),
};

const latencyRoute = createRoute({
  method: 'get',
  path: '/latency',
  operationId: 'getLatency',
  tags: ['platform'],
  summary: 'How long calls took, by the minute in which they arrived, over the last hour.',
  description: 'From arrival to end: waiting, starting and running. Of all calls, or of one function.',
  request: {
    query: z
      .strictObject({ app: AppNameSchema.optional(), function: FunctionNameSchema.optional() })
      .refine(
        ({ app, function: name }) => (app === undefined) === (name === undefined),
        '`app` and `function` go together',
      ),
  },
  responses: {
    200: jsonAnswer(
      z
        .object({
          minutes: z
            .array(z.object({ fromMs: z.number(), ...latencyFields }))
            .readonly()
            .openapi({
              description: 'The oldest first, the present one last.',
            }),
          all: z.object(latencyFields),
        })
        .openapi('LatencyHour'),
      'Sixty minutes.',
    ),
  },
});

export function addActivity(api: AdminRouter, deps: ActivityDeps): void {
  const { telemetry, feed, clock, cost, latency } = deps;
  api.openapi(latencyRoute, (c) => {
    const { app, function: name } = c.req.valid('query');
    return c.json(
      latency.lastHour(app === undefined || name === undefined ? undefined : { app, function: name }),
      200,
    );
  });

  api.openapi(activityRoute, async (c) => {
    const { stepMinutes, steps, cpu, to = clock.nowMs() } = c.req.valid('query');
    const stepMs = stepMinutes * MINUTE_MS;
    const lastMs = Math.floor(to / stepMs) * stepMs;
    if (lastMs < steps * stepMs) throw new LambentError('E_BAD_REQUEST', 'query parameter `to`: too early.');
    await storeNewest(feed, clock);
    const firstMs = lastMs - (steps - 1) * stepMs;
    const sums = await telemetry.usageSteps(firstMs, stepMs, steps);
    const items = sums.map((rows, step) => {
      const functions = rows.map(({ app, function: name, ...row }) => ({
        ...{ app, function: name, invocations: row.invocations, errors: row.errors },
        ...{ coldStarts: row.coldStarts, billedMs: row.billedMs, billedMbMs: row.billedMbMs },
        awsCostUsd: cost.price(row, cpu).totalUsd,
      }));
      return { fromMs: firstMs + step * stepMs, functions };
    });
    return c.json({ stepMs, items, priceTable: { ...cost.table, cpu } }, 200);
  });
}
