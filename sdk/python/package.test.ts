import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

/** The package as an author has it in an editor: installed by pip, read by a type checker. */

const run = promisify(execFile);
const MYPY = 'mypy==1.18.2';
const LIMIT_MS = 120_000;

const RIGHT = `
from lambent import (
    Handler, HttpEvent, HttpResponse, LambdaContext, WorkflowContext, emit, invoke, json_of, json_response, workflow,
)

def handler(event: HttpEvent, context: LambdaContext) -> HttpResponse:
    price = invoke("price", {"item": event["pathParameters"]["item"]})
    emit({"type": "shop.priced", "data": {"price": price, "left": context.get_remaining_time_in_millis()}})
    return json_response({"price": price, "asked": json_of(event)}, 201)

also: Handler = handler

@workflow
async def order(ctx: WorkflowContext, order: dict[str, int]) -> str:
    paid: int = await ctx.step("pay", lambda: order["sum"])
    await ctx.sleep(3)
    return f"paid {paid}"
`;

/** Each line is a mistake that a checker must find. */
const WRONG = [
  'lambent.json_response({}, "200")',
  'lambent.invoke(7)',
  'lambent.emit("shop.priced")',
  'def handler(event: lambent.HttpEvent, context: lambent.LambdaContext) -> None: context.no_such_field',
];

describe('the package for Python', { timeout: LIMIT_MS }, () => {
  let folder: string;
  const python = (...args: string[]) =>
    run('python3', args, {
      cwd: folder,
      env: { ...process.env, PYTHONPATH: join(folder, 'packages') },
      timeout: LIMIT_MS,
    });
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-python-package-'));
    // pip writes beside what it builds.
    await cp(import.meta.dirname, join(folder, 'source'), { recursive: true });
    await python('-m', 'pip', 'install', '--quiet', '--target', join(folder, 'packages'), './source', MYPY);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const check = async (program: string): Promise<string> => {
    await writeFile(join(folder, 'program.py'), program);
    const { stdout } = await python('-m', 'mypy', '--strict', 'program.py').catch(
      (cause: { stdout: string }) => cause,
    );
    return stdout;
  };

  it('installs with its types, and needs nothing else', async () => {
    const { stdout } = await python(
      '-c',
      'import importlib.metadata as m, lambent, pathlib; p = pathlib.Path(lambent.__file__).parent; print(m.version("lambent"), m.requires("lambent"), (p / "py.typed").exists())',
    );
    const version = /^version = "(.+)"$/m.exec(
      await readFile(join(import.meta.dirname, 'pyproject.toml'), 'utf8'),
    );
    assert.equal(stdout.trim(), `${version?.[1]} None True`);
  });

  it('is typed without a gap', async () => {
    const { stdout } = await python('-m', 'mypy', '--strict', '-p', 'lambent');
    assert.match(stdout, /^Success: no issues found in \d+ source files/);
  });

  it('fits programs that are right', async () => {
    assert.match(await check(RIGHT), /^Success: no issues found in 1 source file/);
  });

  for (const line of WRONG)
    it(`finds a mistake: ${line}`, async () => {
      assert.match(await check(`import lambent\n${line}\n`), /^program\.py:2: error: /);
    });
});
