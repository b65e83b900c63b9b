import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import type { AppName } from '../model/function.ts';
import { SECRET_NAME } from '../model/secret.ts';
import type { Secrets } from '../ports/secrets.ts';
import { listQuery, pageOf, pageSchema } from './list-page.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { AppNameSchema, jsonAnswer, jsonBody } from './schemas.ts';

export interface SecretsDeps {
  secrets: Secrets;
}

const params = z.strictObject({
  app: AppNameSchema,
  name: z
    .string()
    .regex(SECRET_NAME, 'a secret is named like an environment variable')
    .openapi({ example: 'DATABASE_URL' }),
});
const SecretSchema = z
  .object({ app: z.string(), name: z.string(), updatedMs: z.number() })
  .openapi('Secret', { description: 'What may be shown of a secret. Nothing gives its value back.' });

const listRoute = createRoute({
  method: 'get',
  path: '/secrets',
  operationId: 'listSecrets',
  tags: ['secrets'],
  summary: 'The names of all secrets, by app and name.',
  request: { query: z.strictObject(listQuery) },
  responses: { 200: jsonAnswer(pageSchema(SecretSchema), 'One page.') },
});

const setRoute = createRoute({
  method: 'put',
  path: '/apps/{app}/secrets/{name}',
  operationId: 'setSecret',
  tags: ['secrets'],
  summary: 'Gives a secret its value. Functions that name it get new instances; no deploy is needed.',
  middleware: limitJsonBody,
  request: { params, body: jsonBody(z.strictObject({ value: z.string() }), true) },
  responses: { 200: jsonAnswer(z.object({ app: z.string(), name: z.string() }), 'It is stored.') },
});

const removeRoute = createRoute({
  method: 'delete',
  path: '/apps/{app}/secrets/{name}',
  operationId: 'deleteSecret',
  tags: ['secrets'],
  summary: 'Removes a secret. Functions that name it cannot start until it is set again.',
  request: { params },
  responses: {
    200: jsonAnswer(z.object({ app: z.string(), name: z.string(), deleted: z.literal(true) }), 'It is gone.'),
  },
});

export function addSecrets(api: AdminRouter, { secrets }: SecretsDeps): void {
  api.openapi(listRoute, (c) =>
    c.json(
      pageOf(secrets.list(), ({ app, name }) => `${app}/${name}`, c.req.valid('query')),
      200,
    ),
  );

  // Also for an app that is yet to be deployed: its first start may need it.
  api.openapi(setRoute, async (c) => {
    const { app, name } = c.req.valid('param');
    await secrets.set(app as AppName, name, c.req.valid('json').value);
    return c.json({ app, name }, 200);
  });

  api.openapi(removeRoute, async (c) => {
    const { app, name } = c.req.valid('param');
    if (!(await secrets.remove(app as AppName, name)))
      throw new LambentError('E_NOT_FOUND', `The app ${app} has no secret ${name}.`, {
        hint: `\`lambent secrets list ${app}\` lists them.`,
      });
    return c.json({ app, name, deleted: true as const }, 200);
  });
}
