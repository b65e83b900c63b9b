import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import { jsonProblem, readBody } from '../base/request-body.ts';
import { CLOUD_EVENT_BYTES_MAX } from '../model/cloud-event.ts';
import type { DeadSelection, EventControl } from '../ports/event-control.ts';
import type { EventStore } from '../ports/event-store.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { InvocationErrorSchema, jsonAnswer, jsonBody, limitSchema } from './schemas.ts';
import { TriggerIdSchema } from './trigger-schema.ts';

interface DeadLettersDeps {
  events: EventStore;
  eventControl: EventControl;
}

/** Dead letters that one request can name. */
const KEYS_MAX = 1_000;

const KeySchema = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const KeyParams = z.strictObject({ key: z.coerce.number().pipe(KeySchema) });

const DeadLetterSchema = z
  .object({
    key: z.number().int(),
    trigger: z.string(),
    seq: z.number().int().openapi({ description: 'Place of the event in the log.' }),
    id: z.string(),
    source: z.string(),
    type: z.string(),
    attempts: z.number().int(),
    diedMs: z.number(),
    error: InvocationErrorSchema,
  })
  .openapi('DeadLetter');

const SelectionSchema = z.union([
  z.strictObject({ keys: z.array(KeySchema).min(1).max(KEYS_MAX) }),
  z.strictObject({ all: z.literal(true), trigger: TriggerIdSchema.optional() }),
]);

const CountSchema = z.object({ count: z.number().int() });

const listRoute = createRoute({
  method: 'get',
  path: '/dead-letters',
  operationId: 'listDeadLetters',
  tags: ['events'],
  summary: 'What could not be delivered, oldest first.',
  request: {
    query: z.strictObject({
      trigger: TriggerIdSchema.optional(),
      after: z.coerce.number().int().min(0).optional().openapi({ description: 'Key of the last one seen.' }),
      limit: limitSchema(1_000, 50),
    }),
  },
  responses: { 200: jsonAnswer(z.object({ items: z.array(DeadLetterSchema) }), 'One page.') },
});

const getRoute = createRoute({
  method: 'get',
  path: '/dead-letters/{key}',
  operationId: 'getDeadLetter',
  tags: ['events'],
  summary: 'One dead letter with its event.',
  request: { params: KeyParams },
  responses: {
    200: jsonAnswer(
      DeadLetterSchema.extend({ event: z.unknown() }).openapi('DeadLetterDetail'),
      'The dead letter.',
    ),
  },
});

const editRoute = createRoute({
  method: 'put',
  path: '/dead-letters/{key}/event',
  operationId: 'editDeadLetter',
  tags: ['events'],
  summary: 'Puts another event in its place, which a redrive then delivers.',
  request: {
    params: KeyParams,
    body: { required: true, content: { 'application/json': { schema: { description: 'A CloudEvent.' } } } },
  },
  responses: { 200: jsonAnswer(z.object({ key: z.number() }), 'Done, and durable.') },
});

const redriveRoute = createRoute({
  method: 'post',
  path: '/dead-letters/redrive',
  operationId: 'redriveDeadLetters',
  tags: ['events'],
  summary: 'Delivers dead letters again: some by key, or all (of one trigger).',
  middleware: limitJsonBody,
  request: { body: jsonBody(SelectionSchema, true) },
  responses: { 200: jsonAnswer(CountSchema, 'How many there were.') },
});

const removeRoute = createRoute({
  method: 'post',
  path: '/dead-letters/remove',
  operationId: 'removeDeadLetters',
  tags: ['events'],
  summary: 'Gives dead letters up for good.',
  middleware: limitJsonBody,
  request: { body: jsonBody(SelectionSchema, true) },
  responses: { 200: jsonAnswer(CountSchema, 'How many there were.') },
});

export function addDeadLetters(api: AdminRouter, { events, eventControl }: DeadLettersDeps): void {
  api.openapi(listRoute, async (c) => {
    const { trigger, after = 0, limit } = c.req.valid('query');
    const filter = trigger === undefined ? { after } : { after, trigger };
    return c.json({ items: await events.listDead(filter, limit) }, 200);
  });

  api.openapi(getRoute, async (c) => {
    const { key } = c.req.valid('param');
    const found = await events.findDead(key);
    if (found === undefined)
      throw new LambentError('E_NOT_FOUND', `There is no dead letter ${key}.`, {
        hint: '`lambent dead-letters` lists them.',
      });
    return c.json({ ...found, event: JSON.parse(Buffer.from(found.event).toString()) as unknown }, 200);
  });

  api.openapi(editRoute, async (c) => {
    const { key } = c.req.valid('param');
    const body = await readBody(c.req.raw, CLOUD_EVENT_BYTES_MAX);
    const problem = jsonProblem(body);
    if (problem !== undefined)
      throw new LambentError('E_EVENT_INVALID', `The event is not JSON: ${problem}.`);
    await eventControl.editDead(key, JSON.parse(body.toString()));
    return c.json({ key }, 200);
  });

  api.openapi(redriveRoute, async (c) =>
    c.json({ count: await eventControl.redrive(selectionOf(c.req.valid('json'))) }, 200),
  );
  api.openapi(removeRoute, async (c) =>
    c.json({ count: await eventControl.removeDead(selectionOf(c.req.valid('json'))) }, 200),
  );
}

function selectionOf(given: z.output<typeof SelectionSchema>): DeadSelection {
  return 'keys' in given ? { kind: 'keys', keys: given.keys } : { kind: 'all', trigger: given.trigger };
}
