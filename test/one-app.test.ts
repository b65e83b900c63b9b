/**
 * One app with functions in TypeScript, Python and Go: each with packages of others, answering HTTP and events, reloaded
 * on every save, deployed by one command. And what docs/languages.md says of all of them, held against each.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { runGo, WITHOUT_GO } from '../sdk/go/test-go.ts';
import { runForTest } from '../src/cli/test-terminal.ts';
import type { PlatformEvent } from '../src/server/main.ts';
import { REPOSITORY, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';

const run = promisify(execFile);
/** Packages are downloaded and compiled, on a machine that may do much else. */
const ALL_MS_MAX = 170_000;

const MANIFEST = `app: trio
functions:
  report: { routes: [GET /] }
  words: { routes: [] }
  count: { routes: [] }
  ts: { routes: [GET /ts], on: [{ events: { type: [order.placed] } }] }
  py: { routes: [GET /py], on: [{ events: { type: [order.placed] } }] }
  go: { routes: [GET /go], on: [{ events: { type: [order.placed] } }] }
  asks: { routes: [] }
  told-ts: { routes: ["POST /told-ts/:item"] }
  told-py: { routes: ["POST /told-py/:item"], entry: functions/told_py.py }
  told-go: { routes: ["POST /told-go/:item"] }
`;

/** Each answers HTTP, and logs events, with its own version and what a package of somebody else's made. */
const FILES = {
  'lambent.yaml': MANIFEST,
  'requirements.txt': 'simplejson==4.3.0\n',
  'functions/ts.ts': `import ms from 'ms';
interface Event { rawPath?: string; data?: { minutes: number } }
export const handler = async (event: Event) => {
  if (event.rawPath !== undefined) return { statusCode: 200, body: 'first ' + ms(60_000, { long: true }) };
  console.log('ts first ' + ms(event.data!.minutes * 60_000));
};
`,
  'functions/py.py': `import simplejson

def handler(event, context):
    if "rawPath" in event:
        return {"statusCode": 200, "body": "first " + simplejson.dumps({"b": 1, "a": 2}, sort_keys=True)}
    print("py first", simplejson.dumps(event["data"]))
`,
  'functions/go/main.go': `package main

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	lambent "lambent.dev/go"
)

type event struct {
	RawPath string
	Data    struct{ Minutes int }
}

func handler(ctx context.Context, in event) (any, error) {
	id := uuid.NewSHA1(uuid.NameSpaceDNS, []byte("lambent")).Version().String()
	if in.RawPath != "" {
		return lambent.HTTPResponse{StatusCode: 200, Body: "first " + id}, nil
	}
	slog.InfoContext(ctx, "go first "+id, "minutes", in.Data.Minutes)
	return nil, nil
}

func main() { lambent.Start(handler) }
`,
  'functions/asks.ts': `import { invoke } from 'lambent';
export const handler = (event: { function: string; payload: object }) => invoke(event.function, event.payload);
`,
  'functions/told-ts.ts': `class OutOfStock extends Error { override name = 'OutOfStock'; }
function sell(item: string): never {
  throw new OutOfStock('no ' + item + ' left');
}
interface Asked { rawPath?: string; sell?: string; context: string[]; env: string[] }
export const handler = async (event: Asked, context: Record<string, unknown>) => {
  if (event.rawPath !== undefined) return event;
  if (event.sell !== undefined) sell(event.sell);
  const valueOf = (name: string) => {
    const value = context[name];
    return typeof value === 'function' ? value() : typeof value === 'object' && name === 'signal' ? 'there' : (value ?? null);
  };
  return {
    context: Object.fromEntries(event.context.filter((name) => name in context).map((name) => [name, valueOf(name)])),
    env: Object.fromEntries(event.env.map((name) => [name, process.env[name] ?? null])),
    folder: process.cwd(),
  };
};
`,
  'functions/told_py.py': `import os

class OutOfStock(Exception):
    pass

def sell(item):
    raise OutOfStock(f"no {item} left")

def handler(event, context):
    if "rawPath" in event:
        return event
    if "sell" in event:
        sell(event["sell"])
    told = {}
    for name in event["context"]:
        if hasattr(context, name):
            value = getattr(context, name)
            told[name] = value() if callable(value) else value
    return {"context": told, "env": {name: os.environ.get(name) for name in event["env"]}, "folder": os.getcwd()}
`,
  'functions/told-go/main.go': `package main

import (
	"context"
	"encoding/json"
	"os"
	"reflect"

	lambent "lambent.dev/go"
)

type OutOfStock struct{ item string }

func (e OutOfStock) Error() string { return "no " + e.item + " left" }

func sell(item string) { panic(OutOfStock{item}) }

type asked struct {
	RawPath, Sell string
	Context, Env  []string
}

func handler(ctx context.Context, raw json.RawMessage) (any, error) {
	var in asked
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	if in.RawPath != "" {
		return raw, nil
	}
	if in.Sell != "" {
		sell(in.Sell)
	}
	call, _ := lambent.CallOf(ctx)
	told, env := map[string]any{}, map[string]any{}
	for _, name := range in.Context {
		if field := reflect.ValueOf(call).FieldByName(name); field.IsValid() {
			told[name] = field.Interface()
		}
	}
	for _, name := range in.Env {
		if value, found := os.LookupEnv(name); found {
			env[name] = value
		}
	}
	folder, err := os.Getwd()
	return map[string]any{"context": told, "env": env, "folder": folder}, err
}

func main() { lambent.Start(handler) }
`,
};

let lambent: TestPlatform;
let app = '';

/** As an author does: begins with the template, and adds packages by each language's own tool. */
async function makeApp(root: string): Promise<string> {
  const folder = join(root, 'trio');
  const begun = await runForTest(['init', folder, '--template', 'mixed']);
  assert.equal(begun.code, 0, begun.err);
  await writeApp(folder, FILES);
  const npm = ['install', 'ms@2.1.3', '--ignore-scripts', '--no-audit', '--no-fund'];
  await run('npm', npm, { cwd: folder, timeout: 60_000 });
  await runGo(['get', 'github.com/google/uuid@v1.6.0'], folder);
  return folder;
}

async function save(path: string, change: (text: string) => string): Promise<void> {
  const seen = lambent.events.length;
  await writeFile(join(app, path), change(await readFile(join(app, path), 'utf8')));
  const event = await lambent.waitFor(
    (each): each is Extract<PlatformEvent, { kind: 'deployed' | 'deployFailed' }> =>
      lambent.events.indexOf(each) >= seen && (each.kind === 'deployed' || each.kind === 'deployFailed'),
  );
  assert.equal(event.kind, 'deployed', JSON.stringify(event));
}

/** HTTP and an event, each seen by all three. */
async function assertAnswers(on: TestPlatform, version: string): Promise<void> {
  const answers = ['/ts', '/py', '/go'].map(async (path) => (await on.fetch(path)).text());
  assert.deepEqual(await Promise.all(answers), [
    `${version} 1 minute`,
    `${version} {"a": 2, "b": 1}`,
    `${version} VERSION_5`,
  ]);
  const emit = ['emit', 'order.placed', '--data', '{"minutes":3}', '--to', on.url];
  const { code, err } = await runForTest(emit, { env: { LAMBENT_TOKEN: on.platform.token ?? '' } });
  assert.equal(code, 0, err);
  for (const [name, text] of [
    ['ts', `ts ${version} 3m`],
    ['py', `py ${version} {"minutes": 3}`],
    ['go', `go ${version} VERSION_5`],
  ]) {
    const line = await on.waitForLog((each) => each.function === name && each.text.includes(text!));
    assert.ok(line.invocation);
  }
}

before(
  async () => {
    if (WITHOUT_GO) return;
    const root = await mkdtemp(join(tmpdir(), 'lambent-one-app-'));
    app = await makeApp(root);
    lambent = await startTestPlatform({}, { folder: root, folders: [app] });
    const failed = lambent.events.find((event) => event.kind === 'deployFailed');
    assert.equal(failed, undefined, JSON.stringify(failed));
  },
  { timeout: ALL_MS_MAX },
);
after(() => lambent?.close());

describe('an app in three languages', { skip: WITHOUT_GO, timeout: ALL_MS_MAX }, () => {
  it('answers HTTP and events in each, with packages of each', () => assertAnswers(lambent, 'first'));

  it('reloads each on a save', async () => {
    for (const path of ['functions/ts.ts', 'functions/py.py', 'functions/go/main.go'])
      await save(path, (text) => text.replaceAll('first', 'second'));
    await assertAnswers(lambent, 'second');
  });

  it('lacks a function whose toolchain is not to be had, and serves the others; deployed, it fails and says why', async () => {
    const pinned = {
      from: 'on: [{ events: { type: [order.placed] } }] }\n  asks',
      to: 'runtime: go1.25.999 }\n  asks',
    };
    await save('lambent.yaml', (text) => text.replace(pinned.from, pinned.to));
    const line = await lambent.waitFor(
      (event): event is Extract<PlatformEvent, { kind: 'line' }> =>
        event.kind === 'line' && event.line.step === 'skip',
    );
    assert.match(line.line.text, /^go is left out: .*Is it a version of Go\?/s);
    assert.match(await (await lambent.fetch('/ts')).text(), /1 minute/);
    assert.equal((await lambent.fetch('/go')).status, 404);
    const { code, err } = await runForTest(['deploy', app, '--to', lambent.url]);
    assert.equal(code, 1);
    assert.match(err, /E_TOOLCHAIN_MISSING: .*Is it a version of Go\?/s);
    await save('lambent.yaml', (text) => text.replace(pinned.to, pinned.from));
    assert.equal((await lambent.fetch('/go')).status, 200);
  });

  it('is deployed elsewhere by one command, which installs the packages there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-one-app-'));
    const other = await startTestPlatform({}, { folder, mode: 'start' });
    try {
      const { code, out, err } = await runForTest(['deploy', app, '--to', other.url], {
        env: { LAMBENT_TOKEN: other.platform.token! },
      });
      assert.equal(code, 0, out + err);
      await assertAnswers(other, 'second');
    } finally {
      await other.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** The rows of the table below a heading of docs/languages.md, cell by cell. */
async function tableBelow(heading: string): Promise<string[][]> {
  const page = await readFile(join(REPOSITORY, 'docs/languages.md'), 'utf8');
  const part = page.split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!;
  const rows = part.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What stands in backticks, but for what is in brackets. */
function namesIn(cell: string): string[] {
  const plain = cell.replaceAll('()', '').replaceAll(/\([^)]*\)/g, '');
  return [...plain.matchAll(/`([A-Za-z_]+)`/g)].map(([, name]) => name!);
}

interface Told {
  readonly context: Record<string, unknown>;
  readonly env: Record<string, string | null>;
  readonly folder: string;
}
interface Outcome<Result> {
  readonly id: string;
  readonly version: string;
  readonly result: Result;
  readonly error?: {
    readonly errorType: string;
    readonly errorMessage: string;
    readonly stackTrace: string[];
  };
}

const LANGUAGES = ['ts', 'py', 'go'] as const;

async function invoke<Result>(name: string, payload: object): Promise<Outcome<Result>> {
  return (await lambent.api('POST', `/apps/trio/functions/${name}/invocations`, payload)).json;
}

describe('what is the same in each language', { skip: WITHOUT_GO, timeout: ALL_MS_MAX }, () => {
  it('has the fields of the context that the table names', async () => {
    const rows = await tableBelow('Context');
    const names = [1, 2, 3].map((column) => rows.flatMap((row) => namesIn(row[column]!)));
    const goNames = names[2]!.filter((name) => /^[A-Z]/.test(name));
    assert.ok(goNames.length >= 6 && names[0]!.length > 10, 'the table is read');
    const told = await Promise.all(
      LANGUAGES.map(async (language, at) => {
        const wanted = at === 2 ? goNames : names[at]!.filter((name) => name !== 'task');
        const { id, result } = await invoke<Told>(`told-${language}`, { context: wanted, env: [] });
        assert.deepEqual(Object.keys(result.context).toSorted(), wanted.toSorted(), language);
        return { id, name: `told-${language}`, ...result.context } as Record<string, unknown>;
      }),
    );
    const [ts, py, go] = told as [Record<string, unknown>, Record<string, unknown>, Record<string, unknown>];
    const pythonName = (name: string): string =>
      name.replaceAll(/MB$|[A-Z]/g, (letters) => `_${letters.toLowerCase()}`);
    for (const name of ['functionVersion', 'memoryLimitInMB', 'clientContext', 'caller'])
      assert.deepEqual(ts[name], py[pythonName(name)], name);
    for (const each of [ts, py]) {
      const of = (name: string): unknown => each[each === ts ? name : pythonName(name)];
      assert.equal(of('awsRequestId'), each.id);
      assert.equal(of('functionName'), each.name);
      assert.equal(of('invokedFunctionArn'), `arn:aws:lambda:local:000000000000:function:${each.name}`);
      assert.equal(of('memoryLimitInMB'), '256');
      assert.equal(of('logGroupName'), `/lambent/trio/${each.name}`);
      assert.ok((of('getRemainingTimeInMillis') as number) > 0);
    }
    assert.deepEqual(
      [go.RequestID, go.Function, go.Version, go.MemoryMB],
      [go.id, go.name, ts.functionVersion, 256],
    );
  });

  it('tells who called', async () => {
    for (const [at, language] of LANGUAGES.entries()) {
      const field = at === 2 ? 'Caller' : 'caller';
      const payload = { context: [field], env: [] };
      const { result } = await invoke<Told>('asks', { function: `told-${language}`, payload });
      const caller = result.context[field] as Record<string, unknown>;
      const said = Object.fromEntries(
        Object.entries(caller).map(([key, value]) => [key.toLowerCase(), value]),
      );
      assert.deepEqual([said.app, said.function], ['trio', 'asks'], language);
    }
  });

  it('has the variables of the table, with their values', async () => {
    const rows = await tableBelow('Environment');
    const everywhere = rows.filter(([name]) => !name!.includes('('));
    const names = everywhere.flatMap(([cell]) => namesIn(cell!));
    assert.ok(names.length >= 12, 'the table is read');
    for (const language of LANGUAGES) {
      const name = `told-${language}`;
      const { result } = await invoke<Told>(name, { context: [], env: [...names, 'NODE_ENV', 'PYTHONPATH'] });
      const { env, folder } = result;
      assert.deepEqual(
        names.filter((each) => typeof env[each] !== 'string'),
        [],
        `missing for ${language}`,
      );
      const {
        _HANDLER: handler,
        AWS_LAMBDA_LOG_STREAM_NAME: stream,
        AWS_LAMBDA_FUNCTION_VERSION: version,
      } = env;
      assert.match(handler!, language === 'ts' ? /told-ts/ : language === 'py' ? /told_py/ : /^bootstrap$/);
      assert.match(version!, /^\d+$/);
      assert.ok(stream);
      assert.deepEqual(
        Object.fromEntries(names.map((each) => [each, env[each]])),
        {
          AWS_LAMBDA_FUNCTION_NAME: name,
          AWS_LAMBDA_FUNCTION_VERSION: version,
          AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
          AWS_LAMBDA_LOG_GROUP_NAME: `/lambent/trio/${name}`,
          AWS_LAMBDA_LOG_STREAM_NAME: stream,
          AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
          AWS_REGION: 'local',
          AWS_DEFAULT_REGION: 'local',
          LAMBDA_TASK_ROOT: folder,
          _HANDLER: handler,
          LAMBENT_APP: 'trio',
          TZ: 'UTC',
        },
        language,
      );
      assert.equal(env.NODE_ENV ?? null, language === 'ts' ? 'production' : null);
      assert.equal(typeof env.PYTHONPATH === 'string', language === 'py');
    }
  });

  it('gets HTTP as the event that the page lists', async () => {
    const page = await readFile(join(REPOSITORY, 'docs/languages.md'), 'utf8');
    const listed = /everywhere:\n([^.]*)\./.exec(page)![1]!;
    const fields = [...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
    const events = await Promise.all(
      LANGUAGES.map(async (language) => {
        const response = await lambent.fetch(`/told-${language}/tea?size=2`, {
          method: 'POST',
          body: 'green',
          headers: { cookie: 'a=1; b=2', 'content-type': 'text/plain', 'user-agent': 'test' },
        });
        const text = (await response.text()).replaceAll(`told-${language}`, 'told');
        const event = JSON.parse(text) as Record<string, unknown>;
        assert.deepEqual(Object.keys(event).toSorted(), fields.toSorted(), language);
        const { requestId, time, timeEpoch, domainName, ...context } = event.requestContext as Record<
          string,
          unknown
        >;
        for (const value of [requestId, time, timeEpoch, domainName]) assert.ok(value);
        const headers = event.headers as Record<string, string>;
        assert.equal(headers['x-request-id'], requestId);
        return { ...event, headers: { ...headers, 'x-request-id': '' }, requestContext: context };
      }),
    );
    assert.deepEqual(events[1], events[0]);
    assert.deepEqual(events[2], events[0]);
  });

  it('fails with the same record, its own lines first', async () => {
    const places = {
      ts: /^at sell \(functions\/told-ts\.ts:3:9\)$/,
      py: /^functions\/told_py\.py:7 in sell: raise OutOfStock/,
      go: /^at main\.sell \(functions\/told-go\/main\.go:16\)$/,
    };
    for (const language of LANGUAGES) {
      const { error } = await invoke<Told>(`told-${language}`, { sell: 'tea', context: [], env: [] });
      assert.deepEqual([error?.errorType, error?.errorMessage], ['OutOfStock', 'no tea left'], language);
      assert.match(error!.stackTrace[0]!, places[language]);
    }
  });
});
