import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's own folder, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** A file as the rules see it: a path with forward slashes, relative to the repository, and its text. */
export interface RepoFile {
  readonly path: string;
  readonly text: string;
}

/** Files whose bytes are not text; the rules know their names only. */
const BINARY = /\.(?:png|ico|woff2|gz|tgz|zip|db)$/;

/** Every file that is in git or would be added to it: what .gitignore names is left out. */
export function readTrackedFiles(): RepoFile[] {
  const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const paths = listing.split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path)));
  return [...new Set(paths)]
    .sort()
    .map((path) => ({ path, text: BINARY.test(path) ? '' : readFileSync(join(ROOT, path), 'utf8') }));
}
