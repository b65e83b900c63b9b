import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FILES_ROOT } from './package-facts.ts';

/**
 * Puts the JSON Schema of `lambent.yaml` where the first line of the manifests of `lambent init` says it is, so
 * that editors complete keys, offline and for the very version that runs. The folder is not kept in git.
 */
export async function writeSchema(appFolder: string): Promise<void> {
  const folder = join(appFolder, '.lambent');
  await mkdir(folder, { recursive: true });
  await copyFile(new URL('schema/lambent.schema.json', FILES_ROOT), join(folder, 'lambent.schema.json'));
}
