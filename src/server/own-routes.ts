import { request as openRequest } from 'node:http';
import { ADMIN_PREFIX } from '../admin/admin.ts';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import {
  ROUTE_ANSWER_BYTES_MAX,
  ROUTE_ANSWER_WAIT_MS,
  type RouteAnswer,
  type RouteRequest,
  type SendToRoutes,
} from '../ports/own-routes.ts';

/** What node:http writes by itself, or what would change how the message is framed. */
const OWN_HEADERS = new Set([
  ...[
    'connection',
    'content-length',
    'transfer-encoding',
    'expect',
    'upgrade',
    'keep-alive',
    'te',
    'trailer',
  ],
  // The answer names the invocation by its id then.
  'x-request-id',
]);

/**
 * Over the platform's own port, so that a request goes exactly where it would from outside: limits, routes and the
 * shares of traffic count for it too.
 *
 * @param address where the platform listens; `undefined`: not yet
 */
export function createOwnRoutes(
  address: () => { readonly address: string; readonly port: number } | undefined,
  clock: Clock,
): SendToRoutes {
  return (asked) => {
    const place = address();
    if (place === undefined) throw new LambentError('E_SHUTTING_DOWN', 'the platform does not listen yet');
    // The control API is not to be reached by way of itself, without its token.
    if (new URL(asked.target, 'http://routes').pathname.startsWith(ADMIN_PREFIX.slice(0, -1)))
      throw new LambentError('E_BAD_REQUEST', 'The target is to be a path of an app.');
    const host = ['0.0.0.0', '::'].includes(place.address) ? '127.0.0.1' : place.address;
    return send(asked, { host, port: place.port }, clock);
  };
}

function send(
  { method, target, headers, body }: RouteRequest,
  place: { host: string; port: number },
  clock: Clock,
): Promise<RouteAnswer> {
  return new Promise((resolve, reject) => {
    const request = openRequest({ ...place, method, path: target, agent: false });
    for (const [name, value] of headers) {
      // There is one already, of the address.
      if (name === 'host') request.setHeader(name, value);
      else if (!OWN_HEADERS.has(name)) request.appendHeader(name, value);
    }
    if (body.length > 0) request.setHeader('content-length', body.length);
    const timer = clock.after(ROUTE_ANSWER_WAIT_MS, () =>
      request.destroy(new Error(`there was no answer within ${ROUTE_ANSWER_WAIT_MS / 1_000} s`)),
    );
    request.on('error', (error) => {
      timer.cancel();
      reject(new LambentError('E_BAD_REQUEST', `The request could not be sent: ${error.message}.`));
    });
    request.on('response', (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      const finish = (cut: boolean): void => {
        timer.cancel();
        const all = response.rawHeaders;
        const named = all.flatMap((name, at) =>
          at % 2 === 0 ? [[name.toLowerCase(), all[at + 1]!] as const] : [],
        );
        const whole = Buffer.concat(pieces).subarray(0, ROUTE_ANSWER_BYTES_MAX);
        resolve({ status: response.statusCode ?? 0, headers: named, body: whole, cut });
      };
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes <= ROUTE_ANSWER_BYTES_MAX) return;
        finish(true);
        request.destroy();
      });
      response.on('end', () => finish(false));
      response.on('error', () => finish(true));
    });
    request.end(body);
  });
}
