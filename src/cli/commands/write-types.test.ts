import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WITHOUT_GO } from '../../../sdk/go/test-go.ts';
import { runForTest } from '../test-terminal.ts';

const SDK = fileURLToPath(new URL('../../../sdk/node/lambent.ts', import.meta.url));
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

const FILES = {
  'lambent.yaml': `
app: typed
functions:
  add: {}
  named: { entry: functions/many.ts, handler: second }
  plain: {}
  site: {}
  script: {}
  shell: {}
  order: { entry: functions/order.py }
  wrapped: { entry: functions/wrapped.py, handler: main }
  stock: { entry: functions/stock/main.go }
  idle: { entry: functions/idle.go }
  web: { entry: functions/web/main.go }
`,
  'functions/add.ts': `
export const handler = async (event: { readonly a: number; readonly b: number }) => ({ sum: event.a + event.b });`,
  'functions/many.ts': `
export const first = async (event: string) => event;
export const second = (event: readonly string[]) => event.length;`,
  'functions/plain.ts': `
import { invoke } from 'lambent';
export default async () => (await invoke('add', { a: 1, b: 2 })).sum;`,
  'functions/site.ts': 'export default { fetch: () => new Response("") };',
  'functions/script.js': 'export const handler = async () => 1;',
  'functions/shell/bootstrap': '#!/bin/sh\n',
  'functions/order.py': `
from __future__ import annotations
import nowhere
from dataclasses import dataclass
from typing import Literal, NotRequired, Optional, TypedDict

@dataclass
class Line:
    price: float
    note: Optional[str] = None

class Order(TypedDict):
    id: str
    lines: list[Line]
    kind: Literal["new", "old"]
    rest: NotRequired[nowhere.Rest]

async def handler(event: Order, context) -> dict[str, int] | None:
    raise SystemExit("nobody runs this")
`,
  'functions/wrapped.py': `
import nowhere
@nowhere.wraps
def main(event: str, context) -> str: ...
`,
  'functions/stock/main.go': `package main

import (
	"context"
	"time"

	shop "lambent.dev/go"
	"nowhere.example/rest"
)

func main() { shop.Start(take) }

func take(ctx context.Context, in item) (map[string][]item, error) { panic("nobody runs this") }
`,
  'functions/stock/item.go': `package main

type kind string

type item struct {
	ID    string    \`json:"id"\`
	Kind  kind      \`json:"kind,omitempty"\`
	Since time.Time \`json:"since"\`
	Part  *item     \`json:"part,omitempty"\`
	Rest  rest.Any  \`json:"rest,omitempty"\`
	Size  int64     \`json:"size,string"\`
	inner int
}
`,
  'functions/idle.go':
    'package main\n\nimport "github.com/aws/aws-lambda-go/lambda"\n\nfunc main() { lambda.Start(func() (int, error) { return 1, nil }) }\n',
  'functions/web/main.go':
    'package main\n\nimport (\n\t"net/http"\n\n\tlambent "lambent.dev/go"\n)\n\nfunc main() { lambent.Start(func(w http.ResponseWriter, r *http.Request) {}) }\n',
  'right.ts': `
import { invoke, type CallError } from 'lambent';
export const sum: number = (await invoke('add', { a: 1, b: 2 })).sum;
export const length: number = await invoke('named', ['x']);
export const plain: number = await invoke('plain');
export const site: unknown = await invoke('site', { any: 'thing' });
export const later: { id: string } = await invoke('add', { a: 1, b: 2 }, { async: true });
const order = { id: 'a', lines: [{ price: 1, note: null }], kind: 'new' } as const;
export const sold: number | undefined = (await invoke('order', { ...order, lines: [...order.lines] }))?.sold;
export const unknowns: unknown[] = [await invoke('script', 1), await invoke('shell'), await invoke('wrapped', 1)];
export const web: unknown = await invoke('web', 1);
export const codeOf = (error: CallError): string => error.code;`,
  ...(WITHOUT_GO === false
    ? {
        'right-go.ts': `
import { invoke } from 'lambent';
const item = { id: 'a', since: '2026-01-01T00:00:00Z', size: '1' };
export const stock: string | undefined = (await invoke('stock', item))?.['a']?.[0]?.id;
export const idle: number = await invoke('idle');`,
        'wrong-go.ts': `
import { invoke } from 'lambent';
await invoke('stock', { id: 'a', since: 'now', size: 1 });
export const idle: string = await invoke('idle');`,
      }
    : {}),
  'wrong.ts': `
import { invoke } from 'lambent';
await invoke('ad', { a: 1, b: 2 });
await invoke('add', { a: 'x', b: 2 });
await invoke('add', { a: 1 });
const text: string = await invoke('plain');
await invoke('named', 'x');
await invoke('order', { id: 'a', lines: [{ price: '1', note: null }], kind: 'new' });
export { text };`,
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      ...{
        module: 'nodenext',
        target: 'es2024',
        lib: ['es2024', 'dom'],
        types: [],
        strict: true,
        noEmit: true,
      },
      ...{ exactOptionalPropertyTypes: true, allowImportingTsExtensions: true, paths: { lambent: [SDK] } },
    },
    include: ['*.ts', 'functions/*.ts'],
  }),
  'package.json': '{"type":"module"}',
};

async function writeApp(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

describe('lambent types', { timeout: 60_000 }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-types-'));
    await writeApp(folder, FILES);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('writes what the compiler then holds calls to', async () => {
    const outcome = await runForTest(['types', folder]);
    assert.equal(outcome.code, 0, outcome.err);
    assert.match(outcome.out, /Wrote the types of 11 functions to .*lambent-functions\.d\.ts/);
    const { stdout } = spawnSync(process.execPath, [TSC, '-p', folder, '--pretty', 'false'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const errors = stdout.split('\n').filter((line) => /^\S/.test(line));
    assert.deepEqual(
      errors.map((line) => line.replace(/,\d+\): error (TS\d+).*/, ' $1')),
      [
        ...(WITHOUT_GO === false ? ['wrong-go.ts(3 TS2322', 'wrong-go.ts(4 TS2322'] : []),
        'wrong.ts(3 TS2345',
        'wrong.ts(4 TS2322',
        'wrong.ts(5 TS2741',
        'wrong.ts(6 TS2322',
        'wrong.ts(7 TS2345',
        'wrong.ts(8 TS2322',
      ],
      stdout,
    );
  });

  it('says whether what is written is up to date', async () => {
    assert.match((await runForTest(['types', folder])).out, /is up to date/);
    assert.equal((await runForTest(['types', folder, '--check'])).code, 0);
    // Types of functions in other languages are written out: they get old with their sources.
    await writeApp(folder, {
      'functions/order.py': FILES['functions/order.py'].replace('id: str', 'id: int'),
    });
    assert.equal((await runForTest(['types', folder, '--check'])).code, 1);
    await writeApp(folder, { 'functions/order.py': FILES['functions/order.py'] });
    if (WITHOUT_GO === false) {
      const text = FILES['functions/stock/item.go'];
      await writeApp(folder, { 'functions/stock/item.go': text.replace('ID    string', 'ID    int') });
      assert.equal((await runForTest(['types', folder, '--check'])).code, 1);
      await writeApp(folder, { 'functions/stock/item.go': text });
    }
    assert.equal((await runForTest(['types', folder, '--check'])).code, 0);
    await writeApp(folder, { 'lambent.yaml': 'functions: { add: {} }\n' });
    const stale = await runForTest(['types', folder, '--check']);
    assert.equal(stale.code, 1);
    assert.match(stale.err, /not up to date: run `lambent types`/);
    assert.match(await readFile(join(folder, 'lambent-functions.d.ts'), 'utf8'), /"shell": UntypedFunction/);
    const json = JSON.parse((await runForTest(['types', folder, '--json'])).out);
    assert.deepEqual([json.changed, json.functions], [true, ['add']]);
  });
});
