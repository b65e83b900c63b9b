import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBench } from '../src/admin/admin-harness.test.ts';
import { type ApiDocument, createConsoleAnswers, OPENAPI_PATH } from './console-answers.ts';
import { ROOT } from './tracked-files.ts';

test("console/answers.ts is what the server's OpenAPI document says (otherwise: npm run docs)", async () => {
  const api = await openBench();
  try {
    const document = JSON.parse((await api.call('GET', OPENAPI_PATH)).text) as ApiDocument;
    assert.equal(readFileSync(join(ROOT, 'console/answers.ts'), 'utf8'), createConsoleAnswers(document));
  } finally {
    await api.close();
  }
});

const written = (schema: Record<string, unknown>): string =>
  createConsoleAnswers({ components: { schemas: { It: schema } }, paths: {} });

test('a schema becomes the type of what it lets through', () => {
  const cases: [schema: Record<string, unknown>, type: string][] = [
    [{}, 'unknown'],
    [{ type: 'integer', minimum: 1 }, 'number'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ enum: ['it', "isn't", 3] }, "'it' | 'isn\\'t' | 3"],
    [
      { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
      'readonly (string | null)[]',
    ],
    [{ type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] }, 'readonly [string, number]'],
    [
      { type: 'object', properties: { 'a-b': { type: 'string' }, c: {} }, required: ['a-b'] },
      "{ readonly 'a-b': string; readonly c?: unknown }",
    ],
    [{ allOf: [{ $ref: '#/components/schemas/It' }, { description: 'words alone' }] }, 'It'],
  ];
  for (const [schema, type] of cases)
    assert.match(written(schema), new RegExp(`type It = ${escaped(type)};`));
});

test('a schema of a kind that is not known is an error rather than a wrong type', () => {
  assert.throws(() => written({ not: { type: 'string' } }), /no type is known/);
});

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
