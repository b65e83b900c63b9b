import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { systemRandom } from '../base/random.ts';
import { type AppName, FUNCTION_DEFAULTS, type FunctionVersion } from '../model/function.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';
import type { Secrets } from '../ports/secrets.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { redactActivity } from './redacting-sink.ts';
import { openSecretVault } from './secret-vault.ts';

const shop = 'shop' as AppName;
const blog = 'blog' as AppName;
const VALUE = 'postgres://admin:hunter2@db/"x"';
const naming = (...secrets: string[]): FunctionVersion =>
  ({ app: shop, name: 'pay', config: { ...FUNCTION_DEFAULTS, secrets } }) as unknown as FunctionVersion;

describe('secrets', () => {
  const clock = new ManualClock();
  let folder = '';
  let store: Store;
  let vault: Secrets;
  const open = (rootSecret = 'root'): Promise<Secrets> =>
    openSecretVault({ store: store.secrets, rootSecret, clock, random: systemRandom, log: silentLog });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-secrets-'));
    store = await openStore({ folder, clock, log: silentLog });
    vault = await open();
    await vault.set(shop, 'DB', VALUE);
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('are given to versions that name them, and of their own app', () => {
    assert.deepEqual(vault.environmentOf(naming('DB')), { DB: VALUE });
    assert.deepEqual(vault.environmentOf(naming()), {});
    assert.equal(vault.valueOf(blog, 'DB'), undefined);
    assert.throws(() => vault.environmentOf(naming('DB', 'OTHER')), {
      code: 'E_SECRET_MISSING',
      message: 'function pay names the secret OTHER, which has no value',
      hint: 'Give it one: `lambent secrets set shop OTHER`.',
    });
  });

  it('outlast a restart, and are not on the disk as they are', async () => {
    const again = await open();
    assert.equal(again.valueOf(shop, 'DB'), VALUE);
    assert.deepEqual(again.list(), [{ app: shop, name: 'DB', updatedMs: clock.nowMs() }]);
    for (const file of ['lambent.db', 'lambent.db-wal']) {
      const bytes = await readFile(join(folder, file)).catch(() => Buffer.alloc(0));
      assert.equal(bytes.includes('hunter2'), false, file);
    }
  });

  it('cannot be read with another key, nor in another place', async () => {
    const other = await open('another');
    assert.equal(other.valueOf(shop, 'DB'), undefined);
    const [sealed] = await store.secrets.listSecrets();
    await store.secrets.putSecret({ ...sealed!, app: blog });
    assert.equal((await open()).valueOf(blog, 'DB'), undefined);
    await store.secrets.removeSecret(blog, 'DB');
  });

  it('are replaced in what is logged, in every form that logs have', () => {
    const lines: string[] = [];
    const records: InvocationRecord[] = [];
    const sink = redactActivity(
      { invocation: (record) => records.push(record), log: ({ text }) => lines.push(text) },
      vault,
    );
    const told = `at ${VALUE} and ${JSON.stringify({ url: VALUE })} and ?u=${encodeURIComponent(VALUE)}`;
    sink.log({ app: shop, text: told } as LogLine);
    sink.log({ app: blog, text: told } as LogLine);
    assert.equal(lines[0], 'at [secret DB] and {"url":"[secret DB]"} and ?u=[secret DB]');
    assert.equal(lines[1], told, 'another app has no such secret');
    const error = { code: 'E_FUNCTION_ERROR', errorType: 'Error', errorMessage: told, stackTrace: [told] };
    sink.invocation({ app: shop, error } as unknown as InvocationRecord);
    assert.doesNotMatch(JSON.stringify(records), /hunter2/);
  });

  it('a new value takes the place of the old one, and who listens is told', async () => {
    const heard: string[] = [];
    const stop = vault.subscribe((app, name) => heard.push(`${app}/${name}`));
    await vault.set(shop, 'DB', 'a new value');
    assert.equal(vault.valueOf(shop, 'DB'), 'a new value');
    assert.equal(vault.redact(shop, 'it is a new value'), 'it is [secret DB]');
    assert.equal(await vault.remove(shop, 'DB'), true);
    assert.equal(await vault.remove(shop, 'DB'), false);
    stop();
    assert.equal(vault.valueOf(shop, 'DB'), undefined);
    assert.deepEqual(heard, ['shop/DB', 'shop/DB']);
  });

  it('bad names and values are refused, without saying the value', async () => {
    for (const name of ['', '1A', 'A-B', 'A'.repeat(65)])
      await assert.rejects(vault.set(shop, name, 'hunter2'), { code: 'E_SECRET_INVALID' });
    for (const value of ['', 'hunter2\0', 'hunter2'.repeat(10_000)])
      await assert.rejects(vault.set(shop, 'A', value), (error: Error & { code: string }) => {
        assert.equal(error.code, 'E_SECRET_INVALID');
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      });
  });
});
