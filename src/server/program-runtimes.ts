import { dirname, join } from 'node:path';
import { bootMessageOf } from './boot-message.ts';
import { bundleRuntime, type ProgramName } from './bundled-runtime.ts';
import type { PreparedStart, RuntimeStart, StartRequest } from './runtime-start.ts';

/** What the process that speaks to the platform for the program takes is not counted against the function's memory. */
const SHIM_MB = 64;

/** How an instance of a custom runtime is started: its `bootstrap` beside a process that serves the Runtime API. */
export function bootstrapRuntime(cacheDir: string): RuntimeStart {
  const program = lazyProgram(cacheDir, 'bootstrap');
  return async (request) => {
    const prepared = prepare(request, await program());
    const { version, codeDir } = request;
    const { boot } = prepared;
    boot.env = {
      ...boot.env,
      // As at AWS: the folder of `bootstrap`, and what the manifest calls the handler, whatever that means to it.
      LAMBDA_TASK_ROOT: dirname(join(codeDir, version.entry)),
      LAMBDA_RUNTIME_DIR: dirname(join(codeDir, version.entry)),
      _HANDLER: version.handler ?? 'handler',
      AWS_LAMBDA_MAX_CONCURRENCY: String(version.config.concurrency ?? 1),
    };
    return prepared;
  };
}

/** How an instance of a web server is started: its command beside a process that passes requests on to it. */
export function commandRuntime(cacheDir: string): RuntimeStart {
  const program = lazyProgram(cacheDir, 'command');
  return async (request) => prepare(request, await program());
}

function prepare({ version, deployment, codeDir }: StartRequest, program: string): PreparedStart {
  const spec = {
    command: [process.execPath, '--disable-warning=ExperimentalWarning', program],
    env: {},
    codeDir,
    readDirs: [dirname(program)],
    seesSystem: true,
    memoryMb: version.config.memoryMb + SHIM_MB,
  };
  return { spec, boot: bootMessageOf(version, deployment, codeDir, {}), generic: true };
}

/** Made when the first such function is started: most platforms never have one. A failure is tried again. */
function lazyProgram(cacheDir: string, name: ProgramName): () => Promise<string> {
  let program: Promise<string> | undefined;
  return () => {
    program ??= bundleRuntime(cacheDir, name).catch((thrown: unknown) => {
      program = undefined;
      throw thrown;
    });
    return program;
  };
}
