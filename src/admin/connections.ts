import { createRoute, z } from '@hono/zod-openapi';
import { CONNECTION_KINDS, CONNECTION_NAME } from '../model/connection.ts';
import type { Connections } from '../ports/connections.ts';
import { listQuery, pageOf, pageSchema } from './list-page.ts';
import type { AdminRouter } from './router.ts';
import { AppNameSchema, jsonAnswer } from './schemas.ts';

export interface ConnectionsDeps {
  connections: Connections;
}

const kind = z.enum(CONNECTION_KINDS);

const ConnectionSchema = z
  .object({
    app: z.string(),
    name: z.string(),
    kind,
    place: z.string().openapi({ description: 'Host and port, or the name of the secret with the address.' }),
    secrets: z.array(z.string()).readonly(),
    triggers: z.array(z.string()).readonly().openapi({ description: 'Triggers that read from it.' }),
    functions: z.array(z.string()).readonly().openapi({ description: 'Functions that may send through it.' }),
  })
  .openapi('Connection');

const ReportSchema = z
  .object({
    app: z.string(),
    name: z.string(),
    kind,
    ok: z.boolean().openapi({ description: 'Whether every check is well.' }),
    checks: z
      .array(
        z.object({
          name: z.string().openapi({ description: 'What was looked at: secrets, name, reach, tls, login …' }),
          ok: z.boolean(),
          text: z.string(),
          fix: z
            .string()
            .optional()
            .openapi({ description: 'What mends it; a statement where there is one.' }),
        }),
      )
      .readonly(),
  })
  .openapi('ConnectionReport', {
    description: 'The steps of a connection, until the first that makes others pointless.',
  });

const listRoute = createRoute({
  method: 'get',
  path: '/connections',
  operationId: 'listConnections',
  tags: ['events'],
  summary: 'Outside services that live apps name.',
  request: { query: z.strictObject(listQuery) },
  responses: { 200: jsonAnswer(pageSchema(ConnectionSchema), 'One page, by app and name.') },
});

const testRoute = createRoute({
  method: 'post',
  path: '/apps/{app}/connections/{name}/test',
  operationId: 'testConnection',
  tags: ['events'],
  summary: 'Tries a connection, and says what fails and what mends it. Changes nothing.',
  request: {
    params: z.strictObject({
      app: AppNameSchema,
      name: z.string().regex(CONNECTION_NAME, 'a connection is named by letters, digits, `_` and `-`'),
    }),
  },
  responses: { 200: jsonAnswer(ReportSchema, 'What was found.') },
});

export function addConnections(api: AdminRouter, { connections }: ConnectionsDeps): void {
  api.openapi(listRoute, (c) =>
    c.json(
      pageOf(connections.list(), ({ app, name }) => `${app}/${name}`, c.req.valid('query')),
      200,
    ),
  );
  api.openapi(testRoute, async (c) => {
    const { app, name } = c.req.valid('param');
    return c.json(await connections.test(app, name), 200);
  });
}
