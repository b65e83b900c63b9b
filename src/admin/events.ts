import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import { readBody } from '../base/request-body.ts';
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX, parseHttpEvents } from '../model/cloud-event-http.ts';
import { BUS_NAME, EVERYBODY, scopeOfApp, scopeOfBus } from '../model/event-scope.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { EventControl } from '../ports/event-control.ts';
import type { EventFilter, EventStore } from '../ports/event-store.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import {
  AppNameSchema,
  given,
  InvocationErrorSchema,
  jsonAnswer,
  jsonBody,
  limitSchema,
  SearchTextSchema,
  TimeSchema,
} from './schemas.ts';
import { TriggerIdSchema } from './trigger-schema.ts';

export interface EventsDeps {
  events: EventStore;
  eventBus: EventBus;
  eventControl: EventControl;
}

export const EVENTS_PATH = '/_lambent/events';

/** The most events of one part of a replay. */
const REPLAY_PART_MAX = 10_000;

const AttributeSchema = z.string().min(1).max(4_096);

/** How events are chosen, in a query and in a body. */
const filterFields = {
  text: SearchTextSchema.optional().openapi({
    description: 'Occurs in the event as JSON, letter for letter. Every event in question is read for it.',
  }),
  source: AttributeSchema.optional(),
  type: AttributeSchema.optional(),
  subject: AttributeSchema.optional(),
  id: AttributeSchema.optional(),
  since: TimeSchema.optional().openapi({ description: 'Received at this time or later.' }),
  until: TimeSchema.optional().openapi({ description: 'Received before this time.' }),
};

const EventSummarySchema = z
  .object({
    seq: z.number().int().openapi({ description: 'Place in the log.' }),
    scope: z.string().openapi({
      description: 'Whose it is: an app, `bus:` and a shared bus, or empty for all apps.',
    }),
    id: z.string(),
    source: z.string(),
    type: z.string(),
    subject: z.string().optional(),
    receivedMs: z.number(),
    depth: z.number().int().openapi({ description: 'How many events and calls led to it.' }),
    bytes: z.number().int(),
  })
  .openapi('EventSummary');

export const AttemptSchema = z
  .object({
    trigger: z.string(),
    delivery: z.number().int().openapi({ description: 'A replay is another delivery.' }),
    attempt: z.number().int(),
    startedMs: z.number(),
    tookMs: z.number(),
    invocation: z.string().optional(),
    error: InvocationErrorSchema.optional(),
    nextMs: z
      .number()
      .optional()
      .openapi({ description: 'When the next one comes. Absent: it was the last.' }),
  })
  .openapi('DeliveryAttempt');

const SeqParams = z.strictObject({ seq: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });

const publishRoute = createRoute({
  method: 'post',
  path: EVENTS_PATH,
  operationId: 'publishEvents',
  tags: ['events'],
  summary: 'Puts CloudEvents onto the bus: binary, structured, or a batch.',
  description: `A batch has at most ${BATCH_EVENTS_MAX} events and ${BATCH_BYTES_MAX} bytes; all of it is taken, or nothing.`,
  request: {
    query: z.strictObject({
      app: AppNameSchema.optional().openapi({ description: 'For this app alone. Default: for all apps.' }),
      bus: z.string().regex(BUS_NAME, 'a bus is named as an app is').optional().openapi({
        description: 'For those who listen to this shared bus alone.',
      }),
    }),
    body: {
      required: true,
      content: {
        'application/cloudevents+json': { schema: { description: 'A CloudEvent.' } },
        'application/cloudevents-batch+json': { schema: { description: 'A list of CloudEvents.' } },
      },
    },
  },
  responses: {
    202: jsonAnswer(
      z.object({
        events: z
          .array(
            z.object({
              id: z.string(),
              seq: z.number().int(),
              stored: z.boolean().openapi({ description: 'False: it was there already.' }),
              owed: z.number().int().openapi({ description: 'How many triggers get it.' }),
            }),
          )
          .readonly(),
      }),
      'Everything is stored.',
    ),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/events',
  operationId: 'listEvents',
  tags: ['events'],
  summary: 'The event log, newest first.',
  request: {
    query: z.strictObject({
      ...filterFields,
      limit: limitSchema(1_000, 50),
      before: SeqParams.shape.seq.optional().openapi({ description: '`next` of the page before.' }),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(EventSummarySchema).readonly(),
        next: z.number().optional().openapi({ description: 'Absent on the last page. A page may be empty.' }),
      }),
      'One page.',
    ),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/events/{seq}',
  operationId: 'getEvent',
  tags: ['events'],
  summary: 'One event, and where it still has to go.',
  request: { params: SeqParams },
  responses: {
    200: jsonAnswer(
      EventSummarySchema.extend({
        event: z.unknown().openapi({ description: 'The CloudEvent.' }),
        owedTo: z.array(z.string()).readonly(),
        deadAt: z.array(z.string()).readonly(),
        attempts: z.array(AttemptSchema).readonly().openapi({
          description:
            'The first to be made first. Of deliveries that went well at once, only some are kept.',
        }),
      }).openapi('EventDetail'),
      'The event.',
    ),
  },
});

const replayRoute = createRoute({
  method: 'post',
  path: '/events/replay',
  operationId: 'replayEvents',
  tags: ['events'],
  summary: 'Delivers stored events once more: to one trigger, or to all that match them.',
  description:
    'At once, or with `limit` in parts: ask again with `after` until there is no `next`, and with the same `until`.',
  middleware: limitJsonBody,
  request: {
    body: jsonBody(
      z.strictObject({
        ...filterFields,
        trigger: TriggerIdSchema.optional().openapi({ description: 'To it alone, whatever its pattern.' }),
        dryRun: z.boolean().default(false).openapi({ description: 'Counts, and delivers nothing.' }),
        after: SeqParams.shape.seq.optional().openapi({ description: '`next` of the part before.' }),
        limit: z.number().int().min(1).max(REPLAY_PART_MAX).optional().openapi({
          description: 'Events of this part. Left out: all.',
        }),
      }),
      true,
    ),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        events: z.number().int(),
        deliveries: z.number().int(),
        next: z.number().int().optional().openapi({ description: 'Absent: that was all.' }),
      }),
      'How many events were found, and how many deliveries come of them.',
    ),
  },
});

export function addEvents(root: AdminRouter, api: AdminRouter, deps: EventsDeps): void {
  const { events, eventBus, eventControl } = deps;

  root.openapi(publishRoute, async (c) => {
    const body = await readBody(c.req.raw, BATCH_BYTES_MAX);
    const parsed = parseHttpEvents(c.req.raw.headers, body);
    const { app, bus } = c.req.valid('query');
    if (app !== undefined && bus !== undefined)
      throw new LambentError('E_BAD_REQUEST', 'An event goes to an app or onto a bus, not both.');
    const scope = app !== undefined ? scopeOfApp(app) : bus !== undefined ? scopeOfBus(bus) : EVERYBODY;
    const published = await eventBus.publish(parsed, { scope });
    return c.json({ events: published.map((each, at) => ({ id: parsed[at]!.id, ...each })) }, 202);
  });

  api.openapi(listRoute, async (c) => {
    const { limit, before, ...filter } = c.req.valid('query');
    const { items, next } = await events.listEvents(filterOf(filter), limit, before);
    return c.json({ items, next }, 200);
  });

  api.openapi(getRoute, async (c) => {
    const { seq } = c.req.valid('param');
    const found = await events.findEvent(seq);
    if (found === undefined)
      throw new LambentError('E_NOT_FOUND', `The log has no event ${seq}; it may be too old.`);
    return c.json({ ...found, event: JSON.parse(Buffer.from(found.event).toString()) as unknown }, 200);
  });

  api.openapi(replayRoute, async (c) => {
    const { trigger, dryRun, after, limit, ...filter } = c.req.valid('json');
    const request = { filter: filterOf(filter), trigger, dryRun, limit, ...given({ after }) };
    const { next, ...counts } = await eventControl.replay(request);
    return c.json({ ...counts, ...given({ next }) }, 200);
  });
}

function filterOf({
  since,
  until,
  ...attributes
}: {
  text?: string | undefined;
  source?: string | undefined;
  type?: string | undefined;
  subject?: string | undefined;
  id?: string | undefined;
  since?: number | undefined;
  until?: number | undefined;
}): EventFilter {
  return given({ ...attributes, sinceMs: since, untilMs: until });
}
