/**
 * The gateway takes HTTP from callers to functions and back. A request goes through this file from top to bottom:
 *
 *     connection (fast-connection.ts or general-connection.ts) -> decide: platform? host? route? method? CORS?
 *     -> callFunction -> ports/invoker -> answer written by the connection it came on
 *
 * Guarantees: bodies stream both ways under back-pressure, so that memory does not grow with them; nothing a function
 * says can break the framing of a connection; every refusal is JSON with a code and what to do next; a deploy drops
 * no request, because a request keeps the version it was matched with.
 *
 * Deliberately absent: TLS and HTTP/2 (put a reverse proxy in front), and any waiting for the disk.
 */
import { ERROR_TABLE } from '../base/error-table.ts';
import { LambentError } from '../base/errors.ts';
import type { InvocationId, MintUuid } from '../base/ids.ts';
import type { Preview } from '../model/app-hosts.ts';
import type { HttpExchange, HttpSink, Invoker } from '../ports/invoker.ts';
import { corsLines, preflightLines } from './cors.ts';
import { type Answer, errorAnswer } from './respond.ts';
import type { BoundRoute, RouteMatch } from './route-table.ts';
import type { Routing } from './routing.ts';

/** A request as far as deciding about it goes. */
export interface Incoming {
  readonly method: string;
  /** Path and query, starting with `/`. */
  readonly target: string;
  /** Lower case, without port. */
  readonly host: string;
  readonly origin: string | undefined;
  /** The caller's own x-request-id, if it is fit to be passed on. */
  readonly requestId: string | undefined;
  /** Access-Control-Request-Method of a preflight. */
  readonly preflightMethod: string | undefined;
  /** X-Amz-Target: the operation, where AWS' clients post to `/`. */
  readonly awsTarget: string | undefined;
}

/** What a function gets of the request besides. */
export interface CallParts {
  /** `name: value` lines joined by `\n`; no x-request-id that is not fit to be passed on. */
  readonly headerLines: string;
  readonly remoteAddress: string;
  readonly upgrade: boolean;
  readonly body: Uint8Array | undefined;
  readonly bodyComplete: boolean;
}

export type Decision =
  | {
      readonly kind: 'function';
      readonly bound: BoundRoute;
      readonly params: string;
      readonly corsLines: string;
    }
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** Something of the platform: console, API, AWS wire calls. */
  | { readonly kind: 'platform' }
  /** A deployment that may have to be loaded first. */
  | { readonly kind: 'preview'; readonly preview: Preview };

export interface GatewayParts {
  readonly routing: Routing;
  readonly invoker: Invoker;
  readonly mintId: MintUuid;
  /** Whether a path belongs to the platform. */
  isPlatformPath(path: string): boolean;
  /** Whether an X-Amz-Target names an operation of the platform. */
  isPlatformTarget(awsTarget: string): boolean;
  /** Whether this server answers for a host; `undefined` in the parts: for all. */
  readonly allowsHost: ((host: string) => boolean) | undefined;
  /** Whether callers are told what went wrong in a function, as its author needs; strangers need not know. */
  readonly tellsFailures: boolean;
  /** Hears of each request that never gets to a function or to the platform. */
  readonly onRefused: ((refusal: Refusal) => void) | undefined;
}

/** A request that the gateway refused by itself. */
export interface Refusal {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly error: LambentError;
}

export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/** What a stranger is told to do about a failure of the function itself. */
const STRANGER_HINT = 'Give whoever runs this the request id and the time: the reason is in the logs.';

/**
 * The answer to a call that failed. What is the caller's own fault is said in full. Of other failures a stranger gets
 * the code and what it means: messages hold paths, names and values that are nobody else's business.
 */
export function failureAnswer({ tellsFailures }: GatewayParts, error: LambentError, id: string): Answer {
  const { fault, meaning } = error.facts;
  if (tellsFailures || fault === 'caller') return errorAnswer(error, id);
  const { code, retryAfterS } = error;
  const hint = fault === 'author' ? STRANGER_HINT : ERROR_TABLE[code].hint;
  return errorAnswer(
    new LambentError(code, meaning, retryAfterS === undefined ? { hint } : { hint, retryAfterS }),
    id,
  );
}

/** Where a request goes. Synchronous, and without side effects but for the word about a refusal. */
export function decide(parts: GatewayParts, incoming: Incoming, id: string): Decision {
  const { host, target, method } = incoming;
  if (parts.allowsHost !== undefined && !parts.allowsHost(host) && !parts.routing.namesHost(host)) {
    const error = new LambentError(
      'E_HOST_REFUSED',
      `this server does not answer for the host ${JSON.stringify(host)}`,
    );
    return refuse(parts, incoming, error, id);
  }
  const path = pathOf(target);
  if (parts.isPlatformPath(path)) return { kind: 'platform' };
  const { awsTarget } = incoming;
  if (awsTarget !== undefined && path === '/' && parts.isPlatformTarget(awsTarget))
    return { kind: 'platform' };
  const preview = host.startsWith('d') ? parts.routing.previewOf(host) : undefined;
  if (preview !== undefined) return { kind: 'preview', preview };
  return decideMatch(parts, parts.routing.match(method, host, path), incoming, id);
}

/** The same for a preview host, once its deployment is there. */
export async function decidePreview(
  parts: GatewayParts,
  preview: Preview,
  incoming: Incoming,
  id: string,
): Promise<Decision> {
  const { host, target, method } = incoming;
  const match = await parts.routing.matchPreview(preview, method, host, pathOf(target));
  if (match !== undefined) return decideMatch(parts, match, incoming, id);
  const error = new LambentError('E_NOT_FOUND', `app ${preview.app} has no deployment ${preview.number}`, {
    hint: `See \`lambent deployments ${preview.app}\`.`,
  });
  return refuse(parts, incoming, error, id);
}

function refuse(
  parts: GatewayParts,
  incoming: Incoming,
  error: LambentError,
  id: string,
  furtherBlock = '',
): Decision {
  const { method, host, target } = incoming;
  parts.onRefused?.({ method, host, path: pathOf(target), error });
  const answer = errorAnswer(error, id);
  return { kind: 'answer', answer: { ...answer, block: answer.block + furtherBlock } };
}

function decideMatch(parts: GatewayParts, match: RouteMatch, incoming: Incoming, id: string): Decision {
  const { method, origin, target } = incoming;
  if (match.status === 'found') {
    const policy = match.bound.route.cors;
    if (policy !== undefined && isPreflight(incoming)) return preflight(match.bound, origin!);
    return {
      kind: 'function',
      bound: match.bound,
      params: match.params,
      corsLines: corsLines(policy, origin),
    };
  }
  if (match.status === 'none') {
    const error = new LambentError('E_ROUTE_NOT_FOUND', `no route for ${method} ${pathOf(target)}`);
    return refuse(parts, incoming, error, id);
  }
  if (match.cors !== undefined && isPreflight(incoming)) return preflight(match.cors, origin!);
  const allow = [...new Set([...match.allow, 'OPTIONS'])].join(', ');
  if (method === 'OPTIONS')
    return { kind: 'answer', answer: { status: 204, block: `allow: ${allow}\r\n`, body: '' } };
  const error = new LambentError(
    'E_METHOD_NOT_ALLOWED',
    `${pathOf(target)} does not take ${method}, but ${allow}`,
  );
  return refuse(parts, incoming, error, id, `allow: ${allow}\r\n`);
}

function isPreflight(incoming: Incoming): boolean {
  return (
    incoming.method === 'OPTIONS' && incoming.origin !== undefined && incoming.preflightMethod !== undefined
  );
}

function preflight(bound: BoundRoute, origin: string): Decision {
  return {
    kind: 'answer',
    answer: { status: 204, block: preflightLines(bound.route.cors!, origin), body: '' },
  };
}

/** Hands the request to its function; what comes back goes to `sink`. */
export function callFunction(
  parts: GatewayParts,
  decision: Extract<Decision, { kind: 'function' }>,
  incoming: Incoming,
  call: CallParts,
  id: string,
  sink: HttpSink,
): HttpExchange {
  const { bound, params } = decision;
  // A function always finds the id that its caller gets back.
  const { headerLines } = call;
  const mintedLine = `x-request-id: ${id}`;
  const lines =
    incoming.requestId !== undefined
      ? headerLines
      : headerLines === ''
        ? mintedLine
        : `${headerLines}\n${mintedLine}`;
  return parts.invoker.http(
    {
      id: id as InvocationId,
      version: bound.version,
      deployment: bound.deployment,
      trigger: call.upgrade ? 'websocket' : 'http',
      remoteAddress: call.remoteAddress,
      scheme: 'http',
      routeKey: bound.key,
      params,
      method: incoming.method,
      target: incoming.target,
      headerLines: lines,
      callerRequestId: incoming.requestId,
      body: call.body,
      bodyComplete: call.bodyComplete,
    },
    sink,
  );
}
