import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { nextDueMs } from '../model/schedule-time.ts';
import type { ScheduleSource, TriggerId } from '../model/trigger.ts';
import type { EventControl, TriggerView } from '../ports/event-control.ts';
import type { EventStore } from '../ports/event-store.ts';
import { AttemptSchema } from './events.ts';
import { listQuery, pageOf, pageQuery, pageSchema } from './list-page.ts';
import type { AdminRouter } from './router.ts';
import { jsonAnswer, limitSchema } from './schemas.ts';
import {
  DeliverySchema,
  DestinationSchema,
  RuleSchema,
  TriggerParams,
  TriggerSourceSchema,
  TriggerTargetSchema,
  triggerIdOf,
} from './trigger-schema.ts';

const LeftSchema = z.array(z.object({ place: z.string(), drop: z.array(z.string()).readonly() })).readonly();

const TriggerSchema = z
  .object({
    id: z.string().openapi({ description: 'APP/TRIGGER.' }),
    function: z.string().optional().openapi({ description: 'Absent: no live deployment has the trigger.' }),
    source: z.union([TriggerSourceSchema, z.null()]),
    starts: TriggerTargetSchema.optional(),
    onSuccess: DestinationSchema.optional(),
    onFailure: DestinationSchema.optional(),
    paused: z.boolean(),
    owed: z.number().int().openapi({ description: 'Deliveries that wait or are under way.' }),
    running: z.number().int().openapi({ description: 'Calls under way.' }),
    delivered: z.number().int(),
    failed: z.number().int().openapi({ description: 'Attempts that failed, since the platform started.' }),
    dead: z.number().int(),
    oldestMs: z.number().optional().openapi({ description: 'Since when the oldest delivery is owed.' }),
    position: z.string().optional().openapi({ description: 'Where its source is.' }),
    nextMs: z.number().optional().openapi({ description: 'When its schedule is due next.' }),
    trouble: z.string().optional().openapi({ description: 'Why its source does not work now.' }),
    lagBytes: z
      .number()
      .optional()
      .openapi({ description: 'What its database keeps that is not stored here yet.' }),
    lagMessages: z
      .number()
      .optional()
      .openapi({ description: 'Messages that its broker has still to give.' }),
    plan: z
      .object({
        place: z.string(),
        make: z.array(z.string()).readonly(),
        drop: z.array(z.string()).readonly(),
        isMade: z.boolean(),
        left: LeftSchema.openapi({
          description: 'At places that it reads no more, and could not be dropped so far.',
        }),
      })
      .optional()
      .openapi({ description: 'What its source has in a service outside, or is about to make there.' }),
    left: LeftSchema.openapi({
      description:
        'Of a trigger that no live deployment has: what it made in services outside and could not be dropped so far.',
    }),
  })
  .openapi('Trigger');

const DetailSchema = TriggerSchema.extend({
  delivery: DeliverySchema.optional().openapi({ description: 'Absent: no live deployment has the trigger.' }),
  rule: RuleSchema.optional(),
}).openapi('TriggerDetail');

const listRoute = createRoute({
  method: 'get',
  path: '/triggers',
  operationId: 'listTriggers',
  tags: ['events'],
  summary: 'Every trigger with what it is owed.',
  request: { query: z.strictObject(listQuery) },
  responses: { 200: jsonAnswer(pageSchema(TriggerSchema), 'One page, by app and name.') },
});

const getRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/triggers/{name}',
  operationId: 'getTrigger',
  tags: ['events'],
  summary: 'One trigger, with how it delivers.',
  request: { params: TriggerParams },
  responses: { 200: jsonAnswer(DetailSchema, 'The trigger.') },
});

const attemptsRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/triggers/{name}/attempts',
  operationId: 'listTriggerAttempts',
  tags: ['events'],
  summary: 'Attempts to deliver to a trigger, the latest first.',
  description:
    'All that failed, and of those that went well at once some, for as long as their events are kept.',
  request: {
    params: TriggerParams,
    query: z.strictObject(pageQuery(1_000, 50)),
  },
  responses: {
    200: jsonAnswer(
      pageSchema(
        AttemptSchema.extend({
          seq: z.number().int().openapi({ description: 'Place of the event in the log.' }),
          id: z.string(),
          type: z.string(),
        }).openapi('TriggerAttempt'),
      ),
      'One page.',
    ),
  },
});

/** Runs of a schedule that one answer tells. */
const RUNS_MAX = 50;

const runsRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/triggers/{name}/runs',
  operationId: 'listRuns',
  tags: ['events'],
  summary: 'When a schedule is due next.',
  description: 'Before its jitter. Empty for what is due no more, and for a trigger that is no schedule.',
  request: { params: TriggerParams, query: z.strictObject({ limit: limitSchema(RUNS_MAX, 8) }) },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(z.object({ dueMs: z.number() })),
        timeZone: z.string().optional().openapi({ description: 'In which it is read: an IANA name.' }),
      }),
      'The next first.',
    ),
  },
});

const ACTS = {
  pause: 'Delivers nothing more; events wait.',
  resume: 'Delivers again.',
  run: 'Makes a schedule due now.',
};

const actRoute = (act: keyof typeof ACTS) =>
  createRoute({
    method: 'post',
    path: `/apps/{app}/triggers/{name}/${act}`,
    operationId: `${act}Trigger`,
    tags: ['events'],
    summary: ACTS[act],
    request: { params: TriggerParams },
    responses: { 200: jsonAnswer(z.object({ id: z.string() }), 'Done, and durable.') },
  });

export interface TriggersDeps {
  events: EventStore;
  eventControl: EventControl;
  clock: Clock;
}

export function addTriggers(api: AdminRouter, { events, eventControl, clock }: TriggersDeps): void {
  api.openapi(runsRoute, async (c) => {
    const id = triggerIdOf(c.req.valid('param'));
    const source = (await eventControl.findTrigger(id))?.live?.trigger.source;
    if (source === undefined) throw new LambentError('E_NOT_FOUND', `There is no live trigger ${id}.`);
    if (source.kind !== 'schedule') return c.json({ items: [] }, 200);
    const items = nextRuns(source, clock.nowMs(), c.req.valid('query').limit);
    return c.json({ items, timeZone: source.timeZone }, 200);
  });
  api.openapi(listRoute, async (c) => {
    const views = await eventControl.listTriggers();
    const { items, next } = pageOf(views, ({ id }) => id, c.req.valid('query'));
    return c.json({ items: items.map(toAnswer), next }, 200);
  });
  api.openapi(getRoute, async (c) => {
    const id = triggerIdOf(c.req.valid('param'));
    const view = await eventControl.findTrigger(id);
    if (view === undefined)
      throw new LambentError('E_NOT_FOUND', `There is no trigger ${id}.`, {
        hint: '`lambent triggers` lists them.',
      });
    const { delivery, rule } = view.live?.trigger ?? {};
    return c.json({ ...toAnswer(view), delivery, rule }, 200);
  });
  api.openapi(attemptsRoute, async (c) => {
    const { limit, cursor } = c.req.valid('query');
    const page = await events.listAttempts(triggerIdOf(c.req.valid('param')), limit, cursor);
    return c.json(page, 200);
  });
  const acts: Readonly<Record<keyof typeof ACTS, (id: TriggerId) => Promise<void>>> = {
    pause: (id) => eventControl.setPaused(id, true),
    resume: (id) => eventControl.setPaused(id, false),
    run: (id) => eventControl.runNow(id),
  };
  for (const act of ['pause', 'resume', 'run'] as const)
    api.openapi(actRoute(act), async (c) => {
      const id = triggerIdOf(c.req.valid('param'));
      await acts[act](id);
      return c.json({ id }, 200);
    });
}

function toAnswer({ live, ...view }: TriggerView) {
  return {
    ...view,
    function: live?.trigger.function,
    source: live?.trigger.source ?? null,
    starts: live?.trigger.starts,
    onSuccess: live?.trigger.delivery.onSuccess,
    onFailure: live?.trigger.delivery.onFailure,
  };
}

function nextRuns({ when, timeZone }: ScheduleSource, nowMs: number, limit: number): { dueMs: number }[] {
  const items: { dueMs: number }[] = [];
  for (let at: number | undefined = nowMs; items.length < limit; ) {
    at = nextDueMs(when, timeZone, at);
    if (at === undefined) break;
    items.push({ dueMs: at });
  }
  return items;
}
