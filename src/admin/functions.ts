import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Deployment } from '../model/deployment.ts';
import type { FunctionVersion } from '../model/function.ts';
import { keptAt } from '../model/keep-warm.ts';
import type { InstanceView, PoolView } from '../ports/activity.ts';
import type { LiveAppEntry, LiveApps } from '../ports/live-apps.ts';
import { keyOfNumber, listQuery, pageOf, pageSchema } from './list-page.ts';
import type { AdminRouter } from './router.ts';
import { AppNameSchema, FunctionConfigSchema, FunctionParams, jsonAnswer } from './schemas.ts';

export interface FunctionsDeps {
  liveApps: LiveApps;
  pool: PoolView;
  clock: Clock;
}

const FunctionSchema = z
  .object({
    app: z.string(),
    name: z.string(),
    version: z.string(),
    deployment: z.number().int(),
    weight: z.number().int().openapi({ description: 'Percent of requests that this deployment serves.' }),
    runtime: z.string(),
    config: FunctionConfigSchema,
    routes: z.array(z.object({ method: z.string(), host: z.string().optional(), path: z.string() })),
    instances: z.number().int().openapi({ description: 'Processes of this version now.' }),
    kept: z
      .object({
        instances: z.number().int().openapi({ description: 'Processes that stay up without work now.' }),
        untilMs: z
          .number()
          .optional()
          .openapi({ description: 'When a window of `keepWarm` opens or closes.' }),
      })
      .openapi({ description: '`minInstances`, or more while a window of `keepWarm` is open.' }),
    concurrency: z
      .object({
        calls: z.number().int().openapi({ description: 'Calls that each instance takes at once.' }),
        reason: z.string().openapi({ description: 'Why so many.' }),
      })
      .optional()
      .openapi({ description: 'Of the instances there are; learnt, where nobody set it.' }),
  })
  .openapi('LiveFunction');

const listRoute = createRoute({
  method: 'get',
  path: '/functions',
  operationId: 'listFunctions',
  tags: ['functions'],
  summary: 'Every live function. Where two deployments share the traffic, those of both.',
  description: 'By app and deployment, each as its manifest has them.',
  request: { query: z.strictObject({ app: AppNameSchema.optional(), ...listQuery }) },
  responses: { 200: jsonAnswer(pageSchema(FunctionSchema), 'One page.') },
});

const getRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/functions/{name}',
  operationId: 'getFunction',
  tags: ['functions'],
  summary: 'One live function, as its newest live deployment has it.',
  request: { params: FunctionParams },
  responses: { 200: jsonAnswer(FunctionSchema, 'The function.') },
});

export function addFunctions(api: AdminRouter, { liveApps, pool, clock }: FunctionsDeps): void {
  const toAnswer = (
    { version, deployment, weight }: LiveFunction,
    instances: ReadonlyMap<string, readonly InstanceView[]>,
  ) => {
    const own = instances.get(instanceKey(version.app, version.name, version.id)) ?? [];
    return {
      app: version.app,
      name: version.name,
      version: version.id,
      deployment: deployment.number,
      weight,
      runtime: version.runtime,
      config: version.config,
      routes: routesOf(deployment, version),
      instances: own.length,
      kept: keptAt(version.config, clock.nowMs()),
      concurrency: concurrencyOf(own),
    };
  };

  api.openapi(listRoute, (c) => {
    const { app, ...query } = c.req.valid('query');
    const instances = instancesByVersion(pool);
    const entries = app === undefined ? liveApps.snapshot() : [liveApps.find(app)];
    const all = entries.flatMap((entry) => (entry === undefined ? [] : functionsOf(entry)));
    const { items, next } = pageOf(all, ({ key }) => key, query);
    return c.json({ items: items.map((each) => toAnswer(each, instances)), next }, 200);
  });

  api.openapi(getRoute, (c) => {
    const { app, name } = c.req.valid('param');
    const entry = liveApps.find(app);
    const found = entry && functionsOf(entry).findLast(({ version }) => version.name === name);
    if (found === undefined) {
      throw new LambentError('E_NOT_FOUND', `The app ${app} has no live function named ${name}.`);
    }
    return c.json(toAnswer(found, instancesByVersion(pool)), 200);
  });
}

interface LiveFunction {
  /** A deployment keeps the order of its functions for good. */
  readonly key: string;
  readonly version: FunctionVersion;
  readonly deployment: Deployment;
  readonly weight: number;
}

const functionsOf = ({ live, deployments }: LiveAppEntry): LiveFunction[] =>
  deployments.flatMap((deployment, index) =>
    deployment.functions.map((version, at) => ({
      key: `${version.app} ${keyOfNumber(deployment.number)} ${keyOfNumber(at)}`,
      ...{ version, deployment, weight: live.traffic[index]?.weight ?? 0 },
    })),
  );

function routesOf(deployment: Deployment, version: FunctionVersion) {
  return deployment.routes
    .filter((route) => route.function === version.name)
    .map(({ method, host, path }) => ({ method, host, path }));
}

function instancesByVersion(pool: PoolView): Map<string, InstanceView[]> {
  return Map.groupBy(pool.instances(), (each) => instanceKey(each.app, each.function, each.version));
}

function concurrencyOf(instances: readonly InstanceView[]) {
  const ready = instances.find(({ concurrency }) => concurrency > 0);
  return ready && { calls: ready.concurrency, reason: ready.concurrencyReason };
}

/** Version ids alone would not do: two functions with equal code share one. */
function instanceKey(app: string, name: string, version: string): string {
  return `${app}/${name}/${version}`;
}
