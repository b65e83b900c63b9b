/** `npm run docs`: writes the pages that are made from the code. A test keeps them equal to it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createErrorsPage } from './errors-page.ts';
import { ROOT } from './tracked-files.ts';

const path = 'docs/errors.md';
writeFileSync(join(ROOT, path), createErrorsPage());
console.log(`wrote ${path}`);
