import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FILES_ROOT } from './package-facts.ts';

/** Where the module `lambent.dev/go` is, from the app's folder: `replace` in the go.mod of `lambent init` says so. */
const MODULE_PATH = '.lambent/go';
/** Not for a program to import. */
const LEFT_OUT = /_test\.go$|\.ts$|\.js$|\/fixtures$/;

/**
 * Puts the module that Go programs import beside an app whose go.mod looks for it there, so that editors and
 * `go vet` find it offline and in the very version that runs. Builds do not need it. The folder is not kept in git.
 */
export async function refreshGoModule(appFolder: string): Promise<void> {
  const goMod = await readFile(join(appFolder, 'go.mod'), 'utf8').catch(() => '');
  if (!goMod.includes(`=> ./${MODULE_PATH}`)) return;
  await cp(fileURLToPath(new URL('sdk/go', FILES_ROOT)), join(appFolder, MODULE_PATH), {
    recursive: true,
    filter: (path) => !LEFT_OUT.test(path),
  });
}
