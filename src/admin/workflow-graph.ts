import { createRoute, z } from '@hono/zod-openapi';
import type { Workflows } from '../ports/workflows.ts';
import { mermaid } from './mermaid.ts';
import type { AdminRouter } from './router.ts';
import { AppNameSchema, FunctionNameSchema, jsonAnswer } from './schemas.ts';

const countSchema = z.number().int().optional().openapi({
  description: 'How often executions came by; absent of a definition.',
});

export const graphFields = {
  source: z.enum(['definition', 'executions']),
  nodes: z
    .array(
      z.object({
        id: z.string(),
        kind: z.string().openapi({ description: "As of an execution's steps, or `start`, `end`." }),
        label: z.string(),
        parent: z.string().optional().openapi({ description: 'The node within which it is.' }),
        count: countSchema,
      }),
    )
    .readonly(),
  edges: z
    .array(
      z.object({
        from: z.string(),
        to: z.string(),
        label: z.string().optional().openapi({ description: 'When it is taken.' }),
        count: countSchema,
      }),
    )
    .readonly(),
  left: z.number().int().openapi({ description: 'Places that are too many to draw.' }),
};

const GraphSchema = z
  .object({
    ...graphFields,
    executions: z.number().int().openapi({ description: 'How many it was learnt from.' }),
  })
  .openapi('WorkflowGraph');

const graphRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/workflows/{name}/graph',
  operationId: 'getWorkflowGraph',
  tags: ['executions'],
  summary: 'What follows what in a workflow.',
  description:
    'Of a state machine as its definition has it, of code as its latest executions went, laid over each other.',
  request: {
    params: z.strictObject({ app: AppNameSchema, name: FunctionNameSchema }),
    query: z.strictObject({ format: z.enum(['json', 'mermaid']).default('json') }),
  },
  responses: {
    200: jsonAnswer(GraphSchema.extend({ mermaid: z.string().optional() }), 'The graph.'),
  },
});

export function addWorkflowGraph(router: AdminRouter, workflows: Workflows): void {
  router.openapi(graphRoute, async (c) => {
    const { app, name: workflow } = c.req.valid('param');
    const graph = await workflows.graph(app, workflow);
    const asked = c.req.valid('query').format;
    return c.json({ ...graph, ...(asked === 'mermaid' ? { mermaid: mermaid(graph) } : {}) }, 200);
  });
}
