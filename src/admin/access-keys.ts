import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import type { AccessKeys } from '../ports/access-keys.ts';
import { keyOfNumber, listQuery, pageOf, pageSchema } from './list-page.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { jsonAnswer, jsonBody } from './schemas.ts';

export interface AccessKeysDeps {
  accessKeys: AccessKeys;
}

const KeyNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/,
    'a key is named by letters, digits, `_`, `-` and `.`, at most 64',
  )
  .openapi({ example: 'ci' });

const listRoute = createRoute({
  method: 'get',
  path: '/keys',
  operationId: 'listAccessKeys',
  tags: ['keys'],
  summary: "All access keys for AWS' clients, without their secrets.",
  request: { query: z.strictObject(listQuery) },
  responses: {
    200: jsonAnswer(
      pageSchema(
        z.object({ name: z.string(), accessKeyId: z.string(), createdMs: z.number() }).openapi('AccessKey'),
      ),
      'One page, the oldest first.',
    ),
  },
});

const createKeyRoute = createRoute({
  method: 'post',
  path: '/keys',
  operationId: 'createAccessKey',
  tags: ['keys'],
  summary: 'Makes an access key. This answer is the only place where its secret is ever shown.',
  middleware: limitJsonBody,
  request: { body: jsonBody(z.strictObject({ name: KeyNameSchema }), true) },
  responses: {
    201: jsonAnswer(
      z
        .object({ name: z.string(), accessKeyId: z.string(), secretAccessKey: z.string() })
        .openapi('NewAccessKey'),
      'The key.',
    ),
  },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/keys/{name}',
  operationId: 'deleteAccessKey',
  tags: ['keys'],
  summary: 'Makes an access key useless at once.',
  request: { params: z.strictObject({ name: KeyNameSchema }) },
  responses: { 200: jsonAnswer(z.object({ name: z.string(), deleted: z.literal(true) }), 'It is gone.') },
});

export function addAccessKeys(api: AdminRouter, { accessKeys }: AccessKeysDeps): void {
  api.openapi(listRoute, async (c) => {
    const page = pageOf(
      await accessKeys.list(),
      ({ createdMs, name }) => `${keyOfNumber(createdMs)} ${name}`,
      c.req.valid('query'),
    );
    return c.json(page, 200);
  });

  api.openapi(createKeyRoute, async (c) => {
    const { name } = c.req.valid('json');
    const made = await accessKeys.create(name);
    if (made === undefined) {
      throw new LambentError(
        'E_CONFLICT',
        `There is an access key named ${name} already, or there are too many.`,
        {
          hint: 'Choose another name, or delete a key that nobody uses.',
        },
      );
    }
    const { accessKeyId, secretAccessKey } = made;
    return c.json({ name, accessKeyId, secretAccessKey }, 201);
  });

  api.openapi(deleteRoute, async (c) => {
    const { name } = c.req.valid('param');
    if (!(await accessKeys.remove(name)))
      throw new LambentError('E_NOT_FOUND', `There is no access key named ${name}.`, {
        hint: '`lambent keys` lists them.',
      });
    return c.json({ name, deleted: true as const }, 200);
  });
}
