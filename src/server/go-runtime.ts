import { join } from 'node:path';
import { bootMessageOf } from './boot-message.ts';
import type { PreparedStart, StartRequest } from './runtime-start.ts';

/** What Go's own runtime takes is not counted against the function's memory. */
const RUNTIME_MB = 16;
/** Settings of Go's runtime that it reads before any code runs, and so before the first message. They are no secrets. */
const GO_SETTINGS = /^(GOGC|GOMEMLIMIT|GOMAXPROCS|GOTRACEBACK|GODEBUG)$/;

/**
 * A Go function is a program of its own, so nothing of it can be loaded ahead of need but its sandbox: a shell waits in
 * there, says so with a WAITING frame, reads the program's path and environment, a line each, and becomes the program. A
 * shell reads byte by byte where it cannot go back: what follows is left to the program.
 */
const WAIT = [
  String.raw`printf '\0\0\0\0\0\0\0\0\114\0\0\0' >&3`,
  'IFS= read -r program <&3 || exit 1',
  'while IFS= read -r line <&3 && [ -n "$line" ]; do export "$line"; done',
  'exec "$program"',
].join('; ');

/** How an instance of a Go function is started. */
export async function startGo({ version, deployment, codeDir }: StartRequest): Promise<PreparedStart> {
  const { memoryMb, env } = version.config;
  const settings = Object.entries(env).filter(
    ([name, value]) => GO_SETTINGS.test(name) && !/[\n\0]/.test(value),
  );
  const variables = [
    // By this a program sees that it was not started by hand.
    ['LAMBENT_APP', version.app],
    ...settings,
  ];
  return {
    spec: {
      command: ['/bin/sh', '-c', WAIT],
      env: {},
      codeDir,
      readDirs: [],
      memoryMb: memoryMb + RUNTIME_MB,
    },
    boot: bootMessageOf(version, deployment, codeDir, {}),
    preamble: [join(codeDir, version.entry), ...variables.map((pair) => pair.join('=')), '', ''].join('\n'),
    generic: true,
  };
}
