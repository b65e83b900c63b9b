import { existsSync, readFileSync } from 'node:fs';

/**
 * The folder that holds what is not code (templates, schema): the repository's root in a clone, `dist` in a
 * package, which mirrors it.
 */
export const FILES_ROOT = new URL('../../', import.meta.url);

/** This package's own package.json. */
export function readPackage(): { version: string; optionalDependencies: Record<string, string> } {
  const own = new URL('package.json', FILES_ROOT);
  return JSON.parse(readFileSync(existsSync(own) ? own : new URL('../package.json', FILES_ROOT), 'utf8'));
}

/** Version of this package. */
export const PLATFORM_VERSION = readPackage().version;
