import { createRoute, z } from '@hono/zod-openapi';
import type { Guard } from './guard.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { jsonAnswer, jsonBody } from './schemas.ts';
import { sessionCookie, signedOutCookie } from './session-cookie.ts';

/*
 * Signing a browser in. The console sends a token once and gets it back as a cookie that no script can read, that
 * goes to `/_lambent/` alone (functions never see it), and that no other site's page can send. Whoever deletes the
 * token ends the session.
 */

export const SIGN_IN_PATH = '/sign-in';
export const SIGN_OUT_PATH = '/sign-out';

const signInRoute = createRoute({
  method: 'post',
  path: SIGN_IN_PATH,
  operationId: 'signIn',
  tags: ['platform'],
  summary: 'Takes a token and gives a browser a session: a cookie. Needs no token besides.',
  security: [],
  middleware: limitJsonBody,
  request: { body: jsonBody(z.strictObject({ token: z.string().min(1).max(256) }), true) },
  responses: { 200: jsonAnswer(z.object({ name: z.string() }), 'Signed in; the name of the token.') },
});

const signOutRoute = createRoute({
  method: 'post',
  path: SIGN_OUT_PATH,
  operationId: 'signOut',
  tags: ['platform'],
  summary: "Ends a browser's session.",
  security: [],
  responses: { 200: jsonAnswer(z.object({ signedOut: z.literal(true) }), 'The cookie is gone.') },
});

const sessionRoute = createRoute({
  method: 'get',
  path: '/session',
  operationId: 'getSession',
  tags: ['platform'],
  summary: 'Who the caller is to this API.',
  responses: {
    200: jsonAnswer(
      z.object({
        name: z.string().openapi({ description: 'Name of the token, or `local`.' }),
        cookie: z.boolean().openapi({ description: 'Whether a session in a browser says so.' }),
      }),
      'The caller.',
    ),
  },
});

export function addSession(api: AdminRouter, guard: Guard): void {
  api.openapi(signInRoute, async (c) => {
    const { token } = c.req.valid('json');
    const { name } = await guard.signIn(c.req.raw, c.env.remoteAddress, token);
    c.header('set-cookie', sessionCookie(token, c.req.raw));
    return c.json({ name }, 200);
  });
  api.openapi(signOutRoute, (c) => {
    guard.checkOrigin(c.req.raw);
    c.header('set-cookie', signedOutCookie(c.req.raw));
    return c.json({ signedOut: true as const }, 200);
  });
  api.openapi(sessionRoute, (c) => {
    const { name, cookie = false } = c.get('caller');
    return c.json({ name, cookie }, 200);
  });
}
