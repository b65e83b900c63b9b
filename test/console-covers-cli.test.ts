/**
 * What the CLI can do can be done in the console: each operation of the API that a command calls is called by the
 * console too. Both are looked for in their sources: by the operation's id, which the console names where it reads the
 * answer, or by the fixed parts of its path in their order, with the method near by.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBench } from '../src/admin/admin-harness.test.ts';
import { REPOSITORY } from './platform-harness.ts';

/** What the CLI calls and the console does not, and why nobody misses it there. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'GET /usage': 'Costs reads the same sums by the day (GET /activity)',
};

/** What the console calls by a path that it has put together elsewhere: there it says so, in these words. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'DELETE /keys/{name}': "act={() => call('DELETE', `",
  'DELETE /tokens/{name}': "act={() => call('DELETE', `",
  'POST /_lambent/events': "const EVENTS_PATH = '/_lambent/events';",
  'POST /deployments': 'await upload(`/deployments${',
  'POST /deployments/plan': 'await upload(`/deployments/plan${',
};

/** Characters around a path within which its method stands. */
const NEAR = 240;

const textOf = (...patterns: readonly string[]): string =>
  globSync([...patterns], { cwd: REPOSITORY })
    .filter((path) => !/\.test\.ts$|\/dist\/|answers\.ts$/.test(path))
    .map((path) => readFileSync(join(REPOSITORY, path), 'utf8'))
    .join('\n');

/** Whether a source has the path's fixed parts, one after the other within a statement, and its method beside them. */
function calls(source: string, method: string, path: string): boolean {
  const parts = path.split('/').filter((part) => part !== '' && !part.startsWith('{'));
  // The last part ends the path there: `/events` is not `/events/replay`.
  const isOpen = path.endsWith('}');
  const pattern = parts.map((part) => `['\`/]${part}(?![\\w-])`).join('[^;]{0,90}?');
  const end = isOpen ? `(?=[^;]{0,12}?(?:[,/$]))` : `(?=['\`?$)])`;
  for (const found of source.matchAll(new RegExp(pattern + end, 'g'))) {
    const near = source.slice(Math.max(0, found.index - NEAR), found.index + found[0].length + NEAR);
    if (method === 'GET' || near.includes(`'${method}'`)) return true;
  }
  return false;
}

test('each operation that a command calls is called by the console', async () => {
  const bench = await openBench();
  const document = JSON.parse((await bench.call('GET', '/_lambent/api/openapi.json')).text) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  await bench.close();
  const cli = textOf('src/cli/**/*.ts');
  const console = textOf('console/**/*.{ts,tsx}');
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { operationId }]) =>
        [method.toUpperCase(), path.replace('/_lambent/api/v1', ''), operationId] as const,
    ),
  );
  const ofCommands = operations.filter(([method, path]) => calls(cli, method, path));
  assert.ok(ofCommands.length > 40, `only ${ofCommands.length} operations were found in commands`);
  const missing = ofCommands
    .filter(
      ([method, path, id]) =>
        !new RegExp(`<[^<>]*'${id}'[^<>]*>`).test(console) && !calls(console, method, path),
    )
    .map(([method, path]) => `${method} ${path}`);
  assert.deepEqual(missing.sort(), [...Object.keys(EXCEPTIONS), ...Object.keys(ELSEWHERE)].sort());
  for (const [operation, words] of Object.entries(ELSEWHERE))
    assert.ok(console.replaceAll(/\s+/g, ' ').includes(words), `${operation}: ${words}`);
});

test('a call that is not there is not found', () => {
  const source = "call('POST', pathOf('executions', id, 'cancel'));";
  assert.ok(calls(source, 'POST', '/executions/{id}/cancel'));
  assert.ok(!calls(source, 'POST', '/executions/{id}/retry'));
  assert.ok(!calls(source, 'DELETE', '/executions/{id}/cancel'));
  assert.ok(!calls("get('/events/replay')", 'GET', '/events'));
});
