import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import { STEP_ATTEMPTS_MAX } from '../ports/execution-steps.ts';
import type { Workflows } from '../ports/workflows.ts';
import { LargePayloadSchema } from './large-payloads.ts';
import type { AdminRouter } from './router.ts';
import { ExecutionIdSchema, jsonAnswer, limitSchema } from './schemas.ts';

export const StepErrorSchema = z
  .object({ code: z.string(), errorType: z.string(), errorMessage: z.string() })
  .openapi('StepError');

export const StepStatusSchema = z.enum(['running', 'waiting', 'succeeded', 'failed', 'cancelled']);

const StepSchema = z
  .object({
    step: z.number().int().openapi({ description: 'Its place among the steps, from 0.' }),
    parent: z.number().int().optional().openapi({ description: 'The step within which it began.' }),
    item: z.number().int().optional().openapi({
      description: 'Which item of the map, or branch of the parallel, that its `parent` is: from 0.',
    }),
    op: z.number().int().optional().openapi({ description: 'The number by which durable code knows it.' }),
    kind: z
      .string()
      .openapi({ description: 'Of an operation its kind, of a state its `Type`, or `iteration`.' }),
    name: z.string(),
    at: z.string().optional().openapi({ description: 'Where in the source.' }),
    status: StepStatusSchema,
    fromMs: z.number(),
    toMs: z.number().optional(),
    dueMs: z.number().optional().openapi({ description: 'When it goes on or fails by itself.' }),
    attempts: z
      .array(z.object({ fromMs: z.number(), toMs: z.number().optional(), error: StepErrorSchema.optional() }))
      .readonly()
      .openapi({ description: `The newest ${STEP_ATTEMPTS_MAX} of them.` }),
    attemptCount: z.number().int(),
    error: StepErrorSchema.optional(),
    execution: z.string().optional().openapi({ description: 'The execution that it started or came from.' }),
    firstEntry: z.number().int().openapi({ description: 'Its first entry in the history.' }),
    lastEntry: z.number().int().optional(),
  })
  .openapi('ExecutionStep');

const StepParams = z.strictObject({
  id: ExecutionIdSchema,
  step: z.coerce.number().int().min(0).max(1_000_000),
});

const stepsRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/steps',
  operationId: 'listExecutionSteps',
  tags: ['executions'],
  summary: 'What an execution did: its operations or states with their attempts, in the order they began.',
  request: {
    params: z.strictObject({ id: ExecutionIdSchema }),
    query: z.strictObject({
      from: z.coerce.number().int().min(0).default(0),
      limit: limitSchema(2_000, 500),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(StepSchema).readonly(),
        total: z.number().int(),
        entries: z.number().int().openapi({ description: 'Entries of the history that they were made of.' }),
        next: z.number().optional().openapi({ description: '`from` of the next page; absent on the last.' }),
      }),
      'One page.',
    ),
  },
});

const stepRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/steps/{step}',
  operationId: 'getExecutionStep',
  tags: ['executions'],
  summary: 'One step with its input and output, as far as the history has them.',
  request: { params: StepParams },
  responses: {
    200: jsonAnswer(
      StepSchema.extend({
        input: z.unknown().optional(),
        output: z.unknown().optional(),
        largeInput: LargePayloadSchema.optional(),
        largeOutput: LargePayloadSchema.optional(),
      }).openapi('ExecutionStepDetail'),
      'The step.',
    ),
  },
});

const definitionRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/definition',
  operationId: 'getExecutionDefinition',
  tags: ['executions'],
  summary: 'The definition in Amazon States Language that an execution runs.',
  request: { params: z.strictObject({ id: ExecutionIdSchema }) },
  responses: {
    200: jsonAnswer(z.record(z.string(), z.unknown()).openapi('StateMachineDefinition'), 'The definition.'),
  },
});

export function addExecutionSteps(router: AdminRouter, workflows: Workflows): void {
  router.openapi(stepsRoute, async (c) => {
    const { from, limit } = c.req.valid('query');
    const page = await workflows.steps(c.req.valid('param').id, from, limit);
    const next = from + page.items.length;
    return c.json({ ...page, ...(next < page.total && page.items.length > 0 ? { next } : {}) }, 200);
  });
  router.openapi(stepRoute, async (c) => {
    const { id, step } = c.req.valid('param');
    return c.json(await workflows.step(id, step), 200);
  });
  router.openapi(definitionRoute, async (c) => {
    const { id } = c.req.valid('param');
    const text = await workflows.definition(id);
    if (text === undefined)
      throw new LambentError('E_NOT_FOUND', `Execution ${id} has no definition: it runs code.`);
    return c.json(JSON.parse(text) as Record<string, unknown>, 200);
  });
}
