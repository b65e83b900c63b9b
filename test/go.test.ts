/** Functions in Go, as their authors meet them: deployed from a folder, called over HTTP and with events, and broken. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { runGo, WITHOUT_GO } from '../sdk/go/test-go.ts';
import type { PlatformEvent } from '../src/server/main.ts';
import { shop, WEB } from './go-programs.ts';
import { REPOSITORY, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';
import { poll } from './process-table.ts';

const run = promisify(execFile);

interface Answer {
  readonly json: {
    readonly result?: { readonly pid?: number; readonly currency?: string };
    readonly error?: {
      readonly code: string;
      readonly errorMessage: string;
      readonly stackTrace: readonly string[];
    };
  };
}

describe('functions in Go', { skip: WITHOUT_GO, timeout: 240_000 }, () => {
  let lambent: TestPlatform;
  let folder: string;

  before(async () => {
    const root = await mkdtemp(join(tmpdir(), 'lambent-e2e-go-'));
    folder = await writeApp(join(root, 'shop'), shop);
    // The sums of modules, as an author's own go command notes them.
    await runGo(['mod', 'download'], folder);
    lambent = await startTestPlatform({}, { folder: root, folders: [folder] });
  });
  after(() => lambent?.close());

  const invoke = (name: string, event: unknown): Promise<Answer> =>
    lambent.api('POST', `/apps/shop/functions/${name}/invocations`, event);
  const codeOf = async (name: string, event: unknown): Promise<string | undefined> =>
    (await invoke(name, event)).json.error?.code;
  const isReload = (event: PlatformEvent): event is Extract<PlatformEvent, { kind: 'deployed' }> =>
    event.kind === 'deployed' && event.reload;
  /** Saves a file and waits for what comes of it. */
  const save = async (path: string, text: string): Promise<PlatformEvent> => {
    const seen = lambent.events.length;
    await writeFile(join(folder, path), text);
    return lambent.waitFor(
      (event): event is PlatformEvent =>
        lambent.events.indexOf(event) >= seen && (isReload(event) || event.kind === 'deployFailed'),
    );
  };

  it('answer events and HTTP beside those of other languages', async () => {
    assert.equal((await invoke('cup', {})).json.result?.currency, 'EUR');
    assert.equal(await (await lambent.fetch('/node')).text(), 'node');
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue('streamed ');
        controller.enqueue('up');
        controller.close();
      },
    }).pipeThrough(new TextEncoderStream());
    const answer = await lambent.fetch('/web/ada', { method: 'POST', body, duplex: 'half' } as RequestInit);
    assert.equal(await answer.text(), 'ada: streamed up');
  });

  it('call functions of other languages', async () => {
    const call = async (event: object): Promise<unknown> => (await invoke('caller', event)).json.result;
    assert.deepEqual(await call({ call: 'length', size: 3 }), { length: 3, caller: 'caller' });
    // More than the window in which bytes may be on their way.
    assert.deepEqual(await call({ call: 'length', size: 1_000_000 }), {
      length: 1_000_000,
      caller: 'caller',
    });
    assert.deepEqual(await call({ call: 'throws' }), ['E_FUNCTION_ERROR', 'RangeError', 'too far']);
    const [code] = (await call({ call: 'nothing' })) as string[];
    assert.equal(code, 'E_NOT_FOUND');
    const [tooLarge] = (await call({ call: 'length', size: 7_000_000 })) as string[];
    assert.equal(tooLarge, 'E_PAYLOAD_TOO_LARGE');
    const id = await call({ call: 'later' });
    await lambent.waitForInvocation((record) => record.id === id);
  });

  it('send messages, of which the broker must take each', async () => {
    // Nothing listens there; what brokers take is tested with functions of another language.
    const { result } = (await invoke('caller', { call: 'send' })).json;
    assert.deepEqual(result, Array(3).fill('E_SEND_FAILED'));
  });

  it('emit events, and get them', async () => {
    const id = (await invoke('caller', { call: 'emit', size: 3 })).json.result;
    await lambent.waitForLog(({ text }) => text.endsWith(`heard of ${id} order/7 3`));
  });

  it('may be programs of aws-lambda-go, unmodified', async () => {
    const answer = await lambent.fetch('/aws/x?y=1', {
      method: 'POST',
      body: 'hi',
      headers: { 'content-type': 'text/plain' },
    });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get('x-function'), 'aws');
    assert.equal(answer.headers.get('set-cookie'), 'a=1');
    assert.equal(await answer.text(), 'POST /aws/x hi value arn:aws:lambda:local:000000000000:function:aws');
    assert.equal((await lambent.fetch('/aws/fail')).status, 500);
    const failed = await lambent.waitForInvocation((record) => record.summary === 'GET /aws/fail');
    assert.deepEqual([failed.error?.errorType, failed.error?.errorMessage], ['errorString', 'no luck']);
  });

  it('of aws-lambda-go find the trace of their call where that module has it', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const told = `Root=1-${trace.slice(0, 8)}-${trace.slice(8)};Parent=00f067aa0ba902b7;Sampled=1`;
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` };
    assert.equal(await (await lambent.fetch('/aws/trace', { headers })).text(), `${told} ${told}`);
    assert.match(await (await lambent.fetch('/aws/trace')).text(), /^Root=1-\S+ Root=1-/);
  });

  it('may have any signature that aws-lambda-go documents', async () => {
    const given: [name: string, event: unknown, result: unknown][] = [
      ['none', {}, null],
      ['takes', 'x', null],
      ['checks', 'x', null],
      ['gives', {}, 'given'],
      ['maps', 21, 42],
      ['context', {}, null],
      ['asks', {}, 'asked'],
      ['whole', ['a', 'b'], { n: 2 }],
    ];
    for (const [name, event, result] of given)
      assert.deepEqual({ name, result: (await invoke(name, event)).json.result }, { name, result });
    assert.equal(await codeOf('fails', {}), 'E_FUNCTION_ERROR');
    assert.equal(await codeOf('checks', ''), 'E_FUNCTION_ERROR');
    assert.equal(await codeOf('maps', 'no number'), 'E_FUNCTION_ERROR');
    assert.equal(await (await lambent.fetch('/reads')).text(), '<p>stream</p>');
  });

  it('have what they print in the log of their call', async () => {
    await invoke('cup', { do: 'print' });
    const line = await lambent.waitForLog(({ text }) => text === 'printed');
    assert.ok(line.invocation !== undefined);
    await invoke('cup', { do: 'bytes' });
    await lambent.waitForLog(({ text, invocation }) => text === 'b\uFFFD' && invocation !== undefined);
  });

  it('survive a panic, which tells its place', async () => {
    const pid = (await invoke('cup', {})).json.result?.pid;
    const { error } = (await invoke('cup', { do: 'panic' })).json;
    assert.deepEqual([error?.code, error?.errorMessage], ['E_FUNCTION_ERROR', 'dropped the cup']);
    assert.match(error?.stackTrace[0] ?? '', /^at main\.main\.func1 \(functions\/cup\/main\.go:\d+\)$/);
    assert.equal((await invoke('cup', {})).json.result?.pid, pid);
  });

  it('that end their process end no call of others, and serve again', async () => {
    const pid = (await invoke('crowd', {})).json.result?.pid;
    for (const [end, said] of [
      ['exit', /before it had answered$/],
      ['goroutine', /exit code 2 before it had answered: panic: in a goroutine$/],
    ] as const) {
      const { error } = (await invoke('cup', { do: end })).json;
      assert.equal(error?.code, 'E_FUNCTION_EXITED');
      assert.match(error?.errorMessage ?? '', said);
      assert.equal((await invoke('cup', {})).json.result?.currency, 'EUR');
    }
    assert.equal((await invoke('crowd', {})).json.result?.pid, pid);
    await lambent.waitForLog(({ text }) => text === 'panic: in a goroutine');
  });

  it('that block or spin are stopped at their time, and the others in the same process go on', async () => {
    for (const hang of ['block', 'spin']) {
      const hanging = codeOf('crowd', { do: hang });
      assert.equal((await invoke('crowd', {})).json.result?.currency, 'EUR');
      assert.equal(await hanging, 'E_FUNCTION_TIMEOUT');
      assert.equal((await invoke('crowd', {})).json.result?.currency, 'EUR');
    }
  });

  it('reload on each save, and say file and line of an error', async () => {
    const failed = await save('functions/web/main.go', WEB.replace('io.Copy(w', 'io.Coppy(w'));
    assert.ok(failed.kind === 'deployFailed');
    assert.equal(failed.error.code, 'E_BUILD_FAILED');
    assert.match(
      failed.error.message,
      /^functions\/web\/main\.go:15:6: undefined: io\.Coppy\n {2}\t\tio\.Coppy.*\n {2}\t\t {3}\^$/,
    );
    assert.deepEqual([failed.error.details?.file, failed.error.details?.line], ['functions/web/main.go', 15]);
    // What is live goes on.
    assert.equal((await lambent.fetch('/web/ada', { method: 'POST', body: 'x' })).status, 200);
    const mended = await save('functions/web/main.go', WEB.replace('%s: ', '%s! '));
    assert.ok(mended.kind === 'deployed');
    assert.ok(
      lambent.events.some((event) => event.kind === 'line' && event.line.text === '18 of 19 unchanged'),
      'only what changed is built again',
    );
    assert.equal(await (await lambent.fetch('/web/ada', { method: 'POST', body: 'x' })).text(), 'ada! x');
  });

  it('begin with a template that editors understand offline', async () => {
    const app = join(lambent.folder, 'begun');
    await run(process.execPath, [join(REPOSITORY, 'src/cli/main.ts'), 'init', app, '--template', 'go']);
    await runGo(['vet', './...'], app);
    const begun = await startTestPlatform({}, { folder: join(lambent.folder, 'second'), folders: [app] });
    try {
      assert.equal(await (await begun.fetch('/hello/Ada')).text(), 'Hello Ada\n');
      assert.equal(await (await begun.fetch('/')).text(), 'Hello from begun. Try /hello/Ada\n');
      const { json } = await begun.api('POST', '/apps/begun/functions/add/invocations', { a: 1, b: 2 });
      assert.deepEqual((json as { result: unknown }).result, { sum: 3 });
    } finally {
      await begun.close();
    }
  });

  it('are deployed from a folder with everything they need, and with nothing of the machine', async () => {
    const root = join(lambent.folder, 'uploads');
    const main = (text: string): string =>
      `package main\n\nimport (\n\t"errors"\n${text}\n\tlambent "lambent.dev/go"\n)\n\nfunc main() {\n\tlambent.Start(func() (string, error) { panic(errors.New("here")) })\n}\n`;
    await writeApp(root, {
      'fine/lambent.yaml':
        'app: fine\nfunctions:\n  odd: { entry: odd -extld=x/cmd/odd/main.go }\n  plain: { entry: go/plain/main.go }\n',
      'fine/odd -extld=x/go.mod': 'module odd\n\ngo 1.22\n',
      'fine/odd -extld=x/cmd/odd/main.go': main(''),
      'fine/go/go.mod':
        'module example.com/plain\n\ngo 1.22\n\nrequire example.com/near v0.0.0\n\nreplace example.com/near => ../near\n',
      'fine/go/plain/main.go': main('\t_ "example.com/near"'),
      'fine/near/go.mod': 'module example.com/near\n\ngo 1.22\n',
      'fine/near/near.go': 'package near\n',
      'outside/go.mod': 'module example.com/outside\n\ngo 1.22\n',
      'outside/outside.go': 'package outside\n',
      'direct/go.mod': 'module direct\n\ngo 1.22\n\nrequire own.host.example/any v1.0.0\n',
      'direct/go.sum': ['', '/go.mod']
        .map((part) => `own.host.example/any v1.0.0${part} h1:${'A'.repeat(43)}=\n`)
        .join(''),
      'direct/functions/take/main.go': main('\t_ "own.host.example/any"'),
      'greedy/go.mod':
        'module greedy\n\ngo 1.22\n\nrequire example.com/outside v0.0.0\n\nreplace example.com/outside => ../outside\n',
      'greedy/functions/take/main.go': main('\t_ "example.com/outside"'),
    });
    const deploy = (name: string) =>
      run(process.execPath, [
        join(REPOSITORY, 'src/cli/main.ts'),
        'deploy',
        join(root, name),
        '--to',
        lambent.url,
      ]);
    await deploy('fine');
    for (const [name, file] of [
      ['plain', 'go/plain/main.go'],
      ['odd', 'cmd/odd/main.go'],
    ] as const) {
      const { json } = await lambent.api('POST', `/apps/fine/functions/${name}/invocations`, {});
      const [place] = (json as Answer['json']).error?.stackTrace ?? [];
      assert.match(place ?? '', new RegExp(`^at main\\.main\\.func1 \\(${file}:\\d+\\)$`));
    }
    await assert.rejects(deploy('greedy'), (error: { stderr: string }) => {
      assert.match(
        error.stderr,
        /go\.mod replaces example\.com\/outside by \.\.\/outside, which is not in the app/,
      );
      return true;
    });
    const { GOPROXY } = process.env;
    process.env.GOPROXY = `file://${join(root, 'fine')},direct`;
    try {
      await assert.rejects(deploy('direct'), (error: { stderr: string }) => {
        assert.match(error.stderr, /own\.host\.example\/any@v1\.0\.0: reading file:/, 'the proxy was asked');
        assert.doesNotMatch(error.stderr, /unrecognized import path|dial tcp|https:/, 'and no host');
        return true;
      });
    } finally {
      if (GOPROXY === undefined) delete process.env.GOPROXY;
      else process.env.GOPROXY = GOPROXY;
    }
  });

  it('live in one app with TypeScript and Python', async () => {
    const app = join(lambent.folder, 'trio');
    await run(process.execPath, [join(REPOSITORY, 'src/cli/main.ts'), 'init', app, '--template', 'mixed']);
    const trio = await startTestPlatform({}, { folder: join(lambent.folder, 'fourth'), folders: [app] });
    try {
      const { words, letters } = (await (await trio.fetch('/')).json()) as {
        words: string[];
        letters: object;
      };
      assert.ok(words.length > 1);
      assert.deepEqual(letters, Object.fromEntries(words.map((word) => [word, word.length])));
    } finally {
      await trio.close();
    }
  });

  it('are given up while they are built, when the platform is told to stop', async () => {
    const stop = new AbortController();
    const caches = process.env.GOCACHE;
    // Empty: Go compiles its library first, which takes it long enough to be interrupted.
    process.env.GOCACHE = join(lambent.folder, 'caches');
    try {
      const starting = startTestPlatform(
        {},
        { folder: join(lambent.folder, 'third'), folders: [folder], stop: stop.signal },
      );
      await poll(() => existsSync(join(lambent.folder, 'caches')));
      stop.abort();
      const started = await starting;
      const failed = started.events.find((event) => event.kind === 'deployFailed');
      assert.equal(failed?.error.code, 'E_SHUTTING_DOWN');
      await started.close();
    } finally {
      if (caches === undefined) delete process.env.GOCACHE;
      else process.env.GOCACHE = caches;
    }
  });

  it('are refused when they cannot answer, with what to do', async () => {
    const refused = async (text: string): Promise<{ message: string; hint: string }> => {
      const event = await save('functions/web/main.go', text);
      assert.ok(event.kind === 'deployFailed');
      return event.error;
    };
    const library = await refused('package web\n');
    assert.match(
      library.message,
      /^functions\/web\/main\.go: it is `package web`, and a function is a program$/,
    );
    const silent = await refused('package main\n\nfunc main() {}\n');
    assert.match(silent.message, /the program has no handler/);
    const missing = await refused('package main\n\nimport _ "example.org/nowhere"\n\nfunc main() {}\n');
    assert.match(
      missing.message,
      /^functions\/web\/main\.go:3:8: no required module provides package example\.org\/nowhere/,
    );
    assert.match(missing.hint, /^Run `go get example\.org\/nowhere`/);
    assert.equal((await save('functions/web/main.go', WEB)).kind, 'deployed');
  });
});
