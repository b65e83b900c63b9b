import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { runGo, WITHOUT_GO } from '../sdk/go/test-go.ts';
import { type AppFiles, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

/**
 * What people bring along from AWS Lambda, unmodified: middy, Powertools, AWS' own runtime clients for Python and Go as
 * custom runtimes; and a compiled web server.
 */

const PACKAGES = [
  '@middy/core',
  '@middy/util',
  '@middy/http-json-body-parser',
  '@middy/http-error-handler',
  '@aws-lambda-powertools/commons',
  '@aws-lambda-powertools/logger',
  '@aws-lambda-powertools/metrics',
  '@aws/lambda-invoke-store',
];

/** AWS' runtime interface client, with native code, and what it needs. */
const PYTHON_CLIENT = ['awslambdaric==4.2.2', 'simplejson==4.3.0', 'snapshot-restore-py==1.0.0'];

const FILES: AppFiles = {
  'lambent.yaml': `
app: real
functions:
  orders: { routes: ["POST /orders"] }
  stream: { routes: ["GET /stream"] }
  observed: { env: { POWERTOOLS_SERVICE_NAME: orders, POWERTOOLS_METRICS_NAMESPACE: shop } }
  ric: { entry: ric/bootstrap, handler: app.handler, routes: ["/ric/*"], timeout: 10s }
`,
  'functions/orders.ts': `
import middy from '@middy/core';
import httpErrorHandler from '@middy/http-error-handler';
import httpJsonBodyParser from '@middy/http-json-body-parser';

export const handler = middy()
  .use(httpJsonBodyParser())
  .use({
    before: async ({ event, context }) => {
      if (event.body.items.length === 0) throw Object.assign(new Error('an order has items'), { statusCode: 422, expose: true });
      Object.assign(event, { remaining: context.getRemainingTimeInMillis() });
    },
    after: async ({ response }) => {
      response.headers = { ...response.headers, 'x-after': 'yes' };
    },
  })
  .use(httpErrorHandler({ logger: false }))
  .handler(async (event: any) => ({
    statusCode: 201,
    body: JSON.stringify({ items: event.body.items, timed: event.remaining > 0 }),
  }));`,
  'functions/stream.ts': `
import { Readable } from 'node:stream';
import middy from '@middy/core';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';

export const handler = middy({ executionMode: executionModeStreamifyResponse }).handler(async () => ({
  statusCode: 203,
  headers: { 'content-type': 'text/plain' },
  body: Readable.from(['one ', 'two']),
}));`,
  'functions/observed.ts': `
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';

const logger = new Logger();
const metrics = new Metrics();
export const handler = middy(async (event: { id: string }) => {
  logger.warn('an order came', { order: event.id });
  metrics.addMetric('ordersPlaced', MetricUnit.Count, 1);
  return event.id;
})
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics, { captureColdStartMetric: true }));`,
  'ric/bootstrap': `#!/bin/sh
exec python3 -m awslambdaric "$_HANDLER"
`,
  'ric/app.py': `
import json
import os

def handler(event, context):
    if event.get("fail"):
        raise ValueError("not like this")
    print("handling", context.aws_request_id)
    told = {
        "id": context.aws_request_id,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "timed": context.get_remaining_time_in_millis() > 0,
        "traced": os.environ["_X_AMZN_TRACE_ID"].startswith("Root=1-"),
    }
    if "rawPath" in event:
        return {"statusCode": 200, "headers": {"x-path": event["rawPath"]}, "body": json.dumps(event["pathParameters"])}
    return told
`,
};

let lambent: TestPlatform;
before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-e2e-'));
  const target = join(folder, 'real', 'ric');
  const flags = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore', '--no-compile'];
  await promisify(execFile)(
    'python3',
    [
      '-m',
      'pip',
      'install',
      ...flags,
      '--only-binary',
      ':all:',
      '--no-deps',
      '--target',
      target,
      ...PYTHON_CLIENT,
    ],
    { timeout: 120_000 },
  );
  lambent = await startTestPlatform({ real: FILES }, { folder, link: PACKAGES });
});
after(() => lambent.close());

interface Outcome {
  id: string;
  status: string;
  result: unknown;
  error?: { errorType: string; errorMessage: string; stackTrace: string[] };
}

async function invoke(name: string, event: object): Promise<Outcome> {
  const { json } = await lambent.api('POST', `/apps/real/functions/${name}/invocations`, event);
  return json;
}

describe('middy', { timeout: 60_000 }, () => {
  const order = (items: unknown): Promise<Response> =>
    lambent.fetch('/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ items }),
    });

  it('runs its middleware before and after the handler', async () => {
    const response = await order(['tea']);
    assert.deepEqual(
      [response.status, response.headers.get('x-after'), await response.json()],
      [201, 'yes', { items: ['tea'], timed: true }],
    );
  });

  it('makes answers of errors', async () => {
    const refused = await order([]);
    assert.deepEqual([refused.status, await refused.text()], [422, 'an order has items']);
    const notJson = await lambent.fetch('/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });
    assert.equal(notJson.status, 422);
  });

  it('streams', async () => {
    const response = await lambent.fetch('/stream');
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), await response.text()],
      [203, 'text/plain', 'one two'],
    );
  });
});

describe('Powertools for AWS Lambda', { timeout: 60_000 }, () => {
  it('logs with the context of the invocation, and writes metrics', async () => {
    const { id, result } = await invoke('observed', { id: 'o-7' });
    assert.equal(result, 'o-7');
    const line = await lambent.waitForLog(({ text }) => text.includes('an order came'));
    const entry = JSON.parse(line.text);
    assert.deepEqual([line.invocation, line.severity], [id, 'warn']);
    assert.deepEqual(
      [
        entry.level,
        entry.service,
        entry.order,
        entry.function_name,
        entry.function_request_id,
        entry.cold_start,
      ],
      ['WARN', 'orders', 'o-7', 'observed', id, true],
    );
    const metric = await lambent.waitForLog(({ text }) => text.includes('"ordersPlaced"'));
    const { _aws: head, ordersPlaced } = JSON.parse(metric.text);
    assert.equal(ordersPlaced, 1);
    assert.equal(head.CloudWatchMetrics[0].Namespace, 'shop');
  });
});

describe("AWS' runtime interface client for Python", { timeout: 60_000 }, () => {
  it('finds its context', async () => {
    const { id, result } = await invoke('ric', {});
    assert.deepEqual(result, {
      id,
      name: 'ric',
      memory: '256',
      arn: 'arn:aws:lambda:local:000000000000:function:ric',
      timed: true,
      traced: true,
    });
    const line = await lambent.waitForLog(({ text }) => text === `handling ${id}`);
    assert.equal(line.invocation, id);
  });

  it('answers HTTP', async () => {
    const response = await lambent.fetch('/ric/a/b');
    assert.deepEqual(
      [response.status, response.headers.get('x-path'), await response.json()],
      [200, '/ric/a/b', { proxy: 'a/b' }],
    );
  });

  it('reports errors with their type and the lines of the author', async () => {
    const { error } = await invoke('ric', { fail: true });
    assert.deepEqual([error?.errorType, error?.errorMessage], ['ValueError', 'not like this']);
    assert.match(error!.stackTrace.join('\n'), /app\.py", line 7, in handler/);
  });
});

/** Built as for `provided.al2023`: an executable named bootstrap, which streams its answers. */
const GO_BOOTSTRAP = `package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func handler(ctx context.Context, request events.LambdaFunctionURLRequest) (*events.LambdaFunctionURLStreamingResponse, error) {
	if request.RawPath == "/refused" {
		return nil, errors.New("refused as a whole")
	}
	reader, writer := io.Pipe()
	go func() {
		for i := 0; i < 3; i++ {
			io.WriteString(writer, strings.Repeat("x", 100000))
		}
		if request.RawPath == "/broken" {
			writer.CloseWithError(errors.New("broke in the middle"))
		}
		writer.Close()
	}()
	return &events.LambdaFunctionURLStreamingResponse{
		StatusCode: 206,
		Headers:    map[string]string{"Content-Type": "text/plain", "X-Path": request.RawPath},
		Body:       reader,
	}, nil
}

func main() { lambda.Start(handler) }
`;

const GO_SERVER = `package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		size, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d", r.URL.Path, size)
	})
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}
`;

describe('programs in Go', { skip: WITHOUT_GO, timeout: 240_000 }, () => {
  let go: TestPlatform;
  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-e2e-'));
    const source = await writeApp(join(folder, 'source'), {
      'go.mod': 'module example.com/programs\n\ngo 1.22\n\nrequire github.com/aws/aws-lambda-go v1.54.0\n',
      'stream/main.go': GO_BOOTSTRAP,
      'server/main.go': GO_SERVER,
    });
    const app = await writeApp(join(folder, 'programs'), {
      'lambent.yaml': `
app: programs
functions:
  stream: { entry: stream/bootstrap, handler: bootstrap, routes: ["/streamed", "/refused", "/broken"] }
  server: { command: [./server], entry: server, routes: ["/served/*"] }
`,
    });
    await runGo(['mod', 'download'], source);
    await runGo(['build', '-mod=mod', '-o', join(app, 'stream/bootstrap'), './stream'], source);
    await runGo(['build', '-mod=mod', '-o', join(app, 'server/server'), './server'], source);
    go = await startTestPlatform({}, { folder, folders: [app] });
  });
  after(() => go?.close());

  it('stream through the Runtime API as AWS has it', async () => {
    const response = await go.fetch('/streamed');
    assert.deepEqual([response.status, response.headers.get('x-path')], [206, '/streamed']);
    assert.equal((await response.text()).length, 300_000);
  });

  it('report errors before and in the middle of an answer', async () => {
    const refused = await go.fetch('/refused');
    assert.equal(refused.status, 500);
    const whole = await go.waitForInvocation(({ summary }) => summary === 'GET /refused');
    assert.deepEqual(
      [whole.error?.code, whole.error?.errorType, whole.error?.errorMessage],
      ['E_FUNCTION_ERROR', 'errorString', 'refused as a whole'],
    );
    await assert.rejects(async () => (await go.fetch('/broken')).text());
    const midway = await go.waitForInvocation(({ summary }) => summary === 'GET /broken');
    assert.deepEqual(
      [midway.error?.code, midway.error?.errorMessage],
      ['E_FUNCTION_ERROR', 'broke in the middle'],
    );
  });

  it('may be web servers', async () => {
    const response = await go.fetch('/served/a', { method: 'POST', body: 'x'.repeat(500_000) });
    assert.deepEqual(
      [response.status, response.headers.get('x-method'), await response.text()],
      [200, 'POST', '/served/a 500000'],
    );
    const head = await go.fetch('/served/b', { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('x-method'), await head.text()], [200, 'HEAD', '']);
  });
});
