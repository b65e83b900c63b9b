import { z } from 'zod';
import { buildSchema } from './manifest-build.ts';
import { connectionsSchema } from './manifest-connections.ts';
import { keepWarmSchema } from './manifest-keep-warm.ts';
import { sharesSchema } from './manifest-shares.ts';
import { duration, ENV_NAME, MEMORY_EXPECTED, text, texts, whole } from './manifest-schema-parts.ts';
import { MEMORY_TEXT } from './manifest-units.ts';
import { triggersSchema } from './manifest-trigger-schema.ts';
import { NETWORK_ENTRIES_MAX, NETWORK_ENTRY_EXPECTED, parseNetworkEntry } from './network-policy.ts';

/**
 * The shape of `lambent.yaml` and of what `lambent.config.ts` exports, before units are read and names are
 * looked up. `schema/lambent.schema.json` is written from it. Each `error` text completes "… must be".
 */

const COMMAND_EXPECTED =
  'a line for the shell such as `node server.js`, or a list: the program and its arguments';

const commandPart = z.string({ error: COMMAND_EXPECTED }).min(1, { error: COMMAND_EXPECTED });

export const ROUTE_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'ANY'] as const;

const METHOD_EXPECTED = `one of ${ROUTE_METHODS.join(', ')}`;
const method = z.enum(ROUTE_METHODS, { error: METHOD_EXPECTED });

export const corsSchema = z
  .strictObject(
    {
      origins: texts(
        'an origin such as `https://example.com`, or `*`',
        'Origins that may call. Default: `*`, every origin.',
      ),
      methods: texts('a method such as `GET`', 'Methods that may be used. Default: all.'),
      headers: texts(
        'the name of a header',
        'Request headers that may be sent. Default: `*` and `authorization`.',
      ),
      exposeHeaders: texts(
        'the name of a header',
        'Response headers that scripts may read. Default: none beyond the standard ones.',
      ),
      credentials: z
        .boolean({ error: 'true or false' })
        .describe('Whether cookies may be sent. Needs named origins. Default: false.'),
      maxAge: duration('How long a browser may remember the preflight. Default: 10m.'),
    },
    { error: 'true, false, or an object of CORS settings' },
  )
  .partial();

const cors = z
  .union([z.boolean(), corsSchema], { error: 'true, false, or an object of CORS settings' })
  .describe('Cross-origin calls: `true` allows every origin without cookies; `false` sets nothing.');

const routeParts = {
  method: z
    .union([method, z.array(method, { error: METHOD_EXPECTED }).min(1)], { error: METHOD_EXPECTED })
    .optional()
    .describe('Method or list of methods. Default: ANY.'),
  path: text(
    'a path such as `/users/:id` or `/files/*`',
    'Path with parameters: `/users/:id`; `*` at the end takes the rest.',
  ),
  host: text(
    'a host such as `api.example.com` or `*.example.com`',
    'Only for this host; `*.example.com` matches its subdomains. Default: any host.',
  ).optional(),
  cors: cors.optional(),
};

const FUNCTION_ROUTE_EXPECTED = 'a text such as `GET /users/:id`, or an object with `path`';

export const functionRouteSchema = z.strictObject(routeParts, { error: FUNCTION_ROUTE_EXPECTED });
export const appRouteSchema = z.strictObject(
  { ...routeParts, function: text('the name of a function of this app', 'The function that answers.') },
  { error: 'an object with `path` and `function`' },
);

const env = z
  .record(
    z.string().regex(ENV_NAME, { error: 'a name of letters, digits and `_` that starts with no digit' }),
    z.union([z.string(), z.number(), z.boolean()], { error: 'a text' }),
    { error: 'an object of names and texts' },
  )
  .describe('Environment variables. Numbers and booleans become text as they are written.');

const NETWORK_EXPECTED = `\`none\`, \`internet\`, or a list, each item ${NETWORK_ENTRY_EXPECTED}`;

const network = z
  .union(
    [
      z.enum(['none', 'internet']),
      z
        .array(
          z
            .string()
            .refine((text) => parseNetworkEntry(text) !== undefined, { error: NETWORK_ENTRY_EXPECTED }),
        )
        .max(NETWORK_ENTRIES_MAX),
    ],
    { error: NETWORK_EXPECTED },
  )
  .describe(
    'What functions may connect to: `none`, `internet` (every public address), or a list of hosts, addresses and networks. Default: internet.',
  );

export const functionSchema = z
  .strictObject(
    {
      entry: text(
        'a path inside the app such as `functions/hello.ts`',
        'The file with the code, relative to the app. Default: `functions/<name>.ts` (or .js, .py …), or `functions/<name>/index.ts`.',
      ),
      runtime: text(
        'a language such as `node`, `python` or `python3.12`',
        'The language, with the version that it must have where it matters: `python3.12`. Default: by the ending of `entry`, in the version that the machine has.',
      ),
      command: z
        .union(
          [
            commandPart,
            z.array(commandPart, { error: COMMAND_EXPECTED }).min(1, { error: COMMAND_EXPECTED }),
          ],
          {
            error: COMMAND_EXPECTED,
          },
        )
        .describe(
          'Starts a web server in any language: a line for the shell, or the program and its arguments. It runs in the folder that `entry` names (default: the app) and listens on the port in PORT.',
        ),
      port: whole(
        1,
        65_535,
        'The port that `command` listens on, if it does not look at PORT. Default: one that is free, in PORT.',
      ),
      ready: z
        .string({ error: 'a path such as `/healthz`' })
        .regex(/^\/[!-~]*$/, { error: 'a path such as `/healthz`' })
        .describe(
          'A path that the server of `command` answers with a status below 400 once it is ready. Default: it is when it listens.',
        ),
      build: buildSchema,
      handler: text(
        'the name of an export such as `handler`',
        'The export to call. Default: recognised by what the file exports.',
      ),
      routes: z
        .array(z.union([z.string(), functionRouteSchema], { error: FUNCTION_ROUTE_EXPECTED }), {
          error: `a list, each item ${FUNCTION_ROUTE_EXPECTED}`,
        })
        .describe(
          'Where the function answers HTTP: `GET /users/:id`, `/files/*`, or objects. Default: `/<name>` and all below, unless a route of the app names it or it has triggers (`on`); `[]`: not over HTTP.',
        ),
      cors,
      timeout: duration('The longest one invocation may take, 1ms to 24h. Default: 30s.'),
      memory: z
        .union([z.number().min(0), z.string().regex(MEMORY_TEXT, { error: MEMORY_EXPECTED })], {
          error: MEMORY_EXPECTED,
        })
        .describe('Memory of one instance, 32mb to 32gb. Default: 256mb.'),
      concurrency: whole(
        1,
        1_000,
        'Invocations that one instance runs at the same time. Default: 1 for Lambda handlers, 100 for web apps.',
      ),
      maxConcurrency: whole(
        1,
        100_000,
        'Invocations that run at the same time over all instances; more wait, then get 429. Default: 1000.',
      ),
      maxInstances: whole(1, 1_000, 'Instances that may exist. Default: 20.'),
      minInstances: whole(0, 1_000, 'Instances that stay up without work. Default: 0.'),
      keepWarm: keepWarmSchema,
      reservedConcurrency: whole(
        0,
        100_000,
        'Concurrency kept free for this function alone. Default: 0, none.',
      ),
      idle: duration('How long an instance without work lives on, up to 24h. Default: 5m.'),
      startTimeout: duration('How long an instance may take until it is ready, up to 24h. Default: 20s.'),
      freeze: z
        .boolean({ error: 'true or false' })
        .describe(
          'Whether an instance that has been without work for 2s gets no processor time until the next call. Default: true.',
        ),
      keepPayloads: z
        .boolean({ error: 'true or false' })
        .describe(
          'Whether what goes into its calls and comes out of them is kept with the history, as far as there is room. Default: true.',
        ),
      queue: whole(0, 1_000_000, 'Invocations that may wait for an instance. Default: 1000.'),
      maxRequestMb: whole(0, 1_048_576, 'Largest request body in megabytes; 0: no limit. Default: 0.'),
      maxResponseMb: whole(1, 1_048_576, 'Largest response in megabytes. Default: 64.'),
      on: triggersSchema,
      callers: texts(
        'the name of an app',
        'Other apps whose functions may call this one by `app/name`. Functions of its own app always may. Default: none.',
      ),
      secrets: texts(
        'the name of a secret',
        'Secrets of the app that it gets as environment variables. `lambent secrets set` gives them their values.',
      ),
      connections: texts(
        'the name of a connection of this app',
        'Connections of the app that it may send messages through. Default: none.',
      ),
      attempts: whole(1, 100, 'Attempts of an asynchronous invocation, the first included. Default: 3.'),
      network,
      env,
      external: texts(
        'the name of a package',
        'Packages to copy as they are instead of bundling them (found by themselves where they hold native code).',
      ),
      include: texts(
        'a path or glob inside the app such as `templates/**`',
        'Further files to copy along, as paths or globs relative to the app.',
      ),
    },
    { error: 'an object of function settings' },
  )
  .partial();

export const workflowSchema = z
  .strictObject(
    {
      entry: text(
        'a path inside the app such as `workflows/order.ts`',
        'The file with the code, relative to the app. Default: `workflows/<name>.ts` (or .js, .py, .go …), or `workflows/<name>/index.ts` (or main.py, main.go …).',
      ),
      definition: text(
        'a path inside the app such as `workflows/order.asl.json`',
        'A file with a definition in Amazon States Language, relative to the app, in the place of code.',
      ),
      handler: functionSchema.shape.handler,
      routes: z
        .array(z.union([z.string(), functionRouteSchema], { error: FUNCTION_ROUTE_EXPECTED }), {
          error: `a list, each item ${FUNCTION_ROUTE_EXPECTED}`,
        })
        .describe('Where a request starts an execution. Default: none.'),
      on: triggersSchema,
      timeout: duration('The longest one attempt of a step may take, 1ms to 24h. Default: 15m.'),
      memory: functionSchema.shape.memory,
      maxInstances: functionSchema.shape.maxInstances,
      idle: functionSchema.shape.idle,
      env,
      external: functionSchema.shape.external,
      include: functionSchema.shape.include,
    },
    { error: 'an object of workflow settings' },
  )
  .partial();

export const manifestSchema = z
  .strictObject(
    {
      app: text(
        'a name of lower-case letters, digits and hyphens, at most 63',
        "The app's name: lower-case letters, digits and hyphens. Default: the folder's name.",
      ),
      functions: z
        .record(z.string(), functionSchema.nullable(), { error: 'an object of functions by name' })
        .describe('The functions by name. Default: each file in `functions/`.'),
      workflows: z
        .record(z.string(), workflowSchema.nullable(), { error: 'an object of workflows by name' })
        .describe('The durable workflows by name. Default: each file in `workflows/`.'),
      routes: z
        .array(appRouteSchema, { error: 'a list of routes, each with `path` and `function`' })
        .describe('Routes of the app, each naming its function.'),
      connections: connectionsSchema,
      share: sharesSchema,
      env,
      network,
      cors,
      allowScripts: texts(
        'the name of a package',
        'Packages whose own code may run while they are installed: install scripts of npm, `setup.py` and the like. Default: none.',
      ),
    },
    { error: 'an object with keys such as `app`, `functions`, `routes`, `env`, `cors`' },
  )
  .partial();

/** A manifest of the right shape; units and names are not yet looked at. */
export type ManifestInput = z.input<typeof manifestSchema>;
export type WorkflowInput = z.input<typeof workflowSchema>;
export type FunctionInput = z.input<typeof functionSchema>;
export type CorsInput = z.input<typeof cors>;
export type FunctionRouteInput = string | z.input<typeof functionRouteSchema>;
export type AppRouteInput = z.input<typeof appRouteSchema>;

/** The JSON Schema of the manifest, for editors. */
export function manifestJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(manifestSchema, { io: 'input', target: 'draft-7' });
  return { ...schema, title: 'Lambent app', description: 'The manifest of a Lambent app: lambent.yaml.' };
}
