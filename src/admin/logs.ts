import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { LogFilter, TelemetryStore } from '../ports/telemetry-store.ts';
import { toPublicError } from './errors.ts';
import { storeNewest } from './fresh-reads.ts';
import type { EventStream } from './event-stream.ts';
import { followLogs } from './log-stream.ts';
import type { AdminRouter } from './router.ts';
import {
  AppNameSchema,
  FunctionNameSchema,
  given,
  InvocationIdSchema,
  jsonAnswer,
  LogLineSchema,
  limitSchema,
  SearchTextSchema,
  SeveritySchema,
  TimeSchema,
} from './schemas.ts';

export interface LogsDeps {
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  clock: Clock;
  log: Log;
}

/** Followers at the same time. */
export const LOG_STREAMS_MAX = 64;

const SequenceSchema = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const LogQuery = z.strictObject({
  app: AppNameSchema.optional(),
  function: FunctionNameSchema.optional(),
  invocation: InvocationIdSchema.optional(),
  severity: SeveritySchema.optional().openapi({ description: 'This severity or a higher one.' }),
  text: SearchTextSchema.optional().openapi({ description: 'Occurs in the line, ignoring case.' }),
  from: TimeSchema.optional(),
  to: TimeSchema.optional(),
});

const listRoute = createRoute({
  method: 'get',
  path: '/logs',
  operationId: 'listLogs',
  tags: ['logs'],
  summary: 'The last log lines, oldest first.',
  request: { query: LogQuery.extend({ limit: limitSchema(10_000, 200) }) },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(LogLineSchema),
        last: z.number().int().openapi({ description: 'Follow from here: `after` of the stream.' }),
      }),
      'The lines.',
    ),
  },
});

const streamRoute = createRoute({
  method: 'get',
  path: '/logs/stream',
  operationId: 'streamLogs',
  tags: ['logs'],
  summary: 'Log lines as they are stored, as server-sent events.',
  description:
    'Each event has the line as `data` and its sequence as `id`. It begins after `Last-Event-ID`, after `after`, or ' +
    'with what comes next. `event: lagged` says that the reader is far behind; nothing is skipped. ' +
    '`event: error` with an error record ends the stream.',
  request: { query: LogQuery.extend({ after: SequenceSchema.optional() }) },
  responses: {
    200: { description: 'Events.', content: { 'text/event-stream': { schema: z.string() } } },
  },
});

/** Returns how to end all streams: a server that stops cannot wait for followers. */
export function addLogs(api: AdminRouter, { telemetry, feed, clock, log }: LogsDeps): () => void {
  const streams = new Set<EventStream>();

  api.openapi(listRoute, async (c) => {
    const { limit, ...query } = c.req.valid('query');
    await storeNewest(feed, clock);
    // Read before the lines: what is stored in between is then shown twice by a follower at most, never missed.
    const before = await lastSequence(telemetry);
    const items = await telemetry.tailLogs(filterOf(query), limit);
    return c.json({ items, last: Math.max(before, items.at(-1)?.sequence ?? 0) }, 200);
  });

  api.openapi(streamRoute, async (c) => {
    const { after, ...query } = c.req.valid('query');
    const headers = { 'content-type': 'text/event-stream' };
    // Nobody reads the answer to HEAD, so nothing would ever end its stream.
    if (c.req.method === 'HEAD') return new Response(null, { headers });
    if (streams.size >= LOG_STREAMS_MAX) {
      throw new LambentError('E_OVERLOADED', `Already ${LOG_STREAMS_MAX} readers follow the logs.`, {
        hint: 'Close another one and try again.',
        retryAfterS: 10,
      });
    }
    const resumed = parseEventId(c.req.header('last-event-id')) ?? after;
    const newest = await lastSequence(telemetry);
    const stream: EventStream = followLogs({
      telemetry,
      feed,
      clock,
      filter: filterOf(query),
      after: resumed ?? newest,
      newest,
      publicError: (thrown) => toPublicError(thrown, c.env.requestId, log),
      onEnd: () => streams.delete(stream),
    });
    streams.add(stream);
    return new Response(stream.readable, { headers });
  });

  return () => {
    for (const stream of streams) stream.end();
  };
}

function filterOf(query: z.output<typeof LogQuery>): LogFilter {
  const { app, function: name, invocation, severity, text, from, to } = query;
  return given({ app, function: name, invocation, severityMin: severity, text, fromMs: from, toMs: to });
}

async function lastSequence(telemetry: TelemetryStore): Promise<number> {
  return (await telemetry.tailLogs({}, 1))[0]?.sequence ?? 0;
}

function parseEventId(header: string | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  const parsed = SequenceSchema.safeParse(header);
  if (parsed.success) return parsed.data;
  throw new LambentError(
    'E_BAD_REQUEST',
    'header `Last-Event-ID`: it must be the id of an event of this stream.',
  );
}
