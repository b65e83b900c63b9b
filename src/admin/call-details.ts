import { createRoute, z } from '@hono/zod-openapi';
import { isUtf8 } from 'node:buffer';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import { type CallDetail, type CallDetailStore, PAYLOAD_BYTES_MAX } from '../ports/call-details.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { ROUTE_ANSWER_BYTES_MAX, type SendToRoutes } from '../ports/own-routes.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';
import type { TrafficView } from '../ports/traffic.ts';
import { storeNewest } from './fresh-reads.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { InvocationIdSchema, InvocationRecordSchema, jsonAnswer, jsonBody } from './schemas.ts';

export interface CallDetailsDeps {
  telemetry: TelemetryStore;
  callDetails: Pick<CallDetailStore, 'find' | 'listTrace'>;
  traffic: TrafficView;
  sendToRoutes: SendToRoutes;
  liveApps: LiveApps;
  feed: ActivityFeed;
  clock: Clock;
}

/** Calls of one trace that an answer names. */
export const TRACE_CALLS_MAX = 100;
const HEADERS_MAX = 200;

const HeaderSchema = z
  .tuple([
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a name of a header'),
    z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'a value of a header'),
  ])
  .readonly();
const EncodingSchema = z.enum(['utf8', 'base64']);

const PayloadSchema = z
  .object({
    head: z.string().optional().openapi({ description: '`POST /orders` or `200`. Absent for events.' }),
    headers: z.array(HeaderSchema).readonly().optional(),
    body: z.string().openapi({ description: `The first ${PAYLOAD_BYTES_MAX} bytes of it.` }),
    encoding: EncodingSchema,
    bytes: z.number().int().openapi({ description: 'Of the whole body.' }),
    cut: z.boolean(),
    redacted: z.boolean().openapi({ description: 'A credential or a secret was taken out.' }),
  })
  .openapi('CallPayload');

const payloadsRoute = createRoute({
  method: 'get',
  path: '/invocations/{id}/payloads',
  operationId: 'getPayloads',
  tags: ['invocations'],
  summary: 'What went into a call and what came out, as far as it was kept.',
  request: { params: z.strictObject({ id: InvocationIdSchema }) },
  responses: {
    200: jsonAnswer(
      z
        .object({
          kept: z.enum(['yes', 'off', 'no']).openapi({
            description:
              '`off`: the manifest says that nothing is kept. `no`: there were too many calls at that time, or it is too old.',
          }),
          input: PayloadSchema.optional(),
          output: PayloadSchema.optional(),
        })
        .openapi('CallPayloads'),
      'Both.',
    ),
  },
});

const callsRoute = createRoute({
  method: 'get',
  path: '/invocations/{id}/calls',
  operationId: 'listTraceCalls',
  tags: ['invocations'],
  summary: 'All calls of the trace that an invocation belongs to: what led to it, and what it led to.',
  request: { params: z.strictObject({ id: InvocationIdSchema }) },
  responses: {
    200: jsonAnswer(
      z
        .object({
          trace: z.string(),
          items: z.array(
            z
              .object({
                call: InvocationRecordSchema,
                parent: z.string().optional().openapi({
                  description: 'The invocation that it was called from. Absent where that is none of these.',
                }),
              })
              .openapi('TraceCall'),
          ),
          more: z.boolean().openapi({ description: `There are more than ${TRACE_CALLS_MAX}.` }),
        })
        .openapi('TraceCalls'),
      'The calls, the first to arrive first.',
    ),
  },
});

const trafficRoute = createRoute({
  method: 'get',
  path: '/traffic',
  operationId: 'getTraffic',
  tags: ['platform'],
  summary: 'What called which function within the last minute, and how often; and executions of workflows.',
  responses: {
    200: jsonAnswer(
      z
        .object({
          windowMs: z.number().int(),
          items: z.array(
            z
              .object({
                app: z.string(),
                function: z.string(),
                via: z.object({
                  kind: z.enum(['route', 'function', 'trigger', 'api']),
                  name: z
                    .string()
                    .openapi({ description: '`GET /users/:id`, `app/function` or `app/trigger`.' }),
                }),
                calls: z.number().int(),
                errors: z.number().int(),
              })
              .openapi('TrafficFlow'),
          ),
          executions: z.array(
            z
              .object({
                app: z.string(),
                workflow: z.string(),
                began: z.number().int(),
                ended: z.number().int(),
                failed: z.number().int().openapi({ description: 'Of those that ended.' }),
              })
              .openapi('ExecutionFlow'),
          ),
        })
        .openapi('Traffic'),
      'Each pair of which there was a call.',
    ),
  },
});

const requestRoute = createRoute({
  method: 'post',
  path: '/requests',
  operationId: 'sendRequest',
  tags: ['invocations'],
  summary: 'Sends a request to the routes of the apps, as anybody could, and answers what came of it.',
  description: `Of the answer's body the first ${ROUTE_ANSWER_BYTES_MAX} bytes are there.`,
  middleware: limitJsonBody,
  request: {
    body: jsonBody(
      z.strictObject({
        method: z.string().regex(/^[A-Z]{1,20}$/, 'a method in capitals'),
        target: z
          .string()
          .max(8_192)
          .regex(/^\/[\x21-\x7e]*$/, 'a path and a query, percent-encoded'),
        headers: z.array(HeaderSchema).max(HEADERS_MAX).default([]),
        body: z.string().default(''),
        encoding: EncodingSchema.default('utf8'),
      }),
      true,
    ),
  },
  responses: {
    200: jsonAnswer(
      z
        .object({
          id: z.string().optional().openapi({ description: 'The invocation that answered.' }),
          status: z.number().int(),
          headers: z.array(HeaderSchema).readonly(),
          body: z.string(),
          encoding: EncodingSchema,
          cut: z.boolean(),
        })
        .openapi('RequestAnswer'),
      'What the route answered, whatever its status.',
    ),
  },
});

export function addCallDetails(api: AdminRouter, deps: CallDetailsDeps): void {
  const { callDetails, traffic, sendToRoutes } = deps;

  api.openapi(payloadsRoute, async (c) => {
    const { id } = c.req.valid('param');
    const record = await findRecord(deps, id);
    const detail = await callDetails.find(id);
    const { input, output } = detail ?? {};
    if (input !== undefined || output !== undefined)
      return c.json({ kept: 'yes' as const, input, output }, 200);
    const live = deps.liveApps.resolve(record.app, record.function);
    const isOff = live?.version.config.keepPayloads === false;
    return c.json({ kept: isOff ? ('off' as const) : ('no' as const) }, 200);
  });

  api.openapi(callsRoute, async (c) => {
    const { id } = c.req.valid('param');
    await findRecord(deps, id);
    return c.json(await readTrace(deps, id, await callDetails.find(id)), 200);
  });

  api.openapi(trafficRoute, (c) =>
    c.json({ windowMs: 60_000, items: traffic.flows(), executions: traffic.executions() }, 200),
  );

  api.openapi(requestRoute, async (c) => {
    const { body, encoding, headers, ...rest } = c.req.valid('json');
    const answer = await sendToRoutes({
      ...rest,
      headers: headers.map(([name, value]) => [name.toLowerCase(), value] as const),
      body: Buffer.from(body, encoding),
    });
    const isText = isUtf8(answer.body);
    const id = answer.headers.find(([name]) => name === 'x-request-id')?.[1];
    return c.json(
      {
        ...(id === undefined ? {} : { id }),
        ...{ status: answer.status, headers: answer.headers, cut: answer.cut },
        body: answer.body.toString(isText ? 'utf8' : 'base64'),
        encoding: isText ? ('utf8' as const) : ('base64' as const),
      },
      200,
    );
  });
}

async function findRecord(
  { telemetry, feed, clock }: CallDetailsDeps,
  id: InvocationId,
): Promise<InvocationRecord> {
  await storeNewest(feed, clock);
  const record = await telemetry.findInvocation(id);
  if (record === undefined)
    throw new LambentError('E_NOT_FOUND', `No finished invocation ${id} is in the history.`, {
      hint: 'It may still run, wait in the queue, or be older than the history that is kept.',
    });
  return record;
}

async function readTrace(
  { telemetry, callDetails }: CallDetailsDeps,
  id: InvocationId,
  detail: CallDetail | undefined,
) {
  const trace = detail?.trace ?? id.replaceAll('-', '');
  const traced = await callDetails.listTrace(trace, TRACE_CALLS_MAX + 1);
  const parents = new Map(traced.slice(0, TRACE_CALLS_MAX).map((each) => [each.id, each.parent]));
  // The one that began it, if that was a call, and the one that is asked for have a place in any case.
  const ids = new Set([uuidOf(trace), ...parents.keys(), id]);
  const records = await Promise.all([...ids].map((each) => telemetry.findInvocation(each)));
  const bySpan = new Map([...ids].map((each) => [each.replaceAll('-', '').slice(-16), each]));
  const items = records
    .filter((record) => record !== undefined)
    .sort((a, b) => a.arrivedMs - b.arrivedMs || (a.id < b.id ? -1 : 1))
    .map((call) => {
      const span = call.id === id ? detail?.parent : parents.get(call.id);
      const parent = span === undefined ? undefined : bySpan.get(span);
      return parent === undefined || parent === call.id ? { call } : { call, parent };
    });
  return { trace, items, more: traced.length > TRACE_CALLS_MAX };
}

/** An invocation that begins a trace gives it its own id. */
function uuidOf(trace: string): InvocationId {
  const parts = [
    trace.slice(0, 8),
    trace.slice(8, 12),
    trace.slice(12, 16),
    trace.slice(16, 20),
    trace.slice(20),
  ];
  return parts.join('-') as InvocationId;
}
