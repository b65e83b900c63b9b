import { ReadableStream } from 'node:stream/web';
import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import { LARGE_PAYLOAD_BYTES_MAX } from '../model/journal.ts';
import type { Workflows } from '../ports/workflows.ts';
import type { AdminRouter } from './router.ts';
import { ExecutionIdSchema } from './schemas.ts';

/** In place of a value that is too large for a journal: how large it is, and where it is to be had. */
export const LargePayloadSchema = z
  .object({
    blob: z.string().openapi({ description: 'The SHA-256 of its JSON text.' }),
    bytes: z.number().int(),
  })
  .openapi('LargePayload', {
    description: 'A value that is too large to be here: GET /executions/{id}/payloads/{blob} has it.',
  });

const payloadRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/payloads/{blob}',
  operationId: 'getExecutionPayload',
  tags: ['executions'],
  summary: 'A large value of an execution as JSON, or a part of its text.',
  request: {
    params: z.strictObject({ id: ExecutionIdSchema, blob: z.string().regex(/^[0-9a-f]{64}$/) }),
    query: z.strictObject({
      from: z.coerce.number().int().min(0).max(LARGE_PAYLOAD_BYTES_MAX).default(0).openapi({
        description: 'The first byte.',
      }),
      limit: z.coerce.number().int().min(1).max(LARGE_PAYLOAD_BYTES_MAX).optional().openapi({
        description: 'So many bytes at most. A part is text, and may begin and end within a character.',
      }),
    }),
  },
  responses: {
    200: {
      description: 'The value.',
      content: {
        'application/json': { schema: { description: 'Any JSON.' } },
        'text/plain': { schema: { type: 'string' } },
      },
    },
  },
});

export function addLargePayloads(router: AdminRouter, workflows: Workflows): void {
  router.openapi(payloadRoute, async (c) => {
    const { id, blob } = c.req.valid('param');
    const { from, limit } = c.req.valid('query');
    const pieces = await workflows.payload(id, blob, from);
    if (pieces === undefined)
      throw new LambentError('E_NOT_FOUND', `Execution ${id} has no large value of that name.`);
    const isPart = from > 0 || limit !== undefined;
    const type = isPart ? 'text/plain; charset=utf-8' : 'application/json';
    const body = ReadableStream.from(atMost(pieces, limit)) as globalThis.ReadableStream;
    return c.body(body, 200, { 'content-type': type }) as never;
  });
}

async function* atMost(pieces: AsyncIterable<Uint8Array>, limit = Number.POSITIVE_INFINITY) {
  let left = limit;
  for await (const piece of pieces) {
    yield piece.length <= left ? piece : piece.subarray(0, left);
    left -= piece.length;
    if (left <= 0) return;
  }
}

/** JSON in a body, of any size that executions take. */
export async function readValue(request: Request, workflows: Workflows): Promise<unknown> {
  if (Number(request.headers.get('content-length') ?? 0) > LARGE_PAYLOAD_BYTES_MAX)
    throw new LambentError('E_PAYLOAD_TOO_LARGE', `The body is over ${LARGE_PAYLOAD_BYTES_MAX} bytes.`, {
      details: { limitBytes: LARGE_PAYLOAD_BYTES_MAX },
    });
  return await workflows.takeIn(request.body === null ? [] : unbroken(request.body));
}

async function* unbroken(body: AsyncIterable<Uint8Array>) {
  try {
    yield* body;
  } catch (cause) {
    throw new LambentError('E_CLIENT_CLOSED', 'The body broke off.', { cause });
  }
}
