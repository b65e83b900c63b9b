import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { IsolationLevel, SandboxDescription } from '../ports/sandbox.ts';
import { openSandbox } from './open-sandbox.ts';

/** What a platform started here would have, without starting one. */
export async function lookAtIsolation(): Promise<SandboxDescription> {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-look-'));
  try {
    const sandbox = await openSandbox(folder, 'best', silentLog);
    const description = await sandbox.describe();
    await sandbox.close();
    return description;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws `E_ISOLATION_TOO_WEAK` where functions would be contained less well than `accepted`. */
export function requireIsolation(
  { level, summary, advice }: SandboxDescription,
  accepted: IsolationLevel,
): void {
  if (level <= accepted) return;
  throw new LambentError(
    'E_ISOLATION_TOO_WEAK',
    `isolation of functions would be at level ${level} (${summary}); ${accepted} is required`,
    { hint: [advice, `Or accept it: --accept-isolation ${level}`].filter(Boolean).join(' ') },
  );
}
