import { APP_NAME, type AppName, FUNCTION_DEFAULTS, type FunctionConfig, START_MS } from './function.ts';
import { planKeepWarm } from './manifest-keep-warm.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import type { FunctionInput, ManifestInput } from './manifest-schema.ts';
import { parseDurationMs, parseMemoryMb } from './manifest-units.ts';
import { SECRET_NAME, SECRETS_MAX } from './secret.ts';

const DAY_MS = 86_400_000;
const MEMORY_MB_MIN = 32;
const MEMORY_MB_MAX = 32_768;
/** All names and values of a function's environment together: it travels in one frame. */
export const ENV_BYTES_MAX = 64 * 1024;
/** Names that the platform sets itself. */
const RESERVED_ENV =
  /^(AWS_LAMBDA_.*|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR|_HANDLER|_X_AMZN_TRACE_ID|LAMBENT_.*)$/;

type EnvInput = NonNullable<FunctionInput['env']>;

/** A function's settings in the platform's own units, defaults filled in. */
export function parseFunctionConfig(
  input: FunctionInput,
  ofApp: Pick<ManifestInput, 'env' | 'network'>,
  path: ManifestPath,
  problems: ManifestProblems,
): FunctionConfig {
  const config: FunctionConfig = {
    timeoutMs: durationOf(input.timeout, FUNCTION_DEFAULTS.timeoutMs, 1, [...path, 'timeout'], problems),
    memoryMb: memoryOf(input.memory, [...path, 'memory'], problems),
    concurrency: input.concurrency ?? FUNCTION_DEFAULTS.concurrency,
    maxConcurrency: input.maxConcurrency ?? FUNCTION_DEFAULTS.maxConcurrency,
    maxInstances: input.maxInstances ?? FUNCTION_DEFAULTS.maxInstances,
    minInstances: input.minInstances ?? FUNCTION_DEFAULTS.minInstances,
    reservedConcurrency: input.reservedConcurrency ?? FUNCTION_DEFAULTS.reservedConcurrency,
    idleMs: durationOf(input.idle, FUNCTION_DEFAULTS.idleMs, 0, [...path, 'idle'], problems),
    queueMax: input.queue ?? FUNCTION_DEFAULTS.queueMax,
    maxResponseMb: input.maxResponseMb ?? FUNCTION_DEFAULTS.maxResponseMb,
    maxRequestMb: input.maxRequestMb ?? FUNCTION_DEFAULTS.maxRequestMb,
    attemptsMax: input.attempts ?? FUNCTION_DEFAULTS.attemptsMax,
    network: input.network ?? ofApp.network ?? FUNCTION_DEFAULTS.network,
    env: envOf(input.env ?? {}, ofApp.env ?? {}, path, problems),
  };
  if (input.startTimeout !== undefined)
    config.startMs = durationOf(input.startTimeout, START_MS, 100, [...path, 'startTimeout'], problems);
  if (input.freeze === false) config.freeze = false;
  if (input.keepPayloads === false) config.keepPayloads = false;
  if (input.keepWarm !== undefined && input.keepWarm.length > 0)
    config.keepWarm = planKeepWarm(input.keepWarm, config.maxInstances, [...path, 'keepWarm'], problems);
  if (input.callers !== undefined) config.callers = callersOf(input.callers, path, problems);
  if (input.connections !== undefined) config.connections = [...new Set(input.connections)];
  if (input.secrets !== undefined) config.secrets = secretsOf(input.secrets, config.env, path, problems);
  if (config.minInstances > config.maxInstances)
    problems.addWrong(
      [...path, 'minInstances'],
      `at most maxInstances (${config.maxInstances})`,
      config.minInstances,
    );
  if (config.reservedConcurrency > config.maxConcurrency)
    problems.addWrong(
      [...path, 'reservedConcurrency'],
      `at most maxConcurrency (${config.maxConcurrency})`,
      config.reservedConcurrency,
    );
  return config;
}

function secretsOf(
  names: readonly string[],
  env: FunctionConfig['env'],
  path: ManifestPath,
  problems: ManifestProblems,
): readonly string[] {
  if (names.length > SECRETS_MAX)
    problems.add([...path, 'secrets'], 'value', `a function has at most ${SECRETS_MAX} secrets`);
  for (const [place, name] of names.entries()) {
    const at = [...path, 'secrets', place];
    if (!SECRET_NAME.test(name))
      problems.addWrong(at, 'the name of a secret: letters, digits and `_`, not starting with a digit', name);
    else if (RESERVED_ENV.test(name)) problems.add(at, 'value', `\`${name}\` is set by the platform itself`);
    else if (Object.hasOwn(env, name))
      problems.add(at, 'value', `\`${name}\` is an environment variable as well`);
  }
  return [...new Set(names)].sort();
}

function callersOf(names: readonly string[], path: ManifestPath, problems: ManifestProblems): AppName[] {
  for (const [at, name] of names.entries())
    if (!APP_NAME.test(name)) problems.addWrong([...path, 'callers', at], 'the name of an app', name);
  return names as AppName[];
}

function durationOf(
  value: string | number | undefined,
  defaultMs: number,
  leastMs: number,
  path: ManifestPath,
  problems: ManifestProblems,
): number {
  if (value === undefined) return defaultMs;
  const ms = parseDurationMs(value);
  if (ms !== undefined && ms >= leastMs && ms <= DAY_MS) return ms;
  problems.addWrong(path, `a duration from ${leastMs}ms to 24h (a bare number counts seconds)`, value);
  return defaultMs;
}

function memoryOf(
  value: string | number | undefined,
  path: ManifestPath,
  problems: ManifestProblems,
): number {
  if (value === undefined) return FUNCTION_DEFAULTS.memoryMb;
  const mb = parseMemoryMb(value);
  if (mb !== undefined && mb >= MEMORY_MB_MIN && mb <= MEMORY_MB_MAX) return mb;
  problems.addWrong(path, 'a size from 32mb to 32gb (a bare number counts megabytes)', value);
  return FUNCTION_DEFAULTS.memoryMb;
}

function envOf(
  own: EnvInput,
  ofApp: EnvInput,
  path: ManifestPath,
  problems: ManifestProblems,
): Record<string, string> {
  const env: Record<string, string> = {};
  let bytes = 0;
  for (const name of Object.keys({ ...ofApp, ...own }).toSorted()) {
    const isOwn = Object.hasOwn(own, name);
    const value = String(isOwn ? own[name] : ofApp[name]);
    const at = isOwn ? [...path, 'env', name] : ['env', name];
    if (RESERVED_ENV.test(name)) problems.add(at, 'key', `\`${name}\` is set by the platform itself`);
    if (value.includes('\0')) problems.add(at, 'value', `\`${name}\` holds a zero byte`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    env[name] = value;
  }
  if (bytes > ENV_BYTES_MAX)
    problems.add(
      [...path, 'env'],
      'key',
      `the environment has ${bytes} bytes; at most ${ENV_BYTES_MAX} are allowed`,
    );
  return env;
}
