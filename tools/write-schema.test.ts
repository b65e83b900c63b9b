import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { SCHEMA_FILE, schemaText } from './write-schema.ts';

describe('schema/lambent.schema.json', () => {
  it('is what `node tools/write-schema.ts` writes', async () => {
    assert.deepEqual(JSON.parse(await readFile(SCHEMA_FILE, 'utf8')), JSON.parse(schemaText()));
  });
});
