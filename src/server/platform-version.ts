import { existsSync, readFileSync } from 'node:fs';

/** The folder that holds what is not code: the repository's root in a clone, `dist` in a package, which mirrors it. */
const FILES_ROOT = new URL('../../', import.meta.url);

function readVersion(): string {
  const own = new URL('package.json', FILES_ROOT);
  const path = existsSync(own) ? own : new URL('../package.json', FILES_ROOT);
  return JSON.parse(readFileSync(path, 'utf8')).version;
}

/** Version of this package. */
export const PLATFORM_VERSION = readVersion();
