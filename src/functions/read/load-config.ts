import { fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { Locate, ManifestPath, Place } from '../../model/manifest-problems.ts';
import type { ManifestText } from '../../model/manifest-yaml.ts';
import { runTool } from '../build/run-tool.ts';
import type { Contain, Containing } from '../build/tool-run.ts';
import type { ConfigReply } from './config-worker.ts';

/** How long the evaluation of a configuration may take. */
export const CONFIG_MS_MAX = 10_000;
/** The largest configuration as JSON, in characters. */
const CONFIG_CHARS_MAX = 4 * 1024 * 1024;
const CONFIG_HEAP_MB = 256;

const REPLY = z.union([
  z.strictObject({ json: z.string() }),
  z.strictObject({ failure: z.strictObject({ name: z.string(), message: z.string(), stack: z.string() }) }),
]);

const isSource = import.meta.url.endsWith('.ts');
const WORKER_FILE = isSource ? './config-worker.ts' : './config-worker.js';
const SDK_FILE = isSource ? '../../../sdk/node/lambent.ts' : '../../../sdk/node/lambent.js';
const WORKER = fileURLToPath(new URL(WORKER_FILE, import.meta.url));
const SDK_ENTRY = fileURLToPath(new URL(SDK_FILE, import.meta.url));

export interface ConfigOptions {
  readonly clock: Clock;
  /** True for uploads: the configuration may read its own folder only. */
  readonly confined: boolean;
  /** Puts walls around it that are not Node's. */
  readonly contain?: Contain | undefined;
  readonly configMsMax?: number;
}

/**
 * Evaluates `lambent.config.ts` in a short-lived process that may read files but neither write, nor start
 * programs, nor open connections: by Node's permission model, which is a seat belt and not a wall, and for uploads in a
 * sandbox. Rejects with `E_MANIFEST_INVALID` that names file and line where they are known.
 */
export async function loadConfig(file: string, options: ConfigOptions): Promise<ManifestText> {
  const name = basename(file);
  const { contain } = options;
  const reply =
    contain === undefined
      ? await evaluate(file, options)
      : await contain((containing) => evaluateContained(file, options, containing));
  if ('failure' in reply) throw configError(file, reply.failure);
  if (reply.json === undefined || reply.json.length > CONFIG_CHARS_MAX)
    throw new LambentError('E_MANIFEST_INVALID', `${name}: the configuration is no data, or too large`);
  const source = await readFile(file, 'utf8');
  return { data: JSON.parse(reply.json), locate: locateInSource(source) };
}

/** What Node holds it to. */
function seatBelt(file: string, confined: boolean): string[] {
  const readable = confined ? [dirname(file), dirname(WORKER), dirname(SDK_ENTRY)] : ['*'];
  return [
    '--permission',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    `--max-old-space-size=${CONFIG_HEAP_MB}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ];
}

/** What it prints is in front of the answer, which is the last line. */
async function evaluateContained(
  file: string,
  { clock, configMsMax = CONFIG_MS_MAX }: ConfigOptions,
  containing: Containing,
): Promise<ConfigReply> {
  const name = basename(file);
  const printed = await runTool({
    command: [process.execPath, ...seatBelt(file, true), WORKER, file, SDK_ENTRY],
    cwd: dirname(file),
    containing: { ...containing, readPaths: [dirname(file), WORKER, dirname(SDK_ENTRY)] },
    clock,
    msMax: configMsMax,
    onLine: () => {},
    collectChars: CONFIG_CHARS_MAX * 2,
    signal: undefined,
    failure: {
      code: 'E_MANIFEST_INVALID',
      title: name,
      hint: 'A configuration is plain data; take waiting, loops and process.exit() out of it.',
    },
  });
  const reply = replyIn(printed.trimEnd().split('\n').at(-1)!);
  if (reply !== undefined) return reply;
  throw new LambentError('E_MANIFEST_INVALID', `${name} ended its process before it was read`, {
    hint: 'A configuration is plain data; do not call process.exit() in it.',
  });
}

/** Whatever the configuration may have printed in its place is no answer, or an answer like any other. */
function replyIn(line: string): ConfigReply | undefined {
  try {
    return REPLY.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function evaluate(file: string, options: ConfigOptions): Promise<ConfigReply> {
  const { clock, confined, configMsMax = CONFIG_MS_MAX } = options;
  const name = basename(file);
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [file, SDK_ENTRY], {
      cwd: dirname(file),
      execArgv: seatBelt(file, confined),
      // Its own environment: a configuration that depends on the platform's would differ between machines.
      env: { PATH: process.env.PATH ?? '' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const timer = clock.after(configMsMax, () => {
      settle(() =>
        reject(
          new LambentError('E_MANIFEST_INVALID', `${name} did not finish within ${configMsMax} ms`, {
            hint: 'A configuration is plain data; take waiting and loops out of it.',
          }),
        ),
      );
    });
    const settle = (act: () => void): void => {
      timer.cancel();
      act();
      child.kill('SIGKILL');
    };
    child.on('message', (reply) => settle(() => resolve(reply as ConfigReply)));
    child.on('error', (error) =>
      settle(() => reject(new LambentError('E_INTERNAL', error.message, { cause: error }))),
    );
    child.on('exit', (code, signal) =>
      settle(() =>
        reject(
          new LambentError(
            'E_MANIFEST_INVALID',
            `${name} ended its process (${signal ?? `exit code ${code}`})`,
            {
              hint: 'A configuration is plain data; do not call process.exit() in it.',
            },
          ),
        ),
      ),
    );
  });
}

function configError(
  file: string,
  failure: { readonly name: string; readonly message: string; readonly stack: string },
): LambentError {
  const name = basename(file);
  const place = placeInStack(file, failure.stack);
  const at =
    place === undefined ? name : `${name}:${place.line}${place.column === 0 ? '' : `:${place.column}`}`;
  const denied = /Access to this API has been restricted/.test(failure.message);
  const said = failure.message.replaceAll(`${dirname(file)}/`, '').split('\n')[0] ?? '';
  return new LambentError('E_MANIFEST_INVALID', `${at}: ${said === '' ? failure.name : said}`, {
    hint: denied
      ? 'A configuration may read files, but not write, start programs or use the network.'
      : 'Correct the configuration; it must export plain data through `defineApp`.',
    details: { file: name, line: place?.line, column: place?.column },
  });
}

/** The first place in a stack that lies in the file. Syntax errors begin with `file:line` alone. */
function placeInStack(file: string, stack: string): Place | undefined {
  for (const line of stack.split('\n')) {
    const at = line.indexOf(file);
    if (at < 0) continue;
    const found = /^:(\d+)(?::(\d+))?/.exec(line.slice(at + file.length));
    if (found !== null) return { line: Number(found[1]), column: Number(found[2] ?? 0) };
  }
  return undefined;
}

/**
 * Finds keys in source text by looking for each key of the path after the one before. It is a guess that is
 * right for configurations written as one literal, and absent where a key is computed.
 */
function locateInSource(source: string): Locate {
  return (path: ManifestPath) => {
    let from = 0;
    let found: number | undefined;
    for (const part of path) {
      if (typeof part === 'number') continue;
      const escaped = part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
      const key = new RegExp(`(?<![\\w$])(['"]?)${escaped}\\1\\s*:`, 'g');
      key.lastIndex = from;
      const match = key.exec(source);
      if (match === null) break;
      found = match.index;
      from = match.index + match[0].length;
    }
    if (found === undefined) return undefined;
    const before = source.slice(0, found).split('\n');
    return { line: before.length, column: before.at(-1)!.length + 1 };
  };
}

/** Names a configuration may have, in order of preference. */
export const CONFIG_FILES = ['.ts', '.mts', '.js', '.mjs'].map((ending) => `lambent.config${ending}`);
