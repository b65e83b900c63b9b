import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import { createUuidMinter } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { AccessStore } from '../ports/access-store.ts';
import type { Authorize } from '../ports/authorize.ts';
import { type AccessKeysDeps, addAccessKeys } from './access-keys.ts';
import { type ActivityDeps, addActivity } from './activity.ts';
import { createAllowedMethods } from './allowed-methods.ts';
import { type AppsDeps, addApps } from './apps.ts';
import { addCallDetails, type CallDetailsDeps } from './call-details.ts';
import { addChanges, type ChangesDeps } from './changes.ts';
import { addConnections, type ConnectionsDeps } from './connections.ts';
import { addConsole, CONSOLE_PREFIX, type ConsoleFiles } from './console.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addDeployments, type DeploymentsDeps } from './deployments.ts';
import { addDoctor, type DoctorDeps } from './doctor.ts';
import { errorPage, wantsPage } from './error-page.ts';
import { errorResponse, toPublicError } from './errors.ts';
import { addEvents, type EventsDeps } from './events.ts';
import { addExecutions, CALLBACKS_PATH, type ExecutionsDeps } from './executions.ts';
import { addFunctions, type FunctionsDeps } from './functions.ts';
import { Guard } from './guard.ts';
import { addHealth, HEALTH_PATH, type HealthDeps } from './health.ts';
import { addInstances } from './instances.ts';
import { addInvocations, type InvocationsDeps } from './invocations.ts';
import { addLogs, type LogsDeps } from './logs.ts';
import { describeApi } from './openapi.ts';
import { type AdminRouter, createRouter } from './router.ts';
import { addSavedEvents, type SavedEventsDeps } from './saved-events.ts';
import { addSecrets, type SecretsDeps } from './secrets.ts';
import { addSession, SIGN_IN_PATH, SIGN_OUT_PATH } from './session.ts';
import { addTokens, type TokensDeps } from './tokens.ts';
import { addTriggers } from './triggers.ts';
import { addUsage, type UsageDeps } from './usage.ts';

/*
 * The control API: everything that people and programs ask of the platform itself, under `/_lambent/`.
 *
 * One file a resource; each declares its routes with the schemas that check requests, and the OpenAPI document is
 * generated from the same schemas. The room knows no concrete store or pool: it meets them in the ports. It speaks
 * fetch (a Request in, a Response out) and leaves sockets to the server.
 *
 * Guaranteed: nothing is read or changed before the guard let the caller in; every parameter and body is checked, or
 * refused with `E_BAD_REQUEST` that names it; every error has a code, its status and a request id, and defects keep
 * their details to the log; bodies, streams, uploads and answers have limits. What ended before a request for the
 * history came in is in the answer.
 * Deliberately absent: cross-origin access for browsers (the console is served from here), and roles (a token may do
 * everything).
 */

export const ADMIN_PREFIX = '/_lambent/';
const API_PREFIX = '/_lambent/api/v1';
const OPENAPI_PATH = '/_lambent/api/openapi.json';
const METRICS_PATH = '/_lambent/metrics';

/** The same for everybody and holding no data: these need no token. The page asks for one before it shows anything. */
const OPEN_PATHS: ReadonlySet<string> = new Set([
  `${API_PREFIX}${HEALTH_PATH}`,
  `${API_PREFIX}${SIGN_IN_PATH}`,
  `${API_PREFIX}${SIGN_OUT_PATH}`,
  OPENAPI_PATH,
  ADMIN_PREFIX,
]);

const OPEN_PREFIXES: readonly string[] = [CONSOLE_PREFIX, `${API_PREFIX}${CALLBACKS_PATH}`];

function isOpen(path: string): boolean {
  return OPEN_PATHS.has(path) || OPEN_PREFIXES.some((prefix) => path.startsWith(prefix));
}

export interface AdminDeps
  extends AccessKeysDeps,
    ActivityDeps,
    AppsDeps,
    CallDetailsDeps,
    ChangesDeps,
    ConnectionsDeps,
    DeploymentsDeps,
    DoctorDeps,
    EventsDeps,
    ExecutionsDeps,
    FunctionsDeps,
    HealthDeps,
    InvocationsDeps,
    LogsDeps,
    SavedEventsDeps,
    SecretsDeps,
    TokensDeps,
    UsageDeps {
  access: AccessStore;
  random: Random;
  log: Log;
  /** Hosts that `dev` answers for besides localhost and loopback addresses: exact, or `*.example.com`. */
  allowHosts: readonly string[];
  /** The metrics in Prometheus' text format, with their content type. */
  metrics: { readonly contentType: string; render(): string | Promise<string> };
  /** The built console. */
  console: ConsoleFiles;
}

export interface AdminApi {
  /** Answers any request under `/_lambent`. Never rejects. `remoteAddress`: IP address of the connection's other end. */
  fetch(request: Request, remoteAddress: string): Promise<Response>;
  /** The same door for other interfaces of the platform, such as AWS wire protocols. */
  authorize: Authorize;
  /** Ends open streams, so that a server that stops need not wait for them. */
  close(): void;
}

export function createAdminApi(deps: AdminDeps): AdminApi {
  const mintUuid = createUuidMinter(deps.clock, deps.random);
  const guard = new Guard(deps);
  const root = createRouter();

  root.use(async (c, next) => {
    if (isOpen(c.req.path)) guard.checkHost(c.req.raw);
    else c.set('caller', await guard.authorize(c.req.raw, c.env.remoteAddress));
    await next();
    // Tokens, keys and secrets are changed here alone.
    if (c.req.method !== 'GET' && c.res.ok) deps.changes.note('settings');
  });
  root.onError((thrown, c) => {
    const { requestId } = c.env;
    return answerError(c.req.raw, toPublicError(thrown, requestId, deps.log), requestId);
  });

  const v1 = createRouter();
  addHealth(v1, deps);
  addApps(v1, deps);
  addDeployments(v1, deps);
  addFunctions(v1, deps);
  addInvocations(v1, deps, mintUuid);
  addCallDetails(v1, deps);
  const endLogs = addLogs(v1, deps);
  const endChanges = addChanges(v1, deps);
  addUsage(v1, deps);
  addActivity(v1, deps);
  addEvents(root, v1, deps);
  addTriggers(v1, deps);
  addExecutions(v1, deps);
  addDeadLetters(v1, deps);
  addInstances(v1, deps);
  addDoctor(v1, deps);
  addTokens(v1, deps, guard);
  addAccessKeys(v1, deps);
  addSavedEvents(v1, deps);
  addSecrets(v1, deps);
  addConnections(v1, deps);
  addSession(v1, guard);
  root.route(API_PREFIX, v1);
  addOutsideApi(root, deps);
  refuseTheRest(root);

  return {
    async fetch(request, remoteAddress) {
      const requestId = mintUuid();
      let response: Response;
      try {
        response = await root.fetch(request, { remoteAddress, requestId });
      } catch (thrown) {
        // The router hands on what is thrown but is no Error.
        response = errorResponse(toPublicError(thrown, requestId, deps.log), requestId);
      }
      response.headers.set('x-request-id', requestId);
      if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store');
      response.headers.set('x-content-type-options', 'nosniff');
      return response;
    },
    authorize: guard.authorize,
    close() {
      endLogs();
      endChanges();
    },
  };
}

const metricsRoute = createRoute({
  method: 'get',
  path: METRICS_PATH,
  operationId: 'getMetrics',
  tags: ['platform'],
  summary: "Metrics in Prometheus' text format.",
  responses: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: z.string() } } } },
});

/** What is under `/_lambent/` but not part of the versioned API. */
function addOutsideApi(root: AdminRouter, { metrics, version, console }: AdminDeps): void {
  root.openapi(
    metricsRoute,
    async (c) => c.body(await metrics.render(), 200, { 'content-type': metrics.contentType }) as never,
  );
  let document: string | undefined;
  root.get(OPENAPI_PATH, (c) => {
    document ??= JSON.stringify(describeApi(root, version));
    return c.body(document, 200, { 'content-type': 'application/json' });
  });
  addConsole(root, ADMIN_PREFIX, console);
  root.get('/_lambent', (c) => c.redirect(ADMIN_PREFIX, 308));
}

/** JSON for programs; a person whose browser opened the address gets a page that says the same and leads on. */
function answerError(request: Request, error: LambentError, requestId: string): Response {
  return wantsPage(request) ? errorPage(error, requestId, ADMIN_PREFIX) : errorResponse(error, requestId);
}

/** 404, or 405 where the path exists with other methods. */
function refuseTheRest(root: AdminRouter): void {
  const allowedMethods = createAllowedMethods(root);
  root.notFound((c) => {
    const { method, path } = c.req;
    const allowed = allowedMethods(path);
    const { requestId } = c.env;
    if (allowed.length === 0) {
      const error = new LambentError('E_NOT_FOUND', `The control API has nothing at ${path.slice(0, 200)}.`, {
        hint: `Look into ${OPENAPI_PATH} for what there is.`,
      });
      return answerError(c.req.raw, error, requestId);
    }
    const error = new LambentError('E_METHOD_NOT_ALLOWED', `${path} cannot be called with ${method}.`, {
      hint: `Use ${allowed.join(' or ')}.`,
    });
    const response = answerError(c.req.raw, error, requestId);
    response.headers.set('allow', allowed.join(', '));
    return response;
  });
}
