/**
 * Where V8's compiled form of a bundle lies within a version's code. Compiling megabytes takes longer than everything
 * else in a start. It is derived from the bundle, by the Node.js of the build: another one ignores it.
 */

/** What is in this folder of built code is derived from the rest, and does not count for what the code is. */
export const DERIVED_FOLDER = '.lambent';

/** `entry` and the result are relative to the folder of the code, with forward slashes. */
export function codeCachePath(entry: string): string {
  return `${DERIVED_FOLDER}/${entry}.v8`;
}
