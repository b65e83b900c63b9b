import { type BootMessage, PROTOCOL_VERSION } from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { SandboxSpec } from '../ports/sandbox.ts';

/** What the language runtime itself takes is not counted against the function's memory. */
const RUNTIME_MB = 64;
/** Share of a function's memory that the JavaScript heap may take: buffers and code live outside of it. */
const HEAP_SHARE = 0.9;
const HEAP_MIN_MB = 32;
/** Libraries look for a region; this one says that there is none. */
const REGION = 'local';

/** How an instance of a Node.js function is started, and what it is told to load. `program`: see bundled-runtime.ts. */
export function prepareNode(
  version: FunctionVersion,
  deployment: number,
  codeDir: string,
  program: string,
): { spec: Omit<SandboxSpec, 'filesMax'>; boot: BootMessage } {
  const { app, name, id, entry, handler, config } = version;
  const heapMb = Math.max(HEAP_MIN_MB, Math.floor(config.memoryMb * HEAP_SHARE));
  const boot: BootMessage = {
    protocol: PROTOCOL_VERSION,
    app,
    function: name,
    version: id,
    deployment,
    codeDir,
    entry,
    env: {
      NODE_ENV: 'production',
      TZ: 'UTC',
      ...config.env,
      LAMBDA_TASK_ROOT: codeDir,
      _HANDLER: handler === undefined ? entry : `${entry}.${handler}`,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: String(deployment),
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(config.memoryMb),
      AWS_LAMBDA_LOG_GROUP_NAME: `/lambent/${app}/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: id,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      LAMBENT_APP: app,
    },
    memoryMb: config.memoryMb,
    timeoutMs: config.timeoutMs,
  };
  if (handler !== undefined) boot.handler = handler;
  const spec = {
    command: [
      process.execPath,
      `--max-old-space-size=${heapMb}`,
      '--disable-warning=ExperimentalWarning',
      program,
    ],
    env: {},
    codeDir,
    memoryMb: config.memoryMb + RUNTIME_MB,
  };
  return { spec, boot };
}
