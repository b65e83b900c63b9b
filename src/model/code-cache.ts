/**
 * Where V8's compiled form of a bundle lies within a version's code. Compiling megabytes takes longer than everything
 * else in a start. It is derived from the bundle, by the Node.js of the build: another one ignores it.
 */

/**
 * Options of the processes that make the compiled form and that use it: V8 takes none that was made under others, so a
 * change here means that large bundles load slowly until they are deployed again.
 *
 * The sizes are those at which V8 first collects. A bundle of megabytes, none of which is garbage, is past its own ones
 * before it has answered its first call, which then waits for a collection or two.
 */
export const COMPILE_FLAGS: readonly string[] = [
  '--experimental-vm-modules',
  '--initial-old-space-size=32',
  '--min-semi-space-size=4',
];

/** What CommonJS code finds around it, in the order in which it is given. V8 compiles it as a function of these. */
export const COMMON_NAMES = ['exports', 'require', 'module', '__filename', '__dirname'];

/** What is in this folder of built code is derived from the rest, and does not count for what the code is. */
export const DERIVED_FOLDER = '.lambent';

/** `entry` and the result are relative to the folder of the code, with forward slashes. */
export function codeCachePath(entry: string): string {
  return `${DERIVED_FOLDER}/${entry}.v8`;
}
