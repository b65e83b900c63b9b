import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { InvocationId, MintUuid } from '../base/ids.ts';
import { jsonProblem, readBody } from '../base/request-body.ts';
import { parseTraceparent } from '../model/trace-context.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import { EVENT_BYTES_MAX, type EventOutcome, type Invoker } from '../ports/invoker.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';
import { storeNewest } from './fresh-reads.ts';
import { pageQuery, pageSchema } from './list-page.ts';
import type { AdminRouter } from './router.ts';
import {
  AppNameSchema,
  FunctionNameSchema,
  FunctionParams,
  given,
  InvocationErrorSchema,
  InvocationIdSchema,
  InvocationRecordSchema,
  jsonAnswer,
  SearchTextSchema,
  TimeSchema,
} from './schemas.ts';

export interface InvocationsDeps {
  liveApps: LiveApps;
  invoker: Invoker;
  asyncQueue: AsyncQueue;
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  clock: Clock;
  /** Told after each accepted asynchronous invocation, so that it need not wait for the next look at the queue. */
  onAsyncAccepted?: () => void;
}

const InvokeAnswerSchema = z
  .union([
    z.object({
      id: z.string(),
      status: z.literal('ok'),
      result: z.unknown().openapi({ description: 'What the function returned.' }),
      billedMs: z.number(),
    }),
    z.object({
      id: z.string(),
      status: z.literal('failed'),
      error: InvocationErrorSchema,
      billedMs: z.number(),
    }),
  ])
  .openapi('InvokeAnswer');

const invokeRoute = createRoute({
  method: 'post',
  path: '/apps/{app}/functions/{name}/invocations',
  operationId: 'invokeFunction',
  tags: ['invocations'],
  summary: 'Calls a function with a JSON event.',
  description: `The event is at most ${EVENT_BYTES_MAX} bytes; an empty body is \`{}\`. A failure of the function is an answer with status 200 and \`failed\`.`,
  request: {
    params: FunctionParams,
    query: z.strictObject({
      mode: z.enum(['sync', 'async']).default('sync').openapi({
        description: '`async` answers 202 when the call is stored; it then happens at least once.',
      }),
    }),
    body: { required: false, content: { 'application/json': { schema: { description: 'Any JSON.' } } } },
  },
  responses: {
    200: jsonAnswer(InvokeAnswerSchema, 'What came of it.'),
    202: jsonAnswer(z.object({ id: z.string() }), 'It is stored and owed.'),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/invocations',
  operationId: 'listInvocations',
  tags: ['invocations'],
  summary: 'The history of invocations, newest first.',
  request: {
    query: z.strictObject({
      app: AppNameSchema.optional(),
      function: FunctionNameSchema.optional(),
      status: InvocationRecordSchema.shape.status.optional(),
      trigger: InvocationRecordSchema.shape.trigger.optional(),
      from: TimeSchema.optional(),
      to: TimeSchema.optional(),
      minMs: z.coerce.number().min(0).max(86_400_000).optional().openapi({
        description: 'At least this run time, in milliseconds.',
      }),
      text: SearchTextSchema.optional().openapi({
        description: "Occurs in the summary, the caller's request id or the error, ignoring case.",
      }),
      ...pageQuery(1_000, 50),
    }),
  },
  responses: { 200: jsonAnswer(pageSchema(InvocationRecordSchema), 'One page.') },
});

const getRoute = createRoute({
  method: 'get',
  path: '/invocations/{id}',
  operationId: 'getInvocation',
  tags: ['invocations'],
  summary: 'One finished invocation.',
  request: { params: z.strictObject({ id: InvocationIdSchema }) },
  responses: { 200: jsonAnswer(InvocationRecordSchema, 'The invocation.') },
});

export function addInvocations(api: AdminRouter, deps: InvocationsDeps, mintUuid: MintUuid): void {
  const { liveApps, invoker, asyncQueue, telemetry, feed, clock } = deps;

  api.openapi(invokeRoute, async (c) => {
    const { app, name } = c.req.valid('param');
    const resolved = liveApps.resolve(app, name);
    if (resolved === undefined) {
      throw new LambentError('E_NOT_FOUND', `The app ${app} has no live function named ${name}.`);
    }
    const payload = await readEvent(c.req.raw);
    const id = mintUuid() as InvocationId;
    const traceparent = parseTraceparent(c.req.raw.headers.get('traceparent'));
    if (c.req.valid('query').mode === 'async') {
      await asyncQueue.enqueue({ id, app, function: name, payload, traceparent, acceptedMs: clock.nowMs() });
      deps.onAsyncAccepted?.();
      return c.json({ id }, 202);
    }
    const outcome = await invoker.invoke({
      id,
      version: resolved.version,
      deployment: resolved.deployment,
      trigger: 'invoke',
      payload,
      traceparent,
      clientContext: undefined,
      attempt: 0,
    });
    // Written as text, because a round trip through JavaScript values would change large numbers in the result.
    return c.body(outcomeText(id, outcome), 200, { 'content-type': 'application/json' }) as never;
  });

  api.openapi(listRoute, async (c) => {
    const {
      app,
      function: name,
      status,
      trigger,
      from,
      to,
      minMs,
      text,
      limit,
      cursor,
    } = c.req.valid('query');
    await storeNewest(feed, clock);
    const filter = given({
      app,
      function: name,
      status,
      trigger,
      fromMs: from,
      toMs: to,
      runUsMin: minMs === undefined ? undefined : minMs * 1_000,
      text,
    });
    return c.json(await telemetry.listInvocations(filter, limit, cursor), 200);
  });

  api.openapi(getRoute, async (c) => {
    const { id } = c.req.valid('param');
    await storeNewest(feed, clock);
    const record = await telemetry.findInvocation(id);
    if (record === undefined) {
      throw new LambentError('E_NOT_FOUND', `No finished invocation ${id} is in the history.`, {
        hint: 'It may still run, wait in the queue, or be older than the history that is kept.',
      });
    }
    return c.json(record, 200);
  });
}

/** Reads an event: JSON text, or `{}` for an empty body. */
async function readEvent(request: Request): Promise<Uint8Array> {
  const body = await readBody(request, EVENT_BYTES_MAX);
  if (body.length === 0) return Buffer.from('{}');
  const problem = jsonProblem(body);
  if (problem !== undefined) throw new LambentError('E_BAD_REQUEST', `The event is not JSON: ${problem}`);
  return body;
}

function outcomeText(id: InvocationId, outcome: EventOutcome): string {
  if (outcome.status === 'ok') {
    return `{"id":"${id}","status":"ok","result":${resultText(outcome.payload)},"billedMs":${outcome.billedMs}}`;
  }
  return JSON.stringify({ id, status: 'failed', error: outcome.error, billedMs: outcome.billedMs });
}

/** The result as JSON text: as it is, or as a string where the function streamed something else. */
function resultText(payload: Buffer): string {
  const text = payload.toString('utf8');
  if (text === '') return 'null';
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}
