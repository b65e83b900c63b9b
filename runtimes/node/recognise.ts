import type { Server } from 'node:http';
import { RuntimeFailure } from './failure.ts';
import type { FetchFunction } from './fetch-handler.ts';
import type { LambdaFunction } from './lambda-handler.ts';
import { isHttpServer, type ListenCapture } from './listen-capture.ts';
import type { ServerTarget } from './server-handler.ts';
import type { AnyWorkflowHandler } from './workflow/run-workflow.ts';

/**
 * Finds out how a module wants to be called. The first that fits counts:
 *
 *  1. the export that the manifest names, by its shape;
 *     a workflow as `default`                                                 workflow
 *  2. `default.fetch`, or an exported function `fetch`                        fetch handler (Workers, Hono)
 *  3. an exported function `handler`                                          AWS Lambda
 *  4. an HTTP server that listens (`listen` opens no port)                    server
 *  5. an Express, Koa, Fastify or Hono app or an `http.Server` as `default`   server, or fetch for Hono
 *  6. a function as `default`                                                 plain: `async (event, context)`
 *  7. such an app or server as `app` or `server`
 *  8. one that was merely created: Hono, Express, Koa, Fastify, `http.Server`, the last one of its kind
 *
 * So what is exported for calling wins over what is there for running elsewhere, and a server that listens wins
 * over the app inside it, because WebSockets are attached to the server. For CommonJS, `module.exports` is the
 * default export, and its properties count as named exports.
 */

export type Found =
  | { readonly kind: 'fetch'; readonly fetch: FetchFunction }
  | { readonly kind: 'lambda' | 'plain'; readonly handler: LambdaFunction }
  | { readonly kind: 'server'; readonly target: ServerTarget }
  | { readonly kind: 'workflow'; readonly handler: AnyWorkflowHandler };

/** An app that the author's code created: the build makes frameworks note theirs in `globalThis[CREATED]`. */
export interface CreatedApp {
  readonly kind: 'express' | 'koa' | 'fastify' | 'hono';
  readonly app: unknown;
}

export const CREATED = Symbol.for('lambent.created');

/** What `workflow(…)` of the SDK marks its result with. */
const WORKFLOW = Symbol.for('lambent.workflow');

type Exports = Record<string, unknown>;

function has(value: unknown, ...methods: string[]): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return methods.every((name) => typeof (value as Exports)[name] === 'function');
}

/** Apps and servers of the known kinds, by what they can do. */
export function recogniseApp(value: unknown): Found | undefined {
  if (has(value, 'fetch')) return fetchFound(value as { fetch: FetchFunction });
  if (typeof value === 'function')
    return has(value, 'handle', 'use', 'listen')
      ? { kind: 'server', target: { kind: 'express', app: value as never } }
      : undefined;
  if (isHttpServer(value)) return { kind: 'server', target: { kind: 'server', server: value } };
  if (has(value, 'ready', 'inject', 'listen'))
    return { kind: 'server', target: { kind: 'fastify', app: value as never } };
  if (has(value, 'callback', 'use', 'listen'))
    return { kind: 'server', target: { kind: 'koa', app: value as never } };
  return undefined;
}

function isWorkflow(value: unknown): value is { readonly handler: AnyWorkflowHandler } {
  return has(value, 'handler') && (value as Record<symbol, unknown>)[WORKFLOW] === true;
}

function fetchFound(owner: { fetch: FetchFunction }): Found {
  return { kind: 'fetch', fetch: (request, env, ctx) => owner.fetch(request, env, ctx) };
}

function serverFound(server: Server): Found {
  return { kind: 'server', target: { kind: 'server', server } };
}

/** `module.exports` of CommonJS code that was compiled from ESM keeps its default export one level down. */
function unwrapDefault(value: unknown): unknown {
  return has(value) && (value as Exports).__esModule === true && 'default' in (value as Exports)
    ? (value as Exports).default
    : value;
}

/** Reads exports of ESM and CommonJS alike. */
function reader(module: Exports): { byName(name: string): unknown; names(): string[] } {
  const inner = has(module.default) ? (module.default as Exports) : undefined;
  return {
    byName(name) {
      if (name === 'default') return unwrapDefault(module.default);
      if (module[name] !== undefined) return module[name];
      return inner !== undefined && Object.hasOwn(inner, name) ? inner[name] : undefined;
    },
    // Only for messages: a module may export thousands.
    names: () =>
      [
        ...new Set([
          ...Object.keys(module),
          ...(inner !== undefined && typeof inner === 'object' ? Object.keys(inner) : []),
        ]),
      ].filter((name) => name !== 'module.exports' && name !== '__esModule'),
  };
}

/** What the module offers for calling. `undefined`: nothing (yet); a server may still begin to listen. */
export function recognise(
  module: Exports,
  handlerName: string | undefined,
  capture: ListenCapture,
): Found | undefined {
  const { byName, names } = reader(module);
  if (handlerName !== undefined) return recogniseNamed(handlerName, byName(handlerName), names);
  const main = byName('default');
  if (isWorkflow(main)) return { kind: 'workflow', handler: main.handler };
  if (has(main, 'fetch')) return fetchFound(main as { fetch: FetchFunction });
  const fetch = byName('fetch');
  if (typeof fetch === 'function') return { kind: 'fetch', fetch: fetch as FetchFunction };
  const handler = byName('handler');
  if (typeof handler === 'function')
    return recogniseApp(handler) ?? { kind: 'lambda', handler: handler as LambdaFunction };
  if (capture.listening !== undefined) return serverFound(capture.listening);
  const app = recogniseApp(main);
  if (app !== undefined) return app;
  if (typeof main === 'function') return { kind: 'plain', handler: main as LambdaFunction };
  return recogniseApp(byName('app')) ?? recogniseApp(byName('server'));
}

function recogniseNamed(name: string, value: unknown, names: () => string[]): Found {
  if (isWorkflow(value)) return { kind: 'workflow', handler: value.handler };
  const app = recogniseApp(value);
  if (app !== undefined) return app;
  if (typeof value !== 'function') {
    const what = value === undefined ? `no export named ${name}` : `an export ${name} that cannot be called`;
    throw new RuntimeFailure(
      'E_HANDLER_MISSING',
      'HandlerMissing',
      `the module has ${what}; ${exportsText(names())}. Correct \`handler\` in the manifest, or export it.`,
    );
  }
  if (name === 'fetch') return { kind: 'fetch', fetch: value as FetchFunction };
  return { kind: name === 'default' ? 'plain' : 'lambda', handler: value as LambdaFunction };
}

/** An app or server that exists and neither was exported nor listens. */
export function recogniseCreated(capture: ListenCapture): Found | undefined {
  const noted = (globalThis as Record<symbol, unknown>)[CREATED];
  const apps = Array.isArray(noted) ? (noted as CreatedApp[]) : [];
  for (const kind of ['hono', 'express', 'koa', 'fastify'] as const) {
    const app = apps.findLast((entry) => entry.kind === kind)?.app;
    const found = app === undefined ? undefined : recogniseApp(app);
    if (found !== undefined) return found;
  }
  const server = capture.created.at(-1);
  return server === undefined ? undefined : serverFound(server);
}

export function handlerMissing(module: Exports): RuntimeFailure {
  return new RuntimeFailure(
    'E_HANDLER_MISSING',
    'HandlerMissing',
    `there is nothing to call: ${exportsText(reader(module).names())}. Export \`default { fetch(request) }\`, a function \`handler(event, context)\`, a default function, or an Express, Koa, Fastify or Hono app or http.Server.`,
  );
}

function exportsText(names: string[]): string {
  return names.length === 0
    ? 'the module exports nothing'
    : `the module exports ${names.slice(0, 20).join(', ')}`;
}
