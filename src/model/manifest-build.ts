import { z } from 'zod';
import type { BuildStep } from './manifest-plan.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import { duration, text } from './manifest-schema-parts.ts';
import { parseDurationMs } from './manifest-units.ts';

/** How long a build may take where the manifest does not say. */
const BUILD_MS_DEFAULT = 600_000;
const BUILD_MS_MIN = 1_000;
const BUILD_MS_MAX = 3_600_000;

const LINE_EXPECTED =
  'a line for the shell such as `npm run build`, or a list: the program and its arguments';
const BUILD_EXPECTED = `${LINE_EXPECTED}, or an object with \`run\``;
const part = z.string({ error: LINE_EXPECTED }).min(1, { error: LINE_EXPECTED });
const line = z.union([part, z.array(part, { error: LINE_EXPECTED }).min(1, { error: LINE_EXPECTED })], {
  error: LINE_EXPECTED,
});

export const buildStepSchema = z.strictObject(
  {
    run: line.describe('The command: a line for the shell, or the program and its arguments.'),
    output: text(
      'a folder such as `dist`',
      'The folder that is deployed, in that of the program. Default: all of it.',
    ).optional(),
    timeout: duration('How long it may take, 1s to 1h. Default: 10m.').optional(),
  },
  { error: BUILD_EXPECTED },
);

export const buildSchema = z
  .union([part, z.array(part, { error: BUILD_EXPECTED }).min(1), buildStepSchema], { error: BUILD_EXPECTED })
  .describe(
    'Makes the program of a `command` or a `bootstrap` from its source, in a copy of its folder: a line for the shell, the program and its arguments, or `run` with `output` and `timeout`. Default: the folder is deployed as it is.',
  );

/** What builds a program; `path` is that of the setting. */
export function planBuild(
  input: z.input<typeof buildSchema> | undefined,
  path: ManifestPath,
  problems: ManifestProblems,
  isInside: (path: string) => boolean,
): BuildStep | undefined {
  if (input === undefined) return undefined;
  const settings = typeof input === 'string' || Array.isArray(input) ? { run: input } : input;
  const { run, output, timeout = BUILD_MS_DEFAULT / 1_000 } = settings;
  const timeoutMs = parseDurationMs(timeout) ?? 0;
  if (timeoutMs < BUILD_MS_MIN || timeoutMs > BUILD_MS_MAX)
    problems.addWrong([...path, 'timeout'], 'a duration from 1s to 1h', timeout);
  if (output !== undefined && !isInside(output))
    problems.addWrong([...path, 'output'], "a folder inside the program's, with `/`", output);
  return {
    argv: typeof run === 'string' ? ['/bin/sh', '-c', run] : run,
    text: typeof run === 'string' ? run : run.join(' '),
    output: output?.replace(/^\.\//, '').replace(/\/+$/, '') || undefined,
    timeoutMs,
  };
}
