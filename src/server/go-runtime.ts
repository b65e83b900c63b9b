import { join } from 'node:path';
import { bootMessageOf } from './boot-message.ts';
import type { PreparedStart, StartRequest } from './runtime-start.ts';

/** What Go's own runtime takes is not counted against the function's memory. */
const RUNTIME_MB = 16;
/** Settings of Go's runtime that it reads before any code runs, and so before the first message. They are no secrets. */
const GO_SETTINGS = /^(GOGC|GOMEMLIMIT|GOMAXPROCS|GOTRACEBACK|GODEBUG)$/;

/** How an instance of a Go function is started: it is a program of its own. */
export async function startGo({ version, deployment, codeDir }: StartRequest): Promise<PreparedStart> {
  const { memoryMb, env } = version.config;
  const settings = Object.entries(env).filter(([name]) => GO_SETTINGS.test(name));
  return {
    spec: {
      command: [join(codeDir, version.entry)],
      // By LAMBENT_APP a program sees that it was not started by hand.
      env: { LAMBENT_APP: version.app, ...Object.fromEntries(settings) },
      codeDir,
      readDirs: [],
      memoryMb: memoryMb + RUNTIME_MB,
    },
    boot: bootMessageOf(version, deployment, codeDir, {}),
  };
}
