import { createRoute, z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { SAVED_EVENT_CHARS_MAX, SAVED_EVENTS_MAX, type SavedEventStore } from '../ports/saved-events.ts';
import type { AdminRouter } from './router.ts';
import { FunctionParams, jsonAnswer, jsonBody } from './schemas.ts';

export interface SavedEventsDeps {
  savedEvents: SavedEventStore;
  clock: Clock;
}

const EventNameSchema = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{C}/]+$/u, 'a name without `/`');
const OneParams = FunctionParams.extend({ saved: EventNameSchema });
const PATH = '/apps/{app}/functions/{name}/events';

const listRoute = createRoute({
  method: 'get',
  path: PATH,
  operationId: 'listSavedEvents',
  tags: ['functions'],
  summary: 'Events that people keep to test a function with, by name.',
  request: { params: FunctionParams },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z
          .array(
            z
              .object({
                name: z.string(),
                event: z.string().openapi({ description: 'JSON, as it was written.' }),
                savedMs: z.number(),
              })
              .openapi('SavedEvent'),
          )
          .readonly(),
      }),
      'All of them.',
    ),
  },
});

const putRoute = createRoute({
  method: 'put',
  path: `${PATH}/{saved}`,
  operationId: 'saveEvent',
  tags: ['functions'],
  summary: 'Keeps an event for everybody who uses this server, in the place of the one with that name.',
  description: `A function has at most ${SAVED_EVENTS_MAX}.`,
  middleware: bodyLimit({
    // Written as a JSON string it may take twice as much.
    maxSize: SAVED_EVENT_CHARS_MAX * 2 + 1_024,
    onError: () => {
      throw new LambentError(
        'E_PAYLOAD_TOO_LARGE',
        `An event has at most ${SAVED_EVENT_CHARS_MAX} characters.`,
      );
    },
  }),
  request: {
    params: OneParams,
    body: jsonBody(z.strictObject({ event: z.string().max(SAVED_EVENT_CHARS_MAX) }), true),
  },
  responses: { 200: jsonAnswer(z.object({ name: z.string() }), 'It is kept.') },
});

const removeRoute = createRoute({
  method: 'delete',
  path: `${PATH}/{saved}`,
  operationId: 'removeSavedEvent',
  tags: ['functions'],
  summary: 'Removes a kept event.',
  request: { params: OneParams },
  responses: { 200: jsonAnswer(z.object({ name: z.string() }), 'It is gone.') },
});

export function addSavedEvents(api: AdminRouter, { savedEvents, clock }: SavedEventsDeps): void {
  api.openapi(listRoute, async (c) => {
    const { app, name } = c.req.valid('param');
    return c.json({ items: await savedEvents.list(app, name) }, 200);
  });

  api.openapi(putRoute, async (c) => {
    const { app, name, saved } = c.req.valid('param');
    const { event } = c.req.valid('json');
    try {
      JSON.parse(event);
    } catch (thrown) {
      throw new LambentError('E_BAD_REQUEST', `The event is not JSON: ${(thrown as Error).message}`);
    }
    if (!(await savedEvents.put(app, name, { name: saved, event, savedMs: clock.nowMs() })))
      throw new LambentError('E_CONFLICT', `${name} has ${SAVED_EVENTS_MAX} kept events, the limit.`, {
        hint: 'Remove one of them first.',
      });
    return c.json({ name: saved }, 200);
  });

  api.openapi(removeRoute, async (c) => {
    const { app, name, saved } = c.req.valid('param');
    if (!(await savedEvents.remove(app, name, saved)))
      throw new LambentError('E_NOT_FOUND', `${name} has no kept event named ${saved}.`);
    return c.json({ name: saved }, 200);
  });
}
