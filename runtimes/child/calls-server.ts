import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Calls } from '../node/calls.ts';
import type { Invocations } from '../node/invocations.ts';
import { answerCall, respondJson } from './calls-api.ts';

/** Serves calls of the platform on a port of its own, for programs that have no other. Resolves with `host:port`. */
export function serveCalls(calls: Calls, invocations: Invocations): Promise<string> {
  const server = createServer((request, response) => {
    request.on('error', () => {});
    if (!answerCall(calls, invocations, request, response))
      respondJson(response, 404, { errorMessage: `There is no ${request.url} here.`, errorType: 'NotFound' });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { address, port } = server.address() as AddressInfo;
      resolve(`${address}:${port}`);
    });
  });
}
