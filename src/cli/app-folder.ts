import { stat } from 'node:fs/promises';
import { LambentError } from '../base/errors.ts';
import { quoted } from './arguments.ts';

/** Throws `E_NOT_FOUND` unless the folder is there: nothing is made in a folder that somebody only mistyped. */
export async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new LambentError('E_NOT_FOUND', `There is no folder ${quoted(folder)}.`, {
    hint: 'Name the folder of an app; `lambent init` makes one.',
  });
}
