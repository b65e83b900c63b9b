import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { CHANGE_TOPICS, type Changes } from '../ports/changes.ts';
import { toPublicError } from './errors.ts';
import { EventStream, eventText } from './event-stream.ts';
import type { AdminRouter } from './router.ts';

export interface ChangesDeps {
  changes: Changes;
  clock: Clock;
  nodeId: NodeId;
  log: Log;
}

/** Readers that follow at once. */
export const CHANGE_STREAMS_MAX = 256;
/** A place is of one run of one node. */
const PLACE = /^([0-9a-f-]{1,64})\.(\d{1,15})$/;

const changesRoute = createRoute({
  method: 'get',
  path: '/changes',
  operationId: 'streamChanges',
  tags: ['platform'],
  summary: 'What has changed, as it changes, as server-sent events: what to read again.',
  description: `The \`data\` of an event has \`topics\` (${CHANGE_TOPICS.join(', ')}) and, where they are few, the \`executions\` that changed. It begins after \`Last-Event-ID\`, after \`after\`, or with what comes next. \`event: reset\` says that the place given is too long ago or of another run: everything may have changed.`,
  request: {
    query: z.strictObject({
      after: z.string().max(100).optional().openapi({ description: 'The id of an event of this stream.' }),
    }),
  },
  responses: {
    200: { description: 'Events.', content: { 'text/event-stream': { schema: z.string() } } },
  },
});

/** Returns how to end all streams. */
export function addChanges(api: AdminRouter, { changes, clock, nodeId, log }: ChangesDeps): () => void {
  const streams = new Set<EventStream>();
  api.openapi(changesRoute, (c) => {
    const headers = { 'content-type': 'text/event-stream' };
    // Nobody reads the answer to HEAD, so nothing would ever end its stream.
    if (c.req.method === 'HEAD') return new Response(null, { headers });
    if (streams.size >= CHANGE_STREAMS_MAX)
      throw new LambentError('E_OVERLOADED', `Already ${CHANGE_STREAMS_MAX} readers follow the changes.`, {
        hint: 'Close another one and try again.',
        retryAfterS: 10,
      });
    const given = c.req.header('last-event-id') ?? c.req.valid('query').after;
    const stream: EventStream = new EventStream({
      clock,
      publicError: (thrown) => toPublicError(thrown, c.env.requestId, log),
      onEnd: () => streams.delete(stream),
      listen: (wake) => changes.onNotice(wake),
      read: createReader(changes, nodeId, given),
    });
    streams.add(stream);
    return new Response(stream.readable, { headers });
  });
  return () => {
    for (const stream of streams) stream.end();
  };
}

function createReader(changes: Changes, nodeId: NodeId, given: string | undefined) {
  const place = given === undefined || given === '' ? undefined : (PLACE.exec(given) ?? []);
  const isOurs = place?.[1] === nodeId;
  // The first event says where the reader is, so that it can come back even when nothing had changed.
  let first = true;
  let position = place === undefined || !isOurs ? changes.newest : Number(place[2]);
  let isLost = place !== undefined && !isOurs;
  return (): Promise<string | undefined> => {
    const { newest } = changes;
    const change = isLost ? undefined : changes.since(position);
    if (!first && change !== undefined && position === newest) return Promise.resolve(undefined);
    [first, isLost, position] = [false, false, newest];
    const id = `${nodeId}.${newest}`;
    return Promise.resolve(change === undefined ? eventText(id, {}, 'reset') : eventText(id, change));
  };
}
