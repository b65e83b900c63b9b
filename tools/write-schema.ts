/**
 * Writes `schema/lambent.schema.json` from the manifest's zod schema: `node tools/write-schema.ts`.
 * `tools/write-schema.test.ts` fails while the file is not what this would write.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manifestJsonSchema } from '../src/model/manifest-schema.ts';

export const SCHEMA_FILE = fileURLToPath(new URL('../schema/lambent.schema.json', import.meta.url));

/** The text of the file. */
export function schemaText(): string {
  return `${JSON.stringify(manifestJsonSchema(), undefined, 2)}\n`;
}

if (import.meta.main) {
  await mkdir(dirname(SCHEMA_FILE), { recursive: true });
  await writeFile(SCHEMA_FILE, schemaText());
}
