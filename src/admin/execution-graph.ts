import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import { GRAPH_ITEMS_MAX } from '../ports/workflow-graph.ts';
import type { Workflows } from '../ports/workflows.ts';
import { StepErrorSchema, StepStatusSchema } from './execution-steps.ts';
import { mermaid } from './mermaid.ts';
import type { AdminRouter } from './router.ts';
import { ExecutionIdSchema, jsonAnswer } from './schemas.ts';
import { graphFields } from './workflow-graph.ts';

const CountsSchema = z
  .object({
    running: z.number().int().optional(),
    waiting: z.number().int().optional(),
    succeeded: z.number().int().optional(),
    failed: z.number().int().optional(),
    cancelled: z.number().int().optional(),
  })
  .openapi('StepCounts', { description: 'Steps, or items, by status.' });

const StateSchema = z
  .object({
    status: StepStatusSchema.openapi({ description: 'Of the step that matters most.' }),
    step: z.number().int().openapi({ description: 'That step.' }),
    counts: CountsSchema,
    retries: z.number().int().openapi({ description: 'Attempts after the first of a step.' }),
    fromMs: z.number(),
    toMs: z.number().optional().openapi({ description: 'Absent while a step goes on.' }),
    longestMs: z.number().optional().openapi({ description: 'What the longest step took that has ended.' }),
    dueMs: z.number().optional().openapi({ description: 'When something here goes on by itself next.' }),
    error: StepErrorSchema.optional(),
    items: z
      .object({
        map: z.number().int().openapi({ description: 'The step that is the map; of several the latest.' }),
        total: z.number().int(),
        counts: CountsSchema,
        named: z
          .array(z.object({ item: z.number().int(), status: StepStatusSchema }))
          .readonly()
          .openapi({
            description: `At most ${GRAPH_ITEMS_MAX}, those that are not done with or failed first.`,
          }),
      })
      .optional()
      .openapi({ description: 'What a map was given one by one.' }),
  })
  .openapi('PlaceState', { description: 'The steps that came by at a place, taken together.' });

const GraphSchema = z
  .object({
    ...graphFields,
    nodes: z.array(graphFields.nodes.unwrap().element.extend({ state: StateSchema.optional() })).readonly(),
    mermaid: z.string().optional(),
  })
  .openapi('ExecutionGraph');

const StepNumber = z.coerce.number().int().min(0).max(1_000_000);

const graphRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/graph',
  operationId: 'getExecutionGraph',
  tags: ['executions'],
  summary: 'An execution as a graph, with how each place of it stands.',
  description:
    'Of a state machine the graph of its definition, of code what it did so far. With `map` and `item` it tells of that item alone within that map.',
  request: {
    params: z.strictObject({ id: ExecutionIdSchema }),
    query: z.strictObject({
      map: StepNumber.optional().openapi({ description: 'The step that is a map.' }),
      item: StepNumber.optional(),
      format: z.enum(['json', 'mermaid']).default('json'),
    }),
  },
  responses: { 200: jsonAnswer(GraphSchema, 'The graph.') },
});

export function addExecutionGraph(router: AdminRouter, workflows: Workflows): void {
  router.openapi(graphRoute, async (c) => {
    const { map, item, format } = c.req.valid('query');
    if ((map === undefined) !== (item === undefined))
      throw new LambentError('E_BAD_REQUEST', '`map` and `item` go together.');
    const chosen = map === undefined || item === undefined ? undefined : { map, item };
    const graph = await workflows.executionGraph(c.req.valid('param').id, chosen);
    return c.json({ ...graph, ...(format === 'mermaid' ? { mermaid: mermaid(graph) } : {}) }, 200);
  });
}
