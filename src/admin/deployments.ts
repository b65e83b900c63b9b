import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { AppHosts } from '../model/app-hosts.ts';
import type { Connection } from '../model/connection.ts';
import type { EventShare } from '../model/event-scope.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { Deployer } from '../ports/deployer.ts';
import { findApp } from './apps.ts';
import { deploymentAddresses, streamDeployment } from './deploy-stream.ts';
import type { AdminRouter } from './router.ts';
import {
  AppParams,
  DeploymentNumberSchema,
  ErrorRecordSchema,
  FunctionConfigSchema,
  jsonAnswer,
  LiveAppSchema,
  limitSchema,
} from './schemas.ts';
import { DeployedTriggerSchema } from './trigger-schema.ts';

export interface DeploymentsDeps {
  apps: AppStore;
  deployer: Deployer;
  hosts: AppHosts;
  log: Log;
}

/** Uploads that are built at the same time; builds are heavy. */
export const DEPLOYS_AT_ONCE_MAX = 4;
/** Length of a deployment's note, in characters. */
export const NOTE_CHARS_MAX = 500;

const SummarySchema = z
  .object({
    app: z.string(),
    number: z.number().int(),
    createdMs: z.number(),
    createdBy: z.string(),
    note: z.string(),
    functionCount: z.number().int(),
    weight: z.number().int().openapi({ description: 'Percent of requests it serves; 0: it is not live.' }),
  })
  .openapi('DeploymentSummary');

/** What the manifest's schema describes is not described once more. */
const asInManifest = <Item>() => z.array(z.looseObject({})) as unknown as z.ZodType<readonly Item[]>;

const DeploymentSchema = z
  .object({
    app: z.string(),
    number: z.number().int(),
    createdMs: z.number(),
    createdBy: z.string(),
    note: z.string(),
    functions: z
      .array(
        z.object({
          id: z.string(),
          app: z.string(),
          name: z.string(),
          runtime: z.string(),
          code: z.string(),
          runtimePin: z.string(),
          packages: z.string().optional(),
          entry: z.string(),
          handler: z.string().optional(),
          config: FunctionConfigSchema,
        }),
      )
      .readonly(),
    routes: z
      .array(
        z.object({
          method: z.string(),
          path: z.string(),
          host: z.string().optional(),
          function: z.string(),
          cors: z
            .object({
              origins: z.array(z.string()).readonly(),
              methods: z.array(z.string()).readonly(),
              headers: z.array(z.string()).readonly(),
              exposeHeaders: z.array(z.string()).readonly(),
              credentials: z.boolean(),
              maxAgeS: z.number(),
            })
            .optional(),
        }),
      )
      .readonly(),
    triggers: z.array(DeployedTriggerSchema).readonly(),
    connections: asInManifest<Connection>(),
    shares: asInManifest<EventShare>().openapi({
      description: 'Which of its events other apps may hear.',
    }),
  })
  .openapi('Deployment');

const SourceChangeSchema = z
  .object({
    trigger: z.string().openapi({ description: 'APP/TRIGGER.' }),
    kind: z.enum(['make', 'drop']),
    place: z.string().openapi({ description: 'The connection, or the secret with the address.' }),
    statements: z.array(z.string()).readonly().openapi({
      description: 'In words of that service. `XXXXXXXX` stands for what is drawn by lot when it is made.',
    }),
  })
  .openapi('SourceChange');

const DeployLineSchema = z
  .union([
    z.object({ line: z.object({ step: z.string(), text: z.string() }) }),
    z.object({
      result: z.object({
        deployment: DeploymentSchema,
        live: LiveAppSchema,
        tookMs: z.number(),
        changes: z.array(SourceChangeSchema).openapi({
          description: 'What its triggers make and drop in services outside.',
        }),
        url: z.string().optional().openapi({ description: 'Where the deployment answers.' }),
        preview: z.object({
          host: z
            .string()
            .openapi({ description: 'As the Host header of a request it reaches this deployment.' }),
          url: z.string().optional().openapi({ description: 'Where that host leads to this server.' }),
        }),
      }),
    }),
    z.object({ error: ErrorRecordSchema }),
  ])
  .openapi('DeployLine');

const listRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/deployments',
  operationId: 'listDeployments',
  tags: ['deployments'],
  summary: 'The deployments of an app, newest first.',
  request: {
    params: AppParams,
    query: z.strictObject({
      limit: limitSchema(500, 50),
      before: DeploymentNumberSchema.optional().openapi({ description: '`next` of the page before.' }),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(SummarySchema),
        next: z.number().int().optional().openapi({ description: 'Absent on the last page.' }),
      }),
      'One page.',
    ),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/apps/{app}/deployments/{number}',
  operationId: 'getDeployment',
  tags: ['deployments'],
  summary: 'One deployment with its functions and routes.',
  request: { params: AppParams.extend({ number: DeploymentNumberSchema }) },
  responses: { 200: jsonAnswer(DeploymentSchema, 'The deployment.') },
});

const deployRoute = createRoute({
  method: 'post',
  path: '/deployments',
  operationId: 'deploy',
  tags: ['deployments'],
  summary: 'Builds an uploaded folder and makes it live. Answers line by line while it builds.',
  description:
    'The body is the folder as tar.gz. The answer is NDJSON: build lines, then one line with `result` or `error`. ' +
    'The status is 200 even when the build fails, because it is sent before the outcome is known.',
  request: {
    query: z.strictObject({
      note: z.string().max(NOTE_CHARS_MAX).default(''),
      weight: z.coerce.number().int().min(0).max(100).default(100).openapi({
        description:
          'Percent of requests for the new deployment. 0: none, it answers at its preview host only.',
      }),
    }),
    body: {
      required: true,
      content: { 'application/gzip': { schema: { type: 'string', format: 'binary' } } },
    },
  },
  responses: {
    200: {
      description: 'Lines of JSON.',
      content: { 'application/x-ndjson': { schema: DeployLineSchema } },
    },
  },
});

const planRoute = createRoute({
  method: 'post',
  path: '/deployments/plan',
  operationId: 'planDeployment',
  tags: ['deployments'],
  summary:
    'What an uploaded folder would make and drop in services outside if it were deployed. Nothing is built.',
  request: {
    query: z.strictObject({ weight: deployRoute.request.query.shape.weight }),
    body: deployRoute.request.body,
  },
  responses: {
    200: jsonAnswer(
      z.object({ app: z.string(), functions: z.number().int(), changes: z.array(SourceChangeSchema) }),
      'The plan.',
    ),
  },
});

const GZIP_TYPES = /^application\/(?:x-)?(?:gzip|tar\+gzip|gtar|octet-stream)\s*(?:;|$)/i;

export function addDeployments(api: AdminRouter, { apps, deployer, hosts, log }: DeploymentsDeps): void {
  let underWay = 0;
  const begin = (): void => {
    if (underWay >= DEPLOYS_AT_ONCE_MAX)
      throw new LambentError('E_OVERLOADED', `Already ${underWay} deployments are being built.`, {
        retryAfterS: 5,
      });
    underWay += 1;
  };

  api.openapi(listRoute, async (c) => {
    const { app } = c.req.valid('param');
    const { limit, before } = c.req.valid('query');
    const live = await findApp(apps, app);
    const weights = new Map(live.traffic.map(({ number, weight }) => [number, weight]));
    // One more than asked for tells whether there is a next page.
    const found = await apps.listDeployments(app, limit + 1, before);
    const items = found.slice(0, limit).map((item) => ({ ...item, weight: weights.get(item.number) ?? 0 }));
    return c.json({ items, next: found.length > limit ? items.at(-1)?.number : undefined }, 200);
  });

  api.openapi(getRoute, async (c) => {
    const { app, number } = c.req.valid('param');
    const deployment = await apps.findDeployment(app, number);
    if (deployment === undefined) {
      throw new LambentError('E_NOT_FOUND', `The app ${app} has no deployment ${number}.`);
    }
    return c.json(deployment, 200);
  });

  api.openapi(deployRoute, (c) => {
    const { note, weight } = c.req.valid('query');
    const archive = c.req.raw.body;
    checkUpload(c.req.header('content-type'), archive);
    begin();
    const createdBy = c.get('caller').name;
    const body = streamDeployment({
      log,
      requestId: c.env.requestId,
      async run(onLine) {
        try {
          return await deployer.deployArchive(archive, { createdBy, note, weight, onLine });
        } finally {
          underWay -= 1;
        }
      },
      addressesOf: (result) => deploymentAddresses(c.req.raw, result, hosts),
    });
    return c.body(body, 200, { 'content-type': 'application/x-ndjson' }) as never;
  });

  api.openapi(planRoute, async (c) => {
    const archive = c.req.raw.body;
    checkUpload(c.req.header('content-type'), archive);
    begin();
    try {
      const { changes, ...plan } = await deployer.planArchive(archive, c.req.valid('query').weight);
      return c.json({ ...plan, changes: [...changes] }, 200);
    } finally {
      underWay -= 1;
    }
  });
}

function checkUpload(
  contentType: string | undefined,
  archive: ReadableStream<Uint8Array> | null,
): asserts archive is ReadableStream<Uint8Array> {
  if (contentType !== undefined && !GZIP_TYPES.test(contentType)) {
    throw new LambentError('E_BAD_REQUEST', `The body must be application/gzip, not ${contentType}.`);
  }
  if (archive === null) {
    throw new LambentError('E_BAD_REQUEST', 'The body is empty; it must be the folder as tar.gz.');
  }
}
