import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

/** A user of this machine: servers of databases do not run as root. */
export async function userOf(name: string): Promise<{ uid: number; gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  assert.ok(line !== undefined, `there is no user ${name}`);
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
