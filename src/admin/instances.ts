import { createRoute, z } from '@hono/zod-openapi';
import type { PoolView } from '../ports/activity.ts';
import { listQuery, pageOf, pageSchema } from './list-page.ts';
import type { AdminRouter } from './router.ts';
import { jsonAnswer } from './schemas.ts';

const InstanceSchema = z
  .object({
    id: z.string(),
    app: z.string(),
    function: z.string(),
    version: z.string(),
    state: z.enum(['starting', 'ready', 'frozen', 'retiring']),
    pid: z.number().int(),
    startedMs: z.number(),
    activeInvocations: z.number().int(),
    servedInvocations: z.number().int(),
    memoryPeakMb: z.number(),
    kept: z.boolean().openapi({ description: 'It stays up without work.' }),
    concurrency: z
      .number()
      .int()
      .openapi({ description: 'Invocations that it takes at once; 0 until it is ready.' }),
    concurrencyReason: z.string().openapi({ description: 'Why so many.' }),
  })
  .openapi('Instance');

const listRoute = createRoute({
  method: 'get',
  path: '/instances',
  operationId: 'listInstances',
  tags: ['platform'],
  summary: 'The processes of functions now, and how many invocations wait for one.',
  request: { query: z.strictObject(listQuery) },
  responses: {
    200: jsonAnswer(pageSchema(InstanceSchema).extend({ waiting: z.number().int() }), 'One page.'),
  },
});

export function addInstances(api: AdminRouter, { pool }: { pool: PoolView }): void {
  api.openapi(listRoute, (c) => {
    const page = pageOf(pool.instances(), ({ id }) => id, c.req.valid('query'));
    return c.json({ ...page, waiting: pool.waiting }, 200);
  });
}
