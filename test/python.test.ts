import assert from 'node:assert/strict';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PlatformEvent } from '../src/server/main.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** Functions in Python with packages that nobody here wrote, beside one in TypeScript; and what goes wrong in them. */

type Deployed = Extract<PlatformEvent, { kind: 'deployed' }>;
type DeployFailed = Extract<PlatformEvent, { kind: 'deployFailed' }>;
const isDeployed = (event: PlatformEvent): event is Deployed => event.kind === 'deployed';

const APP: AppFiles = {
  'lambent.yaml': `
app: snakes
functions:
  plain: {}
  fast: { routes: ['/fast/*'] }
  flask: { routes: ['/flask/*'] }
  django: { entry: shop/wsgi.py, routes: ['/django/*'] }
  django-async: { entry: shop/asgi.py, routes: ['/django-async/*'] }
  tools: { routes: ['/tools/*'] }
  native: {}
  mean: { timeout: 700ms }
  typed: {}
  calls: {}
  calls-async: {}
  calls-at-once: { concurrency: 4 }
  asks: { routes: [/asks] }
`,
  'requirements.txt': 'fastapi\nflask\ndjango\naws-lambda-powertools\nnumpy\n',
  'lib/greet.py': 'def greet(name):\n    return f"hello {name}"\n',
  'functions/plain.py': `
import os
from lib.greet import greet

def handler(event, context):
    print("asked by", event.get("rawPath", "an event"))
    if event.get("env"):
        return {name: os.environ.get(name) for name in event["env"]}
    return greet(context.function_name)
`,
  'functions/fast.py': `
from contextlib import asynccontextmanager
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

@asynccontextmanager
async def lifespan(app):
    app.state.ready = "ready"
    yield

class Item(BaseModel):
    name: str
    price: float

app = FastAPI(lifespan=lifespan)

@app.get("/fast/{number}")
async def read(number: int):
    return {"number": number, "state": app.state.ready}

@app.post("/fast/items")
def create(item: Item):
    print("in a thread")
    return {"twice": item.price * 2}

@app.get("/fast/stream/{count}")
async def stream(count: int):
    async def numbers():
        for number in range(count):
            yield f"{number} "
    return StreamingResponse(numbers(), media_type="text/plain")

@app.websocket("/fast/talk")
async def talk(socket: WebSocket):
    await socket.accept()
    await socket.send_text("got " + await socket.receive_text())
    await socket.close()
`,
  'functions/flask.py': `
from flask import Flask, jsonify, request

app = Flask(__name__)

@app.route("/flask/<name>", methods=["GET", "POST"])
def hello(name):
    if request.method == "POST":
        return jsonify(got=request.get_json(), name=name)
    return f"hello {name}", 202, {"X-Made-By": "flask"}
`,
  // As `django-admin startproject shop` writes them, with fewer settings.
  'shop/__init__.py': '',
  'shop/settings.py': `
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
WSGI_APPLICATION = "shop.wsgi.application"
LOGGING = {"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["console"]}}
`,
  'shop/urls.py': `
import asyncio
import logging
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

def product(request, number):
    logging.getLogger("shop").warning("shows %d", number)
    return JsonResponse({"number": number, "asked": request.GET.getlist("q"), "path": request.get_full_path()})

@csrf_exempt
def order(request):
    return JsonResponse({"got": request.body.decode()}, status=201)

def form(request):
    return JsonResponse({})

async def slow(request):
    await asyncio.sleep(0)
    return JsonResponse({"async": True})

def lines(request):
    return StreamingHttpResponse(f"{number} " for number in range(4))

async def lines_async(request):
    async def numbers():
        for number in range(4):
            yield f"{number} "
    return StreamingHttpResponse(numbers())

views = [
    path("products/<int:number>", product),
    path("orders", order),
    path("form", form),
    path("slow", slow),
]
urlpatterns = [path(f"django/{each.pattern}", each.callback) for each in views] + [
    path(f"django-async/{each.pattern}", each.callback) for each in views
] + [path("django/lines", lines), path("django-async/lines", lines_async)]
`,
  'shop/wsgi.py': `
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
`,
  'shop/asgi.py': `
import os
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_asgi_application()
`,
  'functions/tools.py': `
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="tools")
app = APIGatewayHttpResolver()

@app.get("/tools/<name>")
def hello(name: str):
    logger.warning("greets", extra={"name_given": name})
    return {"hello": name}

@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext):
    return app.resolve(event, context)
`,
  'functions/native.py': `
import numpy

def handler(event, context):
    return {"sum": int(numpy.arange(10).sum())}
`,
  'functions/mean.py': `
import ctypes
import os
import sys
import threading

def handler(event, context):
    how = event["rawQueryString"]
    print("about to", how, flush=True)
    if how == "exit":
        print("giving up", file=sys.stderr)
        os._exit(3)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "deadlock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    return "fine"
`,
  'functions/calls.py': `
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from lambent import CallError, HttpEvent, LambdaContext, invoke, json_of, json_response

at_load = invoke("asks", "at load")
later = []

def handler(event: HttpEvent, context: LambdaContext):
    if "rawPath" not in event:
        return {"event": event, "caller": context.caller["function"]}
    wanted = json_of(event)
    if wanted == "fail":
        try:
            invoke("mean", {"no": "query"})
        except CallError as error:
            return json_response([error.code, error.error_type, error.stack_trace[0]], 418)
    if wanted == "late":
        Thread(target=lambda: later.append(invoke("asks", "later"))).start()
        return "started"
    if wanted == "later":
        return later
    if wanted == "many":
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda at: invoke("asks", {"at": at, "text": "x" * 100_000})["at"], range(20)))
    return {"load": at_load, "now": invoke("asks", wanted), "stored": list(invoke("asks", wait=False))}
`,
  'functions/calls-async.py': `
import asyncio
from lambent import invoke, invoke_async

async def handler(event, context):
    try:
        invoke("asks")
    except RuntimeError as error:
        refused = str(error)
    values = await asyncio.gather(*(invoke_async("asks", at) for at in range(5)))
    return {"values": values, "thread": await asyncio.to_thread(invoke, "asks", "thread"), "refused": refused}
`,
  'functions/calls-at-once.py': `
from lambent import invoke

def handler(event, context):
    return invoke("asks", "in a thread")
`,
  'functions/asks.ts': `
import { invoke } from 'lambent';
export const handler = async (event) =>
  event.rawPath === undefined ? event : await invoke('calls', { from: 'TypeScript' });
`,
  'functions/typed.ts': 'export default { fetch: () => new Response("typed") };',
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ app: APP });
  const failed = lambent.events.find((event) => event.kind === 'deployFailed');
  assert.equal(failed, undefined, failed?.kind === 'deployFailed' ? failed.error.message : '');
});
after(() => lambent?.close());

const text = async (path: string, init?: RequestInit): Promise<string> =>
  (await lambent.fetch(path, init)).text();
const post = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('functions in Python', { timeout: 120_000 }, () => {
  it('answer HTTP and events, beside TypeScript', async () => {
    assert.equal(await text('/plain'), 'hello plain');
    assert.equal(await text('/typed'), 'typed');
    const line = await lambent.waitForLog(({ text }) => text.startsWith('asked by'));
    assert.deepEqual(
      [line.text, line.function, line.invocation !== undefined],
      ['asked by /plain', 'plain', true],
    );
  });

  it('have the environment that libraries look for', async () => {
    const names = ['AWS_LAMBDA_FUNCTION_NAME', 'AWS_REGION', '_HANDLER', 'HOME'];
    const json: unknown = JSON.parse(
      await text('/2015-03-31/functions/plain/invocations', post({ env: names })),
    );
    assert.deepEqual(json, {
      AWS_LAMBDA_FUNCTION_NAME: 'plain',
      AWS_REGION: 'local',
      _HANDLER: 'functions/plain.py',
      HOME: null,
    });
  });

  it('run FastAPI unmodified: routes, models, threads, streams', async () => {
    assert.equal(await text('/fast/7'), '{"number":7,"state":"ready"}');
    assert.equal(await text('/fast/items', post({ name: 'a', price: 1.5 })), '{"twice":3.0}');
    assert.equal((await lambent.fetch('/fast/items', post({ name: 'a' }))).status, 422);
    assert.equal(await text('/fast/stream/4'), '0 1 2 3 ');
    const line = await lambent.waitForLog(({ text }) => text === 'in a thread');
    assert.notEqual(line.invocation, undefined);
  });

  it('run the WebSockets of FastAPI', async () => {
    const socket = new WebSocket(`${lambent.url.replace('http', 'ws')}/fast/talk`);
    const got = await new Promise<string>((resolve, reject) => {
      socket.onopen = () => socket.send('this');
      socket.onmessage = ({ data }) => resolve(String(data));
      socket.onerror = () => reject(new Error('the WebSocket failed'));
    });
    assert.equal(got, 'got this');
    socket.close();
  });

  it('run Flask unmodified', async () => {
    const answer = await lambent.fetch('/flask/ada');
    assert.deepEqual(
      [answer.status, answer.headers.get('x-made-by'), await answer.text()],
      [202, 'flask', 'hello ada'],
    );
    assert.deepEqual(JSON.parse(await text('/flask/ada', post({ a: 1 }))), { got: { a: 1 }, name: 'ada' });
  });

  for (const path of ['/django', '/django-async'])
    it(`run a project of Django unmodified: ${path}`, async () => {
      assert.deepEqual(JSON.parse(await text(`${path}/products/7?q=a%20b&q=%C3%BC`)), {
        number: 7,
        asked: ['a b', 'ü'],
        path: `${path}/products/7?q=a%20b&q=%C3%BC`,
      });
      const line = await lambent.waitForLog(
        ({ text, function: name }) => text.endsWith('shows 7') && name === path.slice(1),
      );
      assert.deepEqual([line.severity, line.invocation !== undefined], ['warn', true]);
      const order = await lambent.fetch(`${path}/orders`, post({ a: 1 }));
      assert.deepEqual([order.status, await order.json()], [201, { got: '{"a":1}' }]);
      // Its own checks are at work: a form without the token.
      assert.equal((await lambent.fetch(`${path}/form`, post({}))).status, 403);
      assert.equal(await text(`${path}/slow`), '{"async": true}');
      assert.equal(await text(`${path}/lines`), '0 1 2 3 ');
      assert.equal((await lambent.fetch(`${path}/nowhere`)).status, 404);
    });

  it('run handlers of Powertools, whose log lines keep their level', async () => {
    assert.equal(await text('/tools/bob'), '{"hello":"bob"}');
    const line = await lambent.waitForLog(({ text }) => text.includes('"greets"'));
    assert.equal(line.severity, 'warn');
    assert.equal(JSON.parse(line.text).function_name, 'tools');
  });

  it('run native code of packages', async () => {
    assert.equal(await text('/native'), '{"sum":45}');
  });

  it('are deployed again within a second when their packages are the same', async () => {
    // The best of three: others use this machine too.
    const times: number[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const number = lambent.events.filter(isDeployed).length;
      await appendFile(join(lambent.folder, 'app/functions/native.py'), `# change ${round}\n`);
      const { result } = await lambent.waitFor(
        (event): event is Deployed =>
          isDeployed(event) && lambent.events.filter(isDeployed).indexOf(event) >= number,
      );
      times.push(result.tookMs);
    }
    assert.ok(Math.min(...times) < 1_000, `it took ${times} ms`);
    assert.equal(await text('/native'), '{"sum":45}');
  });
});

describe('calls between functions in Python and others', { timeout: 60_000 }, () => {
  it('go both ways, wait or do not, and at load', async () => {
    assert.deepEqual(JSON.parse(await text('/calls', post({ ü: 1 }))), {
      load: 'at load',
      now: { ü: 1 },
      stored: ['id'],
    });
    assert.deepEqual(JSON.parse(await text('/asks')), {
      event: { from: 'TypeScript' },
      caller: 'asks',
    });
  });

  it('fail with the error of the function that was called', async () => {
    const answer = await lambent.fetch('/calls', post('fail'));
    const [code, type, line] = (await answer.json()) as string[];
    assert.deepEqual([answer.status, code, type], [418, 'E_FUNCTION_ERROR', 'KeyError']);
    assert.match(line!, /^functions\/mean\.py:8 in handler/);
  });

  it('are made by many threads, and in an event loop', async () => {
    const numbers = Array.from({ length: 20 }, (_, at) => at);
    assert.deepEqual(JSON.parse(await text('/calls', post('many'))), numbers);
    const { refused, ...rest } = JSON.parse(await text('/calls-async'));
    assert.deepEqual(rest, { values: [0, 1, 2, 3, 4], thread: 'thread' });
    assert.match(refused, /_async/);
    assert.equal(await text('/calls-at-once'), 'in a thread');
  });

  it('go on after the answer, while other invocations begin', async () => {
    assert.equal(await text('/calls', post('late')), 'started');
    let later: unknown[] = [];
    for (let attempt = 1; attempt <= 200 && later.length === 0; attempt += 1)
      later = JSON.parse(await text('/calls', post('later')));
    assert.deepEqual(later, ['later']);
  });
});

describe('functions in Python that misbehave', { timeout: 60_000 }, () => {
  for (const [how, status, code, detail] of [
    ['exit', 502, 'E_FUNCTION_EXITED', /exit code 3 before it had answered: giving up$/],
    ['segfault', 502, 'E_FUNCTION_EXITED', /SIGSEGV .*: Fatal Python error: Segmentation fault$/],
    ['deadlock', 504, 'E_FUNCTION_TIMEOUT', /0\.7 s/],
  ] as const)
    it(`end alone: ${how}`, async () => {
      const [answer, neighbour] = await Promise.all([lambent.fetch(`/mean?${how}`), text('/fast/1')]);
      const { error } = (await answer.json()) as { error: { code: string; message: string } };
      assert.deepEqual([answer.status, error.code], [status, code]);
      assert.match(error.message, detail);
      assert.equal(neighbour, '{"number":1,"state":"ready"}');
      assert.equal(await text('/mean?nothing'), 'fine');
    });
});

describe('apps in Python that cannot be deployed', { timeout: 120_000 }, () => {
  const failing = async (files: AppFiles): Promise<DeployFailed['error']> => {
    const before = lambent.events.length;
    for (const [path, content] of Object.entries(files))
      await writeFile(join(lambent.folder, 'app', path), content);
    const { error } = await lambent.waitFor(
      (event): event is DeployFailed =>
        event.kind === 'deployFailed' && lambent.events.indexOf(event) >= before,
    );
    for (const path of Object.keys(files))
      if (path in APP) await writeFile(join(lambent.folder, 'app', path), APP[path]!);
      else await rm(join(lambent.folder, 'app', path));
    return error;
  };

  it('name the line of a syntax error', async () => {
    const error = await failing({ 'functions/plain.py': 'def handler(event, context):\n    return (1\n' });
    assert.equal(error.code, 'E_BUILD_FAILED');
    assert.match(error.message, /^functions\/plain\.py:2:\d+: .*never closed\n {6}return \(1\n/);
  });

  it('name a module that is missing, and how to get it', async () => {
    const error = await failing({ 'lib/greet.py': 'import requests_oauthlib_not\n' });
    assert.equal(error.code, 'E_BUILD_FAILED');
    assert.match(error.message, /lib\/greet\.py:1:1: there is no module named `requests_oauthlib_not`/);
    assert.match(error.hint ?? '', /requirements\.txt/);
  });

  it('name a requirement that cannot be had, or would run code', async () => {
    const none = await failing({ 'requirements.txt': 'fastapi==0.0.0.1\n' });
    assert.equal(none.code, 'E_DEPENDENCIES_FAILED');
    assert.match(none.message, /No matching distribution found for fastapi==0\.0\.0\.1/);
    const runs = await failing({ 'requirements.txt': 'flask\ngit+https://example.test/x.git\n' });
    assert.match(
      runs.message,
      /requirements\.txt:2: .* is no wheel, so that building it would run its author's code/,
    );
    const foreign = await failing({
      'requirements.txt': './thing-1.0-cp27-cp27m-win_amd64.whl\n',
      'thing-1.0-cp27-cp27m-win_amd64.whl': 'PK',
    });
    assert.match(foreign.message, /is not a supported wheel on this platform/);
  });

  it('leave out what needs a Python that is not here, and serve the rest', async () => {
    const number = lambent.events.filter(isDeployed).length;
    const manifest = APP['lambent.yaml']!.replace('native: {}', 'native: { runtime: python3.99 }');
    await writeFile(join(lambent.folder, 'app/lambent.yaml'), manifest);
    const { result } = await lambent.waitFor(
      (event): event is Deployed =>
        isDeployed(event) &&
        lambent.events.filter(isDeployed).indexOf(event) >= number &&
        event.result.deployment.functions.length === 12,
    );
    assert.ok(result.deployment.functions.every(({ name }) => name !== 'native'));
    const line = lambent.events.find((event) => event.kind === 'line' && event.line.step === 'skip');
    assert.match(
      line?.kind === 'line' ? line.line.text : '',
      /^native is left out: there is no Python 3\.99 on this machine\. Install it: `uv python install 3\.99`/,
    );
    assert.equal(await text('/plain'), 'hello plain');
  });
});
