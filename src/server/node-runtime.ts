import { dirname } from 'node:path';
import { COMPILE_FLAGS } from '../model/code-cache.ts';
import { bootMessageOf } from './boot-message.ts';
import type { RuntimeStart } from './runtime-start.ts';

/** What the language runtime itself takes is not counted against the function's memory. */
const RUNTIME_MB = 64;
/** Share of a function's memory that the JavaScript heap may take: buffers and code live outside of it. */
const HEAP_SHARE = 0.9;
const HEAP_MIN_MB = 32;

/** How an instance of a Node.js function is started. `program`: see bundled-runtime.ts. */
export function nodeRuntime(program: Promise<string>): RuntimeStart {
  return async ({ version, deployment, codeDir }) => {
    const { memoryMb } = version.config;
    const main = await program;
    const heapMb = Math.max(HEAP_MIN_MB, Math.floor(memoryMb * HEAP_SHARE));
    const spec = {
      command: [
        process.execPath,
        `--max-old-space-size=${heapMb}`,
        '--disable-warning=ExperimentalWarning',
        // For large bundles: runtimes/node/cached-module.ts.
        ...COMPILE_FLAGS,
        main,
      ],
      env: { TZ: 'UTC' },
      codeDir,
      readDirs: [dirname(main)],
      memoryMb: memoryMb + RUNTIME_MB,
    };
    const boot = bootMessageOf(version, deployment, codeDir, { NODE_ENV: 'production' });
    return { spec, boot, generic: true };
  };
}
