import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { FUNCTION_DEFAULTS } from './function.ts';
import { type AppPlan, appNameFrom, type FoundFunction, parseManifest, planApp } from './manifest.ts';
import { MANIFEST_BYTES_MAX, parseManifestYaml } from './manifest-yaml.ts';

const HELLO: FoundFunction = { name: 'hello', entry: 'functions/hello.ts', path: '/hello' };
const INDEX: FoundFunction = { name: 'index', entry: 'functions/index.ts', path: '/' };

function plan(text: string, found: FoundFunction[] = [HELLO], folderName = 'my-app'): AppPlan {
  const { data, locate } = parseManifestYaml(text, 'lambent.yaml');
  return planApp(parseManifest(data, { file: 'lambent.yaml', locate }), found, folderName);
}

function fault(text: string, found: FoundFunction[] = [HELLO]): LambentError {
  try {
    plan(text, found);
  } catch (thrown) {
    assert.ok(thrown instanceof LambentError, String(thrown));
    assert.equal(thrown.code, 'E_MANIFEST_INVALID');
    return thrown;
  }
  return assert.fail('the manifest was accepted');
}

describe('manifest', () => {
  it('maps every key to the configuration', () => {
    const { app, functions } = plan(`
# yaml-language-server: $schema=./schema/lambent.schema.json
app: shop
env: { REGION: eu, PORT: 8080, RATIO: 1.10, ON: true }
functions:
  hello:
    entry: ./src/hello.mts
    handler: run
    timeout: 1.5m
    memory: 1gb
    concurrency: 10
    maxConcurrency: 200
    maxInstances: 5
    minInstances: 1
    keepWarm: [{ schedule: 0 8 * * 1-5, timezone: Europe/Berlin, for: 10h, instances: 5 }, { schedule: every 12h, for: 90 }]
    reservedConcurrency: 20
    idle: 10
    startTimeout: 2m
    queue: 50
    maxRequestMb: 3
    maxResponseMb: 4
    attempts: 7
    network: [internet, '10.0.0.0/8:5432']
    env: { REGION: us }
    external: [sharp, '@img/x']
    include: ['templates/**']
`);
    assert.equal(app, 'shop');
    assert.deepEqual(functions, [
      {
        name: 'hello',
        runtime: 'node',
        runtimeVersion: undefined,
        entry: 'src/hello.mts',
        handler: 'run',
        external: ['sharp', '@img/x'],
        include: ['templates/**'],
        config: {
          timeoutMs: 90_000,
          memoryMb: 1_024,
          concurrency: 10,
          maxConcurrency: 200,
          maxInstances: 5,
          minInstances: 1,
          keepWarm: [
            {
              when: { kind: 'cron', expression: '0 8 * * 1-5' },
              timeZone: 'Europe/Berlin',
              lengthMs: 36_000_000,
              instances: 5,
            },
            { when: { kind: 'rate', everyMs: 43_200_000 }, timeZone: 'UTC', lengthMs: 90_000, instances: 1 },
          ],
          reservedConcurrency: 20,
          idleMs: 10_000,
          startMs: 120_000,
          queueMax: 50,
          maxRequestMb: 3,
          maxResponseMb: 4,
          attemptsMax: 7,
          network: ['internet', '10.0.0.0/8:5432'],
          env: { ON: 'true', PORT: '8080', RATIO: '1.10', REGION: 'us' },
        },
      },
    ]);
  });

  it('takes the functions of the folder and the defaults when it says nothing', () => {
    const { app, functions, routes } = plan('', [HELLO, INDEX], 'Ünser Shop!');
    assert.equal(app, 'unser-shop');
    assert.deepEqual(
      functions.map(({ name, entry, config }) => [name, entry, config]),
      [
        ['hello', 'functions/hello.ts', FUNCTION_DEFAULTS],
        ['index', 'functions/index.ts', FUNCTION_DEFAULTS],
      ],
    );
    assert.deepEqual(
      routes.map((route) => `${route.method} ${route.path} ${route.function}`),
      ['ANY /hello hello', 'ANY /hello/* hello', 'ANY / index', 'ANY /* index'],
    );
  });

  it('gives a function with triggers no route but those that it names', () => {
    const triggers = 'on: [{ schedule: every 5m }]';
    const { routes } = plan(`
functions:
  hello: { ${triggers} }
  both: { entry: b.ts, ${triggers}, routes: [/both] }
  neither: { entry: n.ts, on: [] }
`);
    assert.deepEqual(
      routes.map((route) => route.path),
      ['/both', '/neither', '/neither/*'],
    );
  });

  it('reads routes of functions and of the app', () => {
    const { routes } = plan(`
functions:
  hello:
    routes: [ 'GET /users/:id', /plain, { path: /api/*, method: [GET, POST], host: '*.example.com' } ]
  quiet: { entry: q.ts, routes: [] }
  other: { entry: o.ts }
routes:
  - { path: /other, method: POST, function: other, cors: { origins: ['https://a.example'], credentials: true } }
cors: true
`);
    assert.deepEqual(
      routes.map(({ method, host, path, function: name }) => [method, host, path, name]),
      [
        ['POST', undefined, '/other', 'other'],
        ['GET', undefined, '/users/:id', 'hello'],
        ['ANY', undefined, '/plain', 'hello'],
        ['GET', '*.example.com', '/api/*', 'hello'],
        ['POST', '*.example.com', '/api/*', 'hello'],
      ],
    );
    assert.deepEqual(routes[0]?.cors?.origins, ['https://a.example']);
    assert.equal(routes[0]?.cors?.headers.includes('*'), false);
    assert.deepEqual(routes[1]?.cors?.origins, ['*']);
    assert.equal(routes[1]?.cors?.maxAgeS, 600);
  });

  it('names file, line, column and the nearest key, for all problems together', () => {
    const error = fault(`app: shop
functions:
  hello:
    tiemout: 3s
    memory: lots
    env:
      1BAD: x
  q: 5
rotues: []
`);
    assert.deepEqual(error.message.split('\n'), [
      'lambent.yaml:4:5: unknown key `tiemout` in `functions.hello`; did you mean `timeout`?',
      'lambent.yaml:5:13: `functions.hello.memory` must be a size: megabytes as a number, or text such as `256mb` or `1gb`, but is "lots"',
      'lambent.yaml:7:7: the key `functions.hello.env.1BAD` must be a name of letters, digits and `_` that starts with no digit',
      'lambent.yaml:8:6: `functions.q` must be an object of function settings, but is 5',
      'lambent.yaml:9:1: unknown key `rotues`; did you mean `routes`?',
    ]);
    assert.equal(error.details?.line, 4);
    assert.equal(error.hint, 'Write `timeout` there.');
  });

  it('names what is wrong inside routes', () => {
    const error = fault(`functions:
  hello:
    routes:
      - GTE /x
      - { pth: /y }
      - path: /z
        method: get
      - 17
      - /a//b
      - /*/b
      - /_lambent/x
      - { path: /ok, host: 'Example.com:80' }
`);
    const lines = error.message.split('\n');
    assert.match(lines[0]!, /^lambent.yaml:5:9: `functions.hello.routes\[1\].path` is missing/);
    assert.match(lines[1]!, /^lambent.yaml:5:11: unknown key `pth`.*did you mean `path`\?$/);
    assert.match(
      lines[2]!,
      /^lambent.yaml:7:17: .*method` must be one of GET.*but is "get"; did you mean `GET`\?$/,
    );
    assert.match(lines[3]!, /^lambent.yaml:8:9: .*but is 17$/);
    const second = fault(`functions:
  hello:
    routes:
      - GTE /x
      - /a//b
      - /*/b
      - /_lambent/x
      - { path: /ok, host: 'Example.com:80' }
      - /:a/:a
      - /a b
`).message.split('\n');
    assert.match(second[0]!, /^lambent.yaml:4:9: .*did you mean `GET \/x`\?$/);
    assert.match(second[1]!, /5:9: .*empty parts/);
    assert.match(second[2]!, /6:9: .*only be its last part/);
    assert.match(second[3]!, /7:9: .*belong to the platform/);
    assert.match(second[4]!, /8:28: .*a host/);
    assert.match(second[5]!, /9:9: .*occurs twice/);
    assert.match(second[6]!, /10:9: /);
  });

  it('refuses the same route twice and names both places', () => {
    const error = fault(`functions:
  hello: { routes: [ 'GET /users/:id' ] }
  other:
    entry: o.ts
    routes:
      - GET /users/:name
`);
    assert.equal(
      error.message,
      'lambent.yaml:6:9: the route `GET /users/:name` is already given at lambent.yaml:2:22',
    );
  });

  it('reads servers with their command, and what custom runtimes call a handler', () => {
    const { functions } = plan(`
functions:
  web: { command: 'node server.js --port $PORT', entry: ./site/, ready: /healthz, concurrency: 5 }
  whole: { command: [bin/rails, server], port: 3000, runtime: command }
  custom: { entry: legacy/bootstrap, handler: "module::handler[0]" }
`);
    assert.deepEqual(
      functions.map(({ runtime, entry, handler, config }) => [runtime, entry, handler, config.command]),
      [
        [
          'command',
          'site',
          undefined,
          {
            argv: ['/bin/sh', '-c', 'node server.js --port $PORT'],
            port: undefined,
            readyPath: '/healthz',
          },
        ],
        ['command', '.', undefined, { argv: ['bin/rails', 'server'], port: 3_000, readyPath: undefined }],
        ['bootstrap', 'legacy/bootstrap', 'module::handler[0]', undefined],
      ],
    );
    const wrong = (settings: string): string => fault(`functions: { web: { ${settings} } }`).message;
    assert.match(wrong('command: []'), /`functions.web.command` must be a line for the shell/);
    assert.match(wrong('command: run, entry: ../up'), /must be a folder inside the app/);
    assert.match(wrong('command: run, runtime: node'), /must be `command`, because there is a `command`/);
    assert.match(wrong('command: run, handler: x'), /a function with a `command` has no `handler`/);
    assert.match(wrong('command: run, port: 70000'), /whole number from 1 to 65535/);
    assert.match(wrong('command: run, ready: healthz'), /must be a path such as/);
    assert.match(wrong('entry: a.ts, port: 3000'), /`functions.web.port` is for functions with a `command`/);
  });

  it('refuses wrong names, ranges and combinations', () => {
    assert.match(fault('app: My_App').message, /1:6: `app` must be .*did you mean `my-app`\?/);
    assert.match(
      fault('functions: { "a b": { entry: a.ts } }').message,
      /1:14: `a b` is no name of a function/,
    );
    assert.match(fault('functions: { nope: {} }').message, /1:14: .*names no `entry`/);
    assert.match(fault('functions: { hello: { entry: ../x.ts } }').message, /1:30: .*inside the app/);
    assert.match(fault('functions: { hello: { entry: x.cob } }').message, /ends in one of/);
    assert.match(
      fault('functions: { hello: { runtime: nod } }').message,
      /must be one of node.*did you mean `node`/,
    );
    assert.match(fault('functions: { hello: { runtime: node22 } }').message, /must be one of node/);
    assert.match(fault('allowScripts: [":all:"]').message, /must be the name of a package/);
    assert.match(fault('functions: { hello: { timeout: 25h } }').message, /1:32: .*from 1ms to 24h/);
    assert.match(fault('functions: { hello: { memory: 1mb } }').message, /from 32mb to 32gb/);
    assert.match(fault('functions: { hello: { minInstances: 30 } }').message, /at most maxInstances \(20\)/);
    for (const [window, message] of [
      [
        'schedule: 0 8 * * 9, for: 1h',
        /1:46: `functions.hello.keepWarm.0..schedule` must be a cron expression/,
      ],
      ['schedule: every 1h', /keepWarm.0..for` is missing/],
      ['schedule: every 1h, for: 25h', /from 1s to 24h/],
      ['schedule: every 1h, for: 1h, instances: 21', /at most maxInstances \(20\)/],
      ['schedule: every 1h, for: 1h, timezone: Europe/Berln', /did you mean `Europe\/Berlin`/],
      ['schedule: every 1h, for: 1h, instance: 2', /did you mean `instances`/],
    ] as const)
      assert.match(fault(`functions: { hello: { keepWarm: [{ ${window} }] } }`).message, message);
    assert.match(fault('env: { AWS_LAMBDA_X: y }').message, /1:8: .*set by the platform/);
    assert.match(fault('cors: { credentials: true }').message, /1:22: browsers refuse/);
    assert.match(
      fault('routes: [{ path: /x, function: helo }]').message,
      /1:32: .*but is "helo"; did you mean `hello`\?/,
    );
    assert.match(fault('functions: { hello: { include: [../secret] } }').message, /inside the app/);
    assert.match(
      fault('functions: { hello: { callers: [Not_An_App] } }').message,
      /must be the name of an app/,
    );
    assert.match(fault('functions: { "__proto__": { entry: x.ts } }').message, /__proto__/);
    assert.match(fault('- a').message, /the manifest must be an object/);
  });

  it('reports broken YAML with its place', () => {
    assert.match(fault('app: shop\nfunctions: { hello: [ }\n').message, /^lambent.yaml:2:\d+: /);
    assert.match(fault('app: a\napp: b\n').message, /^lambent.yaml:2:1: Map keys must be unique/);
    assert.match(fault('app: *nothing').message, /^lambent.yaml/);
  });

  it('refuses manifests that are too large or unfold without end', () => {
    assert.match(fault(`# ${'x'.repeat(MANIFEST_BYTES_MAX)}`).message, /larger than/);
    const layers = Array.from({ length: 20 }, (_, at) => `l${at + 1}: &l${at + 1} [*l${at}, *l${at}]`);
    assert.match(fault(`l0: &l0 [x, x]\n${layers.join('\n')}`).message, /alias/i);
  });

  it('makes any folder name a valid name of an app', () => {
    assert.equal(appNameFrom('My App 2'), 'my-app-2');
    assert.equal(appNameFrom('--x--'), 'x');
    assert.equal(appNameFrom('日本'), 'app');
    assert.equal(appNameFrom(`${'a'.repeat(62)}-b`), 'a'.repeat(62));
  });
});
