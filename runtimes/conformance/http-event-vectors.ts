/** For tests: the requests of `http-event-vectors.json`, which every language must make the same events of. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestInstance } from './test-instance.ts';

interface Vector {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly route: string;
    readonly params: string;
    readonly headers: readonly string[];
    readonly body?: string;
    readonly bodyBase64?: string;
  };
  readonly event: Record<string, unknown>;
}

const VECTORS = JSON.parse(
  readFileSync(join(import.meta.dirname, 'http-event-vectors.json'), 'utf8'),
) as readonly Vector[];

/** Sends each request to an instance whose handler answers with its event, and compares. */
export async function checkHttpEvents(instance: TestInstance): Promise<void> {
  for (const { name, request, event } of VECTORS) {
    const { method, target, route, params, headers, body = '', bodyBase64 } = request;
    const answer = await instance.request({
      method,
      target,
      route,
      params,
      lines: [...headers],
      body: bodyBase64 === undefined ? body : Buffer.from(bodyBase64, 'base64'),
    });
    const { requestContext, version, ...rest } = JSON.parse(answer.text);
    assert.equal(version, '2.0', name);
    assert.deepEqual(rest, event, name);
    const { time, timeEpoch, ...context } = requestContext;
    assert.match(time, /^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    assert.ok(Number.isInteger(timeEpoch));
    assert.deepEqual(
      context,
      {
        accountId: '000000000000',
        apiId: 'fn',
        domainName: 'example.test',
        domainPrefix: 'example',
        http: {
          method,
          path: event.rawPath,
          protocol: 'HTTP/1.1',
          sourceIp: '192.0.2.7',
          userAgent: '',
        },
        requestId: `req_${answer.stream}`,
        routeKey: event.routeKey,
        stage: '$default',
      },
      name,
    );
  }
}
