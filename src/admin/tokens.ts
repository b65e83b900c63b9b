import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { AccessStore } from '../ports/access-store.ts';
import { hashToken, mintToken } from './access-token.ts';
import type { Guard } from './guard.ts';
import { keyOfNumber, listQuery, pageOf, pageSchema } from './list-page.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { jsonAnswer, jsonBody } from './schemas.ts';

export interface TokensDeps {
  access: AccessStore;
  clock: Clock;
  random: Random;
  mode: 'dev' | 'start';
}

/** How many tokens there may be. */
export const TOKENS_MAX = 1_000;

const TokenNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/,
    'a token is named by letters, digits, `_`, `-` and `.`, at most 64',
  )
  .openapi({ example: 'ci' });

const listRoute = createRoute({
  method: 'get',
  path: '/tokens',
  operationId: 'listTokens',
  tags: ['tokens'],
  summary: 'The names of all tokens. The tokens themselves are not stored.',
  request: { query: z.strictObject(listQuery) },
  responses: {
    200: jsonAnswer(
      pageSchema(z.object({ name: z.string(), createdMs: z.number() }).openapi('Token')),
      'One page, the oldest first.',
    ),
  },
});

const createTokenRoute = createRoute({
  method: 'post',
  path: '/tokens',
  operationId: 'createToken',
  tags: ['tokens'],
  summary: 'Makes a token. This answer is the only place where it is ever shown.',
  middleware: limitJsonBody,
  request: { body: jsonBody(z.strictObject({ name: TokenNameSchema }), true) },
  responses: {
    201: jsonAnswer(z.object({ name: z.string(), token: z.string() }).openapi('NewToken'), 'The token.'),
  },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/tokens/{name}',
  operationId: 'deleteToken',
  tags: ['tokens'],
  summary: 'Makes a token useless at once.',
  request: { params: z.strictObject({ name: TokenNameSchema }) },
  responses: { 200: jsonAnswer(z.object({ name: z.string(), deleted: z.literal(true) }), 'It is gone.') },
});

export function addTokens(api: AdminRouter, deps: TokensDeps, guard: Guard): void {
  const { access, clock, random, mode } = deps;

  api.openapi(listRoute, async (c) => {
    const tokens = (await access.listTokens()).map(({ name, createdMs }) => ({ name, createdMs }));
    const keyOf = (each: (typeof tokens)[number]) => `${keyOfNumber(each.createdMs)} ${each.name}`;
    return c.json(pageOf(tokens, keyOf, c.req.valid('query')), 200);
  });

  api.openapi(createTokenRoute, async (c) => {
    const { name } = c.req.valid('json');
    if ((await access.listTokens()).length >= TOKENS_MAX) {
      throw new LambentError('E_CONFLICT', `There are ${TOKENS_MAX} tokens already, which is the limit.`, {
        hint: 'Delete those that nobody uses.',
      });
    }
    const token = mintToken(random);
    if (!(await access.addToken({ name, hash: hashToken(token), createdMs: clock.nowMs() }))) {
      throw new LambentError('E_CONFLICT', `There is a token named ${name} already.`, {
        hint: 'Choose another name, or delete that token first.',
      });
    }
    return c.json({ name, token }, 201);
  });

  api.openapi(deleteRoute, async (c) => {
    const { name } = c.req.valid('param');
    const names = (await access.listTokens()).map((token) => token.name);
    if (mode === 'start' && names.length === 1 && names[0] === name) {
      throw new LambentError(
        'E_CONFLICT',
        `${name} is the last token; without it nobody could use this API.`,
        {
          hint: 'Make another token first.',
        },
      );
    }
    const removed = await access.removeToken(name);
    guard.forgetTokens();
    if (!removed)
      throw new LambentError('E_NOT_FOUND', `There is no token named ${name}.`, {
        hint: '`lambent tokens` lists them.',
      });
    return c.json({ name, deleted: true as const }, 200);
  });
}
