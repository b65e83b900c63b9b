import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What arrived at the stand-in. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (request: SeenRequest, response: ServerResponse) => void;

/** For tests: a real HTTP server that answers the control API's paths as a test says. */
export interface StandInServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** `GET /apps`, below the API's base. A value is sent as JSON with status 200. */
  answer(route: string, answer: Answer | object): void;
}

const API_PATH = '/_lambent/api/v1';

export async function startStandIn(): Promise<StandInServer> {
  const answers = new Map<string, Answer>();
  const seen: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const path = url.pathname.replace(API_PATH, '');
    const arrived = {
      method: request.method ?? '',
      path,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: Buffer.concat(chunks).toString('latin1'),
    };
    seen.push(arrived);
    const answer = answers.get(`${request.method} ${path}`);
    if (answer !== undefined) answer(arrived, response);
    else sendError(response, 404, 'E_NOT_FOUND', `The stand-in has no ${request.method} ${path}.`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    answer(route, answer) {
      answers.set(
        route,
        typeof answer === 'function' ? (answer as Answer) : (_, response) => sendJson(response, 200, answer),
      );
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  const error = { code, message, fault: 'caller', retryable: false, hint: 'The hint of the server.' };
  sendJson(response, status, { error, requestId: 'r-1' });
}
