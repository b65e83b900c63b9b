import type { Clock } from '../base/clock.ts';
import { LambentError, toLambentError } from '../base/errors.ts';
import { createUuidMinter, type InvocationId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { jsonProblem, readBody } from '../base/request-body.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import type { Authorize } from '../ports/authorize.ts';
import { EVENT_BYTES_MAX, type Invoker } from '../ports/invoker.ts';
import type { LiveApps, ResolvedFunction } from '../ports/live-apps.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';
import { AwsError, toAwsError } from './aws-error.ts';
import { LATEST, parseFunctionName } from './function-name.ts';

/*
 * AWS wire protocols: other people's clients, unchanged, against this platform.
 *
 * This file speaks the Invoke operation of AWS Lambda
 * (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html), so that an AWS SDK or CLI whose endpoint is set to
 * this server calls functions here. A function is named `name` where only one live app has it, or `app--name`; ARNs
 * are taken for the name in them. There is one version, `$LATEST`: what is live, shared by weight as for any caller.
 *
 * `lambent dev` takes calls from the same machine without looking at their signature. `lambent start` wants one by an
 * access key of `lambent keys` (signature.ts), or the bearer token of the control API.
 * Guaranteed: `Event` is answered with 202 only when the call is durable. Errors have AWS' names, so that clients
 * retry what AWS' clients retry.
 * Deliberately absent: versions and aliases, response streaming, and all other operations.
 */

/** What `X-Amz-Log-Type: Tail` brings back at most, in bytes (AWS' own figure), and how many lines are looked at. */
const LOG_TAIL_BYTES = 4_096;
const LOG_TAIL_LINES = 500;
/** Decoded size of `X-Amz-Client-Context` (AWS' own figure). */
const CLIENT_CONTEXT_BYTES_MAX = 3_583;

export interface LambdaApiDeps {
  liveApps: LiveApps;
  invoker: Invoker;
  asyncQueue: AsyncQueue;
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  authorize: Authorize;
  clock: Clock;
  random: Random;
  log: Log;
  /** Told after each accepted asynchronous invocation. */
  onAsyncAccepted?: () => void;
}

export interface LambdaApi {
  /** Whether the request is one of this protocol. `path` is without query. */
  matches(method: string, path: string): boolean;
  /** Never rejects. `remoteAddress`: IP address of the connection's other end. */
  fetch(request: Request, remoteAddress: string): Promise<Response>;
}

const INVOKE_PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations\/?$/;

export function createLambdaApi(deps: LambdaApiDeps): LambdaApi {
  const mintUuid = createUuidMinter(deps.clock, deps.random);
  return {
    matches: (method, path) => method === 'POST' && INVOKE_PATH.test(path),

    async fetch(request, remoteAddress) {
      const id = mintUuid() as InvocationId;
      try {
        await deps.authorize(request, remoteAddress);
        const response = await invoke(deps, id, request);
        response.headers.set('x-amzn-requestid', id);
        return response;
      } catch (thrown) {
        const error = thrown instanceof AwsError ? thrown : toAwsError(toLambentError(thrown), id, deps.log);
        return error.toResponse(id);
      }
    },
  };
}

async function invoke(deps: LambdaApiDeps, id: InvocationId, request: Request): Promise<Response> {
  const { name, app, resolved } = findFunction(deps.liveApps, new URL(request.url));
  const type = request.headers.get('x-amz-invocation-type') ?? 'RequestResponse';
  const payload = await readEvent(request);
  const clientContext = clientContextOf(request);
  switch (type) {
    case 'DryRun':
      return new Response(null, { status: 204 });
    case 'Event':
      await deps.asyncQueue.enqueue({
        id,
        app,
        function: name,
        payload,
        traceparent: undefined,
        acceptedMs: deps.clock.nowMs(),
      });
      deps.onAsyncAccepted?.();
      return new Response(null, { status: 202 });
    case 'RequestResponse':
      return callNow(deps, id, request, resolved, payload, clientContext);
    default:
      throw new AwsError(
        400,
        'InvalidParameterValueException',
        `X-Amz-Invocation-Type is RequestResponse, Event or DryRun, not ${JSON.stringify(type.slice(0, 50))}.`,
      );
  }
}

async function callNow(
  deps: LambdaApiDeps,
  id: InvocationId,
  request: Request,
  resolved: ResolvedFunction,
  payload: Uint8Array,
  clientContext: unknown,
): Promise<Response> {
  const outcome = await deps.invoker.invoke({
    id,
    version: resolved.version,
    deployment: resolved.deployment,
    trigger: 'invoke',
    payload,
    traceparent: undefined,
    clientContext,
    attempt: 0,
  });
  const headers = new Headers({ 'content-type': 'application/json', 'x-amz-executed-version': LATEST });
  if (request.headers.get('x-amz-log-type') === 'Tail') {
    headers.set('x-amz-log-result', await logTail(deps, id));
  }
  if (outcome.status === 'ok') {
    const body = outcome.payload.length === 0 ? 'null' : new Uint8Array(outcome.payload);
    return new Response(body, { status: 200, headers });
  }
  if (NOT_THE_FUNCTION.has(outcome.error.code)) {
    throw new LambentError(outcome.error.code, outcome.error.errorMessage);
  }
  headers.set('x-amz-function-error', 'Unhandled');
  return new Response(JSON.stringify(functionError(id, outcome.error)), { status: 200, headers });
}

/** Failures of a call that never reached the function: errors of the service, in AWS' terms. */
const NOT_THE_FUNCTION: ReadonlySet<string> = new Set([
  'E_CONCURRENCY_LIMIT',
  'E_OVERLOADED',
  'E_SHUTTING_DOWN',
  'E_START_FAILED',
  'E_INTERNAL',
]);

/** AWS' names for what its sandbox, rather than the code, reports. */
const SANDBOX_ERROR_TYPES: Readonly<Record<string, string>> = {
  E_FUNCTION_TIMEOUT: 'Sandbox.Timedout',
  E_OUT_OF_MEMORY: 'Runtime.OutOfMemory',
  E_FUNCTION_EXITED: 'Runtime.ExitError',
  E_INSTANCE_LOST: 'Runtime.ExitError',
  E_HANDLER_MISSING: 'Runtime.HandlerNotFound',
};

/** The error as Lambda's Node.js runtime writes it. */
function functionError(id: InvocationId, error: InvocationError): object {
  const sandboxType = SANDBOX_ERROR_TYPES[error.code];
  if (sandboxType !== undefined) {
    return { errorType: sandboxType, errorMessage: `RequestId: ${id} Error: ${error.errorMessage}` };
  }
  return { errorType: error.errorType, errorMessage: error.errorMessage, trace: error.stackTrace };
}

function findFunction(
  liveApps: LiveApps,
  url: URL,
): { app: AppName; name: FunctionName; resolved: ResolvedFunction } {
  const { name, qualifier } = parseFunctionName(
    INVOKE_PATH.exec(url.pathname)?.[1] ?? '',
    url.searchParams.get('Qualifier'),
  );
  if (qualifier !== LATEST) {
    throw new AwsError(
      404,
      'ResourceNotFoundException',
      `The function ${name} has no version or alias ${qualifier.slice(0, 128)}; there is ${LATEST} only.`,
    );
  }
  for (let cut = name.indexOf('--'); cut > 0; cut = name.indexOf('--', cut + 1)) {
    const app = name.slice(0, cut) as AppName;
    const inner = name.slice(cut + 2) as FunctionName;
    const resolved = liveApps.resolve(app, inner);
    if (resolved !== undefined) return { app, name: inner, resolved };
  }
  const bare = name as FunctionName;
  const holders = liveApps
    .snapshot()
    .map(({ live }) => live.app)
    .filter((app) => liveApps.resolve(app, bare) !== undefined);
  if (holders.length > 1) {
    throw new AwsError(
      400,
      'InvalidParameterValueException',
      `${holders.length} apps have a function ${name}; name one as ${holders[0]}--${name}.`,
    );
  }
  const app = holders[0];
  const resolved = app && liveApps.resolve(app, bare);
  if (app === undefined || resolved === undefined) {
    throw new AwsError(404, 'ResourceNotFoundException', `Function not found: ${name}`);
  }
  return { app, name: bare, resolved };
}

async function readEvent(request: Request): Promise<Uint8Array> {
  const body = await readBody(request, EVENT_BYTES_MAX);
  if (body.length === 0) return Buffer.from('{}');
  const problem = jsonProblem(body);
  if (problem === undefined) return body;
  throw new AwsError(
    400,
    'InvalidRequestContentException',
    `Could not parse request body into json: ${problem}`,
  );
}

function clientContextOf(request: Request): unknown {
  const encoded = request.headers.get('x-amz-client-context');
  if (encoded === null || encoded === '') return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  const problem =
    bytes.length > CLIENT_CONTEXT_BYTES_MAX
      ? `it is over ${CLIENT_CONTEXT_BYTES_MAX} bytes`
      : jsonProblem(bytes);
  if (problem === undefined) return JSON.parse(bytes.toString('utf8'));
  throw new AwsError(
    400,
    'InvalidRequestContentException',
    `X-Amz-Client-Context is not JSON in base64: ${problem}`,
  );
}

/** The end of what the function wrote during the call, in base64. */
async function logTail({ telemetry, feed }: LambdaApiDeps, id: InvocationId): Promise<string> {
  await feed.flush();
  const lines = await telemetry.tailLogs({ invocation: id }, LOG_TAIL_LINES);
  const text = Buffer.from(lines.map((line) => `${line.text}\n`).join(''));
  return text.subarray(Math.max(0, text.length - LOG_TAIL_BYTES)).toString('base64');
}
