import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import type { LiveApp } from '../model/deployment.ts';
import type { AppName } from '../model/function.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { Deployer } from '../ports/deployer.ts';
import type { SavedEventStore } from '../ports/saved-events.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { listQuery, pageOf, pageSchema } from './list-page.ts';
import { type AdminRouter, limitJsonBody } from './router.ts';
import { AppParams, jsonAnswer, jsonBody, LiveAppSchema, TrafficShareSchema } from './schemas.ts';

export interface AppsDeps {
  secrets: Secrets;
  savedEvents: SavedEventStore;
  apps: AppStore;
  liveApps: LiveApps;
  deployer: Deployer;
}

const AppSchema = LiveAppSchema.extend({
  functions: z.number().int().openapi({ description: 'Functions of its newest live deployment.' }),
}).openapi('App');

const listRoute = createRoute({
  method: 'get',
  path: '/apps',
  operationId: 'listApps',
  tags: ['apps'],
  summary: 'Every app with what it serves, in order of name.',
  request: { query: z.strictObject(listQuery) },
  responses: { 200: jsonAnswer(pageSchema(AppSchema), 'One page.') },
});

const getRoute = createRoute({
  method: 'get',
  path: '/apps/{app}',
  operationId: 'getApp',
  tags: ['apps'],
  summary: 'One app with what it serves.',
  request: { params: AppParams },
  responses: { 200: jsonAnswer(AppSchema, 'The app.') },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/apps/{app}',
  operationId: 'deleteApp',
  tags: ['apps'],
  summary: 'Stops an app and forgets all its deployments. Its history stays until it is too old.',
  request: { params: AppParams },
  responses: { 200: jsonAnswer(z.object({ app: z.string(), deleted: z.literal(true) }), 'It is gone.') },
});

const rollbackRoute = createRoute({
  method: 'post',
  path: '/apps/{app}/rollback',
  operationId: 'rollbackApp',
  tags: ['apps'],
  summary: 'Makes an older deployment live again: `to`, or the one before the present.',
  middleware: limitJsonBody,
  request: {
    params: AppParams,
    body: jsonBody(z.strictObject({ to: z.number().int().min(1).optional() }), false),
  },
  responses: { 200: jsonAnswer(LiveAppSchema, 'What is live now.') },
});

const TrafficBody = z
  .strictObject({ traffic: z.array(TrafficShareSchema).min(1).max(2) })
  .refine(({ traffic }) => traffic.reduce((sum, { weight }) => sum + weight, 0) === 100, {
    path: ['traffic'],
    message: 'the weights must add up to 100',
  })
  .refine(({ traffic }) => new Set(traffic.map(({ number }) => number)).size === traffic.length, {
    path: ['traffic'],
    message: 'a deployment can be named once only',
  });

const trafficRoute = createRoute({
  method: 'put',
  path: '/apps/{app}/traffic',
  operationId: 'setTraffic',
  tags: ['apps'],
  summary: 'Serves one deployment, or shares the traffic between two by weight.',
  middleware: limitJsonBody,
  request: { params: AppParams, body: jsonBody(TrafficBody, true) },
  responses: { 200: jsonAnswer(LiveAppSchema, 'What is live now.') },
});

export function addApps(
  api: AdminRouter,
  { apps, liveApps, deployer, secrets, savedEvents }: AppsDeps,
): void {
  const withFunctions = (live: LiveApp) => ({
    ...live,
    functions: liveApps.find(live.app)?.deployments.at(-1)?.functions.length ?? 0,
  });

  api.openapi(listRoute, async (c) => {
    const { items, next } = pageOf(await apps.listApps(), ({ app }) => app, c.req.valid('query'));
    return c.json({ items: items.map(withFunctions), next }, 200);
  });

  api.openapi(getRoute, async (c) => {
    return c.json(withFunctions(await findApp(apps, c.req.valid('param').app)), 200);
  });

  api.openapi(deleteRoute, async (c) => {
    const { app } = c.req.valid('param');
    if (!(await deployer.deleteApp(app))) throw appNotFound(app);
    // An app that comes later under this name is not to have what was another's.
    for (const { name } of secrets.list().filter((secret) => secret.app === app))
      await secrets.remove(app, name);
    await savedEvents.removeApp(app);
    return c.json({ app, deleted: true as const }, 200);
  });

  api.openapi(rollbackRoute, async (c) => {
    return c.json(await deployer.rollback(c.req.valid('param').app, c.req.valid('json').to), 200);
  });

  api.openapi(trafficRoute, async (c) => {
    return c.json(await deployer.setTraffic(c.req.valid('param').app, c.req.valid('json').traffic), 200);
  });
}

/** What an app serves. `E_NOT_FOUND`. */
export async function findApp(apps: AppStore, name: AppName): Promise<LiveApp> {
  const live = (await apps.listApps()).find(({ app }) => app === name);
  if (live === undefined) throw appNotFound(name);
  return live;
}

function appNotFound(app: AppName): LambentError {
  return new LambentError('E_NOT_FOUND', `There is no app named ${app}.`);
}
