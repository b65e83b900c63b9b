import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createErrorsPage } from './errors-page.ts';
import { ROOT } from './tracked-files.ts';

test('docs/errors.md is what the error table says (otherwise: npm run docs)', () => {
  assert.equal(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'), createErrorsPage());
});
