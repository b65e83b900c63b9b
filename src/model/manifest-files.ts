import { z } from 'zod';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import { duration, text } from './manifest-schema-parts.ts';
import { parseDurationMs } from './manifest-units.ts';
import { FILE_ACTIONS, type FilesSource } from './trigger.ts';

/** A watched folder, as the manifest gives it. Each `error` text completes "… must be". */

const SETTLE_MS = 2_000;
const SETTLE_MS_MAX = 3_600_000;
const GLOBS_MAX = 100;
const MATCH_EXPECTED = 'a list of globs such as `*.csv`';
const ACTIONS_EXPECTED = 'a list of create, change and remove';

export const filesSchema = z
  .strictObject(
    {
      folder: text(
        'an absolute path of a folder',
        'The folder, as an absolute path. The operator must allow it.',
      ),
      match: z
        .array(z.string().min(1), { error: MATCH_EXPECTED })
        .min(1, { error: MATCH_EXPECTED })
        .max(GLOBS_MAX, { error: MATCH_EXPECTED })
        .describe('Globs over the path within the folder; any may fit. Default: `**`, all.')
        .optional(),
      actions: z
        .array(z.enum(FILE_ACTIONS, { error: ACTIONS_EXPECTED }), { error: ACTIONS_EXPECTED })
        .min(1, { error: ACTIONS_EXPECTED })
        .describe('What to tell of. Default: all three.')
        .optional(),
      settle: duration(
        'A file is told of once it was the same for this long, up to 1h. Default: 2s.',
      ).optional(),
      existing: z
        .boolean({ error: 'true or false' })
        .describe('Whether what is there at the first look counts as created. Default: false.')
        .optional(),
      content: z
        .boolean({ error: 'true or false' })
        .describe('Whether the content goes along, up to 512 KiB. Default: false.')
        .optional(),
    },
    { error: 'an object with `folder`' },
  )
  .describe('Files of a folder that are created, changed or removed.');

export function planFilesSource(
  given: z.input<typeof filesSchema>,
  path: ManifestPath,
  problems: ManifestProblems,
): FilesSource | undefined {
  const { folder, match = ['**'], actions = FILE_ACTIONS, settle, existing = false, content = false } = given;
  const settleMs = settle === undefined ? SETTLE_MS : parseDurationMs(settle);
  if (!folder.startsWith('/')) problems.addWrong([...path, 'folder'], 'an absolute path of a folder', folder);
  if (settleMs === undefined || settleMs < 0 || settleMs > SETTLE_MS_MAX) {
    problems.addWrong([...path, 'settle'], 'a duration from 0 to 1h', settle);
    return undefined;
  }
  return { kind: 'files', folder, match, actions: [...new Set(actions)], settleMs, existing, content };
}
