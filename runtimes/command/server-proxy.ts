import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import type { HttpRequestHead } from '../../src/model/frames.ts';
import { fieldPairs } from '../../src/model/trailers.ts';
import { CALLER_HEADER } from '../child/calls-api.ts';
import { RuntimeFailure } from '../node/failure.ts';
import type { Invocation } from '../node/invocations.ts';
import { ProxiedAnswer } from './proxied-answer.ts';

/** A connection that was idle for longer is not used again: the server may be about to close it. While in use it has no limit. */
const IDLE_MS = 1_500;

/** Which invocation a request is for, for calls that the server makes on its behalf. */
export const REQUEST_ID_HEADER = 'x-lambent-request-id';
/** Headers that only this process may set. */
const REPLACED = new Set([
  'x-forwarded-host',
  'x-forwarded-proto',
  REQUEST_ID_HEADER,
  CALLER_HEADER,
  'trailer',
]);

/** Passes requests on to the server, and its answers back. */
export class ServerProxy {
  /** The address that the server listens at. */
  host = '';
  readonly port: number;
  readonly #agent = new Agent({ keepAlive: true, scheduling: 'lifo', timeout: IDLE_MS });
  readonly #fail: (invocation: Invocation, thrown: unknown) => void;

  constructor(port: number, fail: (invocation: Invocation, thrown: unknown) => void) {
    this.port = port;
    this.#fail = fail;
  }

  pass(invocation: Invocation): void {
    const head = invocation.http;
    const hasBody = invocation.hasBody || !invocation.bodyComplete;
    const headers = forwardedHeaders(head);
    if (hasBody && !head.headers.some((line) => line.startsWith('content-length: ')))
      headers.push('transfer-encoding', 'chunked');
    this.#send(invocation, head, headers, hasBody, true);
  }

  /** Opens a request of its own; `agent` false: on a connection of its own. */
  open(head: Pick<HttpRequestHead, 'method' | 'target'>, headers: string[], reuse: boolean): ClientRequest {
    return httpRequest({
      host: this.host,
      port: this.port,
      method: head.method,
      path: head.target,
      headers: headers as never,
      agent: reuse ? this.#agent : false,
    });
  }

  /** The server closed the connection without an answer. If it ended, that is what the caller hears. */
  failUnanswered(invocation: Invocation, error: NodeJS.ErrnoException): void {
    const what =
      error.code === 'ECONNREFUSED'
        ? `nothing listens on port ${this.port} any more`
        : `the server closed the connection without an answer (${error.code ?? error.message})`;
    this.fail(invocation, new RuntimeFailure('E_FUNCTION_ERROR', 'NoAnswer', what));
  }

  fail(invocation: Invocation, thrown: unknown): void {
    if (!invocation.ended) this.#fail(invocation, thrown);
  }

  #send(
    invocation: Invocation,
    head: HttpRequestHead,
    headers: string[],
    hasBody: boolean,
    mayRepeat: boolean,
  ): void {
    const request = this.open(head, headers, mayRepeat);
    let answered = false;
    request.once('response', (response: IncomingMessage) => {
      answered = true;
      new ProxiedAnswer(invocation, response, (thrown) => this.fail(invocation, thrown)).begin();
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (answered || invocation.ended) return;
      // The server closed an idle connection at the very moment at which it was used: it never saw the request.
      if (mayRepeat && request.reusedSocket && !hasBody)
        this.#send(invocation, head, headers, hasBody, false);
      else this.failUnanswered(invocation, error);
    });
    invocation.onCancel = () => {
      request.destroy();
      invocation.end();
    };
    invocation.onEnd = () => {
      // What is left of its body has nowhere to go.
      if (!request.writableEnded) request.destroy();
    };
    if (hasBody) feed(invocation, request);
    else request.end();
  }
}

/** Hands body bytes over as fast as the server takes them. */
function feed(invocation: Invocation, request: ClientRequest): void {
  try {
    for (;;) {
      const piece = invocation.read();
      if (piece === undefined) {
        invocation.onBody = () => feed(invocation, request);
        return;
      }
      invocation.onBody = undefined;
      if (piece === null) {
        if (invocation.trailers !== '') request.addTrailers(fieldPairs(invocation.trailers));
        request.end();
        return;
      }
      if (!request.write(piece)) {
        request.once('drain', () => feed(invocation, request));
        return;
      }
    }
  } catch (error) {
    invocation.onBody = undefined;
    request.destroy(error as Error);
  }
}

/** Names and values in turn: the caller's headers, and what a proxy adds. */
export function forwardedHeaders(head: HttpRequestHead): string[] {
  const headers: string[] = [];
  let host = '';
  let forwardedFor = '';
  for (const line of head.headers) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 2);
    if (name === 'host') host = value;
    if (name === 'x-forwarded-for') forwardedFor = `${value}, `;
    else if (!REPLACED.has(name)) headers.push(name, value);
  }
  headers.push('x-forwarded-for', `${forwardedFor}${head.remoteAddress}`);
  headers.push('x-forwarded-host', host, 'x-forwarded-proto', head.scheme, REQUEST_ID_HEADER, head.requestId);
  return headers;
}
