import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LambentError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';

const FILE = 'root.secret';
const SECRET_BYTES = 32;

/** The secret that access keys and the key of stored secrets follow from: a file that only the platform's user can read, made at first use. */
export async function openRootSecret(folder: string, random: Random): Promise<string> {
  const path = join(folder, FILE);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${Buffer.from(random.bytes(SECRET_BYTES)).toString('hex')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  }
  const secret = (await readFile(path, 'utf8')).trim();
  if (/^[0-9a-f]{64}$/.test(secret)) return secret;
  throw new LambentError('E_FILE', `${path} does not hold the platform’s own secret.`, {
    hint: 'Restore it from a backup; or delete it, and set all secrets and make all access keys anew.',
  });
}
