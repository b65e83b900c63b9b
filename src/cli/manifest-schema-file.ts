import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FILES_ROOT } from './package-facts.ts';

/** Where the schema is, from the app's folder. */
export const SCHEMA_PATH = '.lambent/lambent.schema.json';

/**
 * Puts the JSON Schema of `lambent.yaml` where the first line of the manifests of `lambent init` says it is, so
 * that editors complete keys, offline and for the very version that runs. The folder is not kept in git.
 */
export async function writeSchema(appFolder: string): Promise<void> {
  const target = join(appFolder, SCHEMA_PATH);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(new URL('schema/lambent.schema.json', FILES_ROOT), target);
}
