import { type BootMessage, PROTOCOL_VERSION } from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';

/** Libraries look for a region; this one says that there is none. */
const REGION = 'local';

/**
 * What an instance of any language is told to load: the same variables everywhere, those of AWS Lambda by their names.
 * `defaults` are the language's own, which the manifest may override.
 */
export function bootMessageOf(
  version: FunctionVersion,
  deployment: number,
  codeDir: string,
  defaults: Readonly<Record<string, string>>,
  packagesDir?: string,
): BootMessage {
  const { app, name, id, entry, handler, config } = version;
  const boot: BootMessage = {
    protocol: PROTOCOL_VERSION,
    app,
    function: name,
    version: id,
    deployment,
    codeDir,
    entry,
    env: {
      TZ: 'UTC',
      ...defaults,
      ...config.env,
      LAMBDA_TASK_ROOT: codeDir,
      _HANDLER: handler === undefined ? entry : `${entry}.${handler}`,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: String(deployment),
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(config.memoryMb),
      AWS_LAMBDA_LOG_GROUP_NAME: `/lambent/${app}/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: id,
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      LAMBENT_APP: app,
    },
    memoryMb: config.memoryMb,
    timeoutMs: config.timeoutMs,
  };
  if (handler !== undefined) boot.handler = handler;
  if (config.command !== undefined) boot.command = config.command;
  if (packagesDir !== undefined) boot.packagesDir = packagesDir;
  if (config.startMs !== undefined) boot.startMs = config.startMs;
  if (config.concurrency !== undefined) boot.concurrency = config.concurrency;
  return boot;
}
