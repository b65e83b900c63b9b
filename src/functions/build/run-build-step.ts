import { delimiter, dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { BuildStep } from '../../model/manifest-plan.ts';
import type { Containing } from './tool-run.ts';
import { runTool } from './run-tool.ts';

/** What shells end with when they do not find a program. */
const NOT_FOUND = /\(exit code 127\)/;

export interface BuildStepRun {
  /** Name of the function, for messages. */
  readonly name: string;
  readonly step: BuildStep;
  /** The copy of the program's folder that it works in. */
  readonly folder: string;
  /** Outlives the build: for what makes the next one faster. */
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onLine: (text: string) => void;
  readonly containing: Containing | undefined;
}

/**
 * Runs the author's own build. Its environment is that of all tools of builds, and with it npm runs no install scripts.
 * Rejects with `E_BUILD_FAILED`, or `E_TOOLCHAIN_MISSING` where a program of it is not there.
 */
export async function runBuildStep(run: BuildStepRun): Promise<void> {
  const { name, step, folder, cacheDir, clock, signal, onLine, containing } = run;
  const title = `build of ${name}: ${step.text}`;
  const [program, ...args] = step.argv as [string, ...string[]];
  // Found by `env` and not here, so that a program that is missing ends as in a shell.
  const found: [string, ...string[]] = ['/usr/bin/env', program, ...args];
  // The folder is made by whose it is.
  const command: [string, ...string[]] =
    containing === undefined
      ? found
      : ['/bin/sh', '-c', 'mkdir -p "$LAMBENT_BUILD_CACHE" && exec "$@"', 'build', ...found];
  await runTool({
    command,
    cwd: folder,
    containing,
    env: {
      PATH: [dirname(process.execPath), process.env.PATH].filter(Boolean).join(delimiter),
      CI: 'true',
      npm_config_ignore_scripts: 'true',
      LAMBENT_BUILD_CACHE: cacheDir,
    },
    clock,
    msMax: step.timeoutMs,
    onLine,
    signal,
    failure: {
      code: 'E_BUILD_FAILED',
      title,
      hint: `Run \`${step.text}\` in the folder and read its output.`,
    },
  }).catch((thrown: unknown) => {
    if (!(thrown instanceof LambentError) || !NOT_FOUND.test(thrown.message)) throw thrown;
    throw new LambentError('E_TOOLCHAIN_MISSING', thrown.message, {
      hint: 'Install the program that was not found, where the platform finds it on its PATH.',
      ...(thrown.details === undefined ? {} : { details: thrown.details }),
    });
  });
}
