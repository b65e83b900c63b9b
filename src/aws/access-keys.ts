import { createHmac } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { AccessKey, AccessKeys } from '../ports/access-keys.ts';
import type { StateMachineStore } from '../ports/state-machine-store.ts';

/** How many access keys there may be. */
const KEYS_MAX = 1_000;
/** AWS' own form: `AKIA` and 16 letters and digits; a secret of 40 characters. */
const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_CHARS = 16;
const SECRET_CHARS = 40;

/**
 * A key's secret follows from its id and the platform's own secret, so that the database holds none. Whoever reads
 * both the database and that file can sign as anybody.
 */
export function createAccessKeys(
  store: StateMachineStore,
  rootSecret: string,
  clock: Clock,
  random: Random,
): AccessKeys {
  const secretFor = (accessKeyId: string): string =>
    createHmac('sha384', rootSecret)
      .update(`access key ${accessKeyId}`)
      .digest('base64')
      .slice(0, SECRET_CHARS);
  const list = async (): Promise<AccessKey[]> =>
    (await store.list('accessKey', '', '', KEYS_MAX)).map(({ value }) => value as AccessKey);
  return {
    list,
    async create(name) {
      const keys = await list();
      if (keys.length >= KEYS_MAX || keys.some((key) => key.name === name)) return undefined;
      const letters = Array.from(random.bytes(ID_CHARS), (byte) => ID_ALPHABET[byte % ID_ALPHABET.length]);
      const key: AccessKey = { accessKeyId: `AKIA${letters.join('')}`, name, createdMs: clock.nowMs() };
      await store.put([{ kind: 'accessKey', key: key.accessKeyId, value: key }]);
      return { ...key, secretAccessKey: secretFor(key.accessKeyId) };
    },
    async remove(name) {
      const key = (await list()).find((each) => each.name === name);
      if (key !== undefined) await store.remove([{ kind: 'accessKey', key: key.accessKeyId }]);
      return key !== undefined;
    },
    async secretOf(accessKeyId) {
      const known = (await store.get('accessKey', accessKeyId)) as AccessKey | undefined;
      return known === undefined ? undefined : secretFor(accessKeyId);
    },
  };
}
