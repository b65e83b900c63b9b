import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { AdminRouter } from './router.ts';
import { jsonAnswer } from './schemas.ts';

export interface HealthDeps {
  clock: Clock;
  mode: 'dev' | 'start';
  version: string;
  nodeId: NodeId;
}

export const HEALTH_PATH = '/health';

const HealthSchema = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    mode: z.enum(['dev', 'start']),
    nodeId: z.string(),
    startedMs: z.number(),
    uptimeMs: z.number(),
  })
  .openapi('Health');

const healthRoute = createRoute({
  method: 'get',
  path: HEALTH_PATH,
  operationId: 'getHealth',
  tags: ['platform'],
  summary: 'Whether the platform answers. Needs no token.',
  security: [],
  responses: { 200: jsonAnswer(HealthSchema, 'It does.') },
});

export function addHealth(api: AdminRouter, { clock, mode, version, nodeId }: HealthDeps): void {
  const startedMs = clock.nowMs();
  const startedMonotonicMs = clock.monotonicMs();
  api.openapi(healthRoute, (c) => {
    const uptimeMs = Math.round(clock.monotonicMs() - startedMonotonicMs);
    return c.json({ status: 'ok' as const, version, mode, nodeId, startedMs, uptimeMs }, 200);
  });
}
