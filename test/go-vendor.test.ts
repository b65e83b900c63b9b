/** Go modules that are kept in `vendor/`: deployed with neither a network nor a module cache. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { GO_CACHES, runGo, WITHOUT_GO } from '../sdk/go/test-go.ts';
import { startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

const AWS_PROGRAM = `package main

import (
	"context"

	"example.com/greeting"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(ctx context.Context, request events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: greeting.Of(request.RawPath)}, nil
	})
}
`;
const OWN_PROGRAM = `package main

import (
	"example.com/greeting"
	"example.com/greeting/loud"
	lambent "lambent.dev/go"
)

func main() {
	lambent.Start(func() (string, error) { return loud.Loudly(greeting.Of("you")), nil })
}
`;
const GO_MOD = `module example.com/vendored

go 1.22

require (
	example.com/greeting v1.2.0
	example.com/greeting/loud v0.1.0
	example.com/unused v1.0.0
	github.com/aws/aws-lambda-go v1.54.0
)

replace example.com/greeting v1.2.0 => ../greeting

replace example.com/greeting/loud => ../greeting/loud

replace example.com/unused => ../unused
`;

describe('functions in Go with a vendor folder', { skip: WITHOUT_GO, timeout: 240_000 }, () => {
  let root: string;
  let lambent: TestPlatform;
  const variables = { ...process.env };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'lambent-vendor-'));
    await writeApp(join(root, 'greeting'), {
      'go.mod': 'module example.com/greeting\n\ngo 1.21\n',
      'greeting.go': 'package greeting\n\nfunc Of(name string) string { return "hello " + name }\n',
      'loud/go.mod': 'module example.com/greeting/loud\n\ngo 1.21\n',
      'loud/loud.go':
        'package loud\n\nimport "strings"\n\nfunc Loudly(s string) string { return strings.ToUpper(s) }\n',
    });
    await writeApp(join(root, 'unused'), { 'go.mod': 'module example.com/unused\n' });
    const app = await writeApp(join(root, 'vendored'), {
      'lambent.yaml': 'app: vendored\n',
      'go.mod': GO_MOD,
      'functions/aws/main.go': AWS_PROGRAM,
      'functions/own/main.go': OWN_PROGRAM,
    });
    await runGo(
      ['get', ...['lambda', 'events'].map((name) => `github.com/aws/aws-lambda-go/${name}@v1.54.0`)],
      app,
    );
    // `-e`: no author's go command finds `lambent.dev/go`, unless go.mod says where it is; builds bring it.
    await runGo(['mod', 'vendor', '-e'], app);
    // From here on there is only the vendor folder.
    await rm(join(root, 'greeting'), { recursive: true });
    await rm(join(root, 'unused'), { recursive: true });
    Object.assign(process.env, { ...GO_CACHES, GOPROXY: 'off', GOMODCACHE: join(root, 'no-modules') });
    lambent = await startTestPlatform({}, { folder: root, folders: [app] });
  });
  after(async () => {
    await lambent?.close();
    for (const name of ['GOCACHE', 'GOPROXY', 'GOMODCACHE']) {
      if (variables[name] === undefined) delete process.env[name];
      else process.env[name] = variables[name];
    }
  });

  it('are built from it alone', async () => {
    assert.equal(await (await lambent.fetch('/aws/x')).text(), 'hello /aws/x');
    const { json } = await lambent.api('POST', '/apps/vendored/functions/own/invocations', {});
    assert.equal((json as { result: string }).result, 'HELLO YOU');
  });

  it('are refused when go.mod requires what it lacks', async () => {
    const path = join(root, 'vendored', 'go.mod');
    const text = await readFile(path, 'utf8');
    const seen = lambent.events.length;
    await writeFile(path, text.replace('greeting v1.2.0', 'greeting v1.3.0'));
    const failed = await lambent.waitFor(
      (event): event is Extract<typeof event, { kind: 'deployFailed' }> =>
        lambent.events.indexOf(event) >= seen && event.kind === 'deployFailed',
    );
    const { code, message, hint } = failed.error;
    assert.equal(code, 'E_DEPENDENCIES_FAILED');
    assert.match(
      message,
      /go\.mod requires example\.com\/greeting v1\.3\.0, which is not in vendor\/modules\.txt/,
    );
    assert.match(hint ?? '', /go mod vendor/);
  });

  it('are refused when a module is neither there nor to be had', async () => {
    const seen = lambent.events.length;
    await rm(join(root, 'vendored', 'vendor'), { recursive: true });
    await writeFile(
      join(root, 'vendored', 'go.mod'),
      'module example.com/vendored\n\ngo 1.22\n\nrequire example.com/greeting v1.2.0\n',
    );
    const failed = await lambent.waitFor(
      (event): event is Extract<typeof event, { kind: 'deployFailed' }> =>
        lambent.events.indexOf(event) >= seen && event.kind === 'deployFailed',
    );
    assert.match(
      failed.error.message,
      /example\.com\/greeting[\s\S]*(GOPROXY=off|missing go\.sum entry|no required module)/,
    );
    assert.ok((failed.error.hint ?? '') !== '');
  });
});
