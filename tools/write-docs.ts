/** `npm run docs`: writes what is made from the code. Tests keep it equal to it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBench } from '../src/admin/admin-harness.test.ts';
import { withAttackTable } from './attack-table.ts';
import { type ApiDocument, createConsoleAnswers, OPENAPI_PATH } from './console-answers.ts';
import { createErrorsPage } from './errors-page.ts';
import { ROOT } from './tracked-files.ts';

function write(path: string, text: string): void {
  writeFileSync(join(ROOT, path), text);
  console.log(`wrote ${path}`);
}

write('docs/errors.md', createErrorsPage());
write('docs/isolation.md', withAttackTable(readFileSync(join(ROOT, 'docs/isolation.md'), 'utf8')));
const api = await openBench();
const document = JSON.parse((await api.call('GET', OPENAPI_PATH)).text) as ApiDocument;
await api.close();
write('console/answers.ts', createConsoleAnswers(document));
