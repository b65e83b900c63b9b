import { IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { HttpRequestHead } from '../../src/model/frames.ts';
import { fieldsOf } from '../../src/model/trailers.ts';
import { expressOf, mountExpress } from './express-mount.ts';
import { EVENT_URL, sendTextResult } from './fetch-handler.ts';
import type { Handler, HandlerDeps } from './handler.ts';
import { brokenBody, current, type Invocation } from './invocations.ts';
import { installServerResponse, ResponseExchange } from './server-response.ts';
import { RequestSocket } from './server-socket.ts';
import { UpgradeSocket } from './upgrade-socket.ts';

/**
 * Express, Koa, Fastify and plain `http.Server` code, without a port: each request becomes Node's own
 * `IncomingMessage` and `ServerResponse` around the invocation's frames, so that middleware finds what it knows.
 */

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

export type ServerTarget =
  | { readonly kind: 'server'; readonly server: Server }
  | { readonly kind: 'express'; readonly app: Listener }
  | { readonly kind: 'koa'; readonly app: { callback(): Listener } }
  | { readonly kind: 'fastify'; readonly app: { ready(): PromiseLike<unknown>; readonly server: Server } };

/** What `IncomingMessage` has inside. */
interface RequestInside extends IncomingMessage {
  _addHeaderLines(lines: string[], count: number): void;
  _consuming: boolean;
  upgrade: boolean;
  _dump(): void;
}

/** Prepares an app for requests; with Fastify that runs its plug-ins. */
export async function createServerHandler(target: ServerTarget, deps: HandlerDeps): Promise<Handler> {
  installServerResponse();
  let server: Server | undefined;
  let listener: Listener;
  if (target.kind === 'fastify') {
    await target.app.ready();
    server = target.app.server;
  } else if (target.kind === 'server') server = target.server;
  if (server !== undefined) {
    const { emit } = server;
    listener = (request, response) => emit.call(server, 'request', request, response);
  } else listener = target.kind === 'koa' ? target.app.callback() : (target as { app: Listener }).app;

  const express = target.kind === 'express' ? target.app : server && expressOf(server);
  const serve = (invocation: Invocation): void => {
    const { request, response } = open(invocation, invocation.http, server, deps);
    if (express !== undefined) mountExpress(express, request, invocation.http.route);
    const result = listener(request, response);
    // An async listener that rejects would be an unhandled rejection anyway: say it at once.
    if (result instanceof Promise) result.catch((thrown) => deps.fail(invocation, thrown));
  };
  const upgrade = (invocation: Invocation): void => {
    const head = invocation.http;
    const socket = new UpgradeSocket(invocation, {
      remoteAddress: head.remoteAddress,
      encrypted: head.scheme === 'https',
    });
    const request = createRequest(head, socket as never, false);
    request.upgrade = true;
    request.complete = true;
    request.push(null);
    server!.emit('upgrade', request, socket, Buffer.alloc(0));
  };
  const event = (invocation: Invocation): void => {
    const headers = [
      `host: ${new URL(EVENT_URL).host}`,
      'content-type: application/json',
      `x-request-id: ${invocation.event.requestId}`,
    ];
    const head: HttpRequestHead = { ...EVENT_HEAD, headers };
    const { request, response } = open(invocation, head, server, deps, captureAnswer(invocation, deps));
    listener(request, response);
  };
  const guarded = (invocation: Invocation, act: (invocation: Invocation) => void): void => {
    try {
      current.run(invocation, act, invocation);
    } catch (thrown) {
      deps.fail(invocation, thrown);
    }
  };
  return {
    kind: 'server',
    onHttp: (invocation) => {
      const isUpgrade =
        server !== undefined &&
        invocation.head.includes('\nupgrade: ') &&
        server.listenerCount('upgrade') > 0;
      guarded(invocation, isUpgrade ? upgrade : serve);
    },
    onEvent: (invocation) => guarded(invocation, event),
  };
}

const EVENT_HEAD: HttpRequestHead = {
  requestId: '',
  deadlineMs: 0,
  remoteAddress: '127.0.0.1',
  scheme: 'http',
  route: '',
  params: '',
  method: 'POST',
  target: '/',
  headers: [],
};

function createRequest(head: HttpRequestHead, socket: never, hasBody: boolean): RequestInside {
  const request = new IncomingMessage(socket) as RequestInside;
  request.httpVersion = '1.1';
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 1;
  request.method = head.method;
  request.url = head.target;
  const raw: string[] = [];
  let framed = !hasBody;
  for (const line of head.headers) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon);
    if (name === 'content-length' || name === 'transfer-encoding') framed = true;
    raw.push(name, line.slice(colon + 2));
  }
  // Body parsers look for one of the two to see that there is a body.
  if (!framed) raw.push('transfer-encoding', 'chunked');
  request._addHeaderLines(raw, raw.length);
  return request;
}

function open(
  invocation: Invocation,
  head: HttpRequestHead,
  server: Server | undefined,
  deps: HandlerDeps,
  exchange: ResponseExchange = new ResponseExchange(invocation),
): { request: RequestInside; response: ServerResponse } {
  const socket = new RequestSocket(invocation, {
    remoteAddress: head.remoteAddress,
    encrypted: head.scheme === 'https',
  });
  socket.server = server;
  const hasBody = invocation.hasBody || !invocation.bodyComplete;
  const request = createRequest(head, socket as never, hasBody);
  request.complete = !hasBody;
  const response = new ServerResponse(request);
  socket._httpMessage = response;
  (response as { socket: unknown }).socket = socket;
  exchange.attach(response);
  socket.onWant = () => feed(invocation, request);
  socket.onDestroy = (error) => {
    if (!invocation.ended && !invocation.cancelled)
      deps.fail(
        invocation,
        error ?? new Error('the function destroyed the connection before its answer was complete'),
      );
  };
  invocation.onCancel = (reason) => {
    exchange.dropWaiting();
    abort(invocation, request, response, socket, reason);
    invocation.end();
  };
  let closing = false;
  const closeWhenDone = (): void => {
    if (closing || !invocation.ended || !response.writableEnded) return;
    closing = true;
    process.nextTick(close, request, response, socket);
  };
  exchange.onFinished = closeWhenDone;
  invocation.onEnd = () => {
    if (exchange.complete) closeWhenDone();
    else if (!invocation.cancelled) abort(invocation, request, response, socket, brokenBody(invocation));
  };
  return { request, response };
}

/** Hands over body bytes as long as the request takes them. */
function feed(invocation: Invocation, request: RequestInside): void {
  try {
    for (;;) {
      const piece = invocation.read();
      if (piece === undefined) {
        invocation.onBody = () => feed(invocation, request);
        return;
      }
      invocation.onBody = undefined;
      if (piece === null) {
        request.complete = true;
        // After a complete request these count as trailers.
        const trailers = fieldsOf(invocation.trailers);
        request._addHeaderLines(trailers, trailers.length);
      }
      if (!request.push(piece) || piece === null) return;
    }
  } catch (error) {
    invocation.onBody = undefined;
    request.destroy(error as Error);
  }
}

/** After a whole answer, as Node's server does it: `close` on both, the rest of the request is let go. */
function close(request: RequestInside, response: ServerResponse, socket: RequestSocket): void {
  if (!response.writableFinished) {
    // `finish` is already on its way, in this same tick.
    process.nextTick(close, request, response, socket);
    return;
  }
  emitClose(response);
  if (request.listenerCount('end') > 0 || request.listenerCount('close') > 0) {
    if (!request._consuming && request.complete) request._dump();
  }
  response.detachSocket(socket as never);
  socket.close();
}

function emitClose(response: ServerResponse): void {
  const inside = response as ServerResponse & { _closed: boolean };
  if (inside._closed) return;
  inside.destroyed = true;
  inside._closed = true;
  response.emit('close');
}

/** The caller is gone, or the invocation failed: nothing more can be read or written. */
function abort(
  invocation: Invocation,
  request: RequestInside,
  response: ServerResponse,
  socket: RequestSocket,
  reason: Error,
): void {
  invocation.onBody = undefined;
  socket.close();
  process.nextTick(() => {
    const error = Object.assign(new Error('aborted', { cause: reason }), { code: 'ECONNRESET' });
    if (!request.destroyed) request.destroy(error);
    emitClose(response);
  });
}

/** Collects the answer to an event call instead of sending it over HTTP. */
function captureAnswer(invocation: Invocation, deps: HandlerDeps): ResponseExchange {
  const chunks: Buffer[] = [];
  let status = 200;
  let ended = false;
  const finish = (): void => {
    if (ended) return;
    ended = true;
    try {
      sendTextResult(invocation, status, Buffer.concat(chunks));
    } catch (thrown) {
      deps.fail(invocation, thrown);
    }
  };
  return new ResponseExchange({
    respond(answerStatus, _block, body, _bytes, last) {
      status = answerStatus;
      if (body !== undefined) chunks.push(Buffer.from(body as string));
      if (last) finish();
    },
    write(chunk, last) {
      chunks.push(Buffer.from(chunk));
      if (last) finish();
      return true;
    },
    trail() {},
    queuedBytes: 0,
    onDrain: undefined,
  });
}
