import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_RULES, IGNORE_FILE, IgnoreRules } from './ignore-rules.ts';

/** The rules of an app's folder: those for every app, `more` of whoever asks, and at last the app's own. */
export async function readIgnoreRules(folder: string, more = ''): Promise<IgnoreRules> {
  const own = await readFile(join(folder, IGNORE_FILE), 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return '';
    throw thrown;
  });
  return new IgnoreRules(DEFAULT_RULES, more, own);
}
