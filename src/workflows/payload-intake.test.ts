import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LambentError } from '../base/errors.ts';
import type { PayloadStore } from '../ports/payload-store.ts';
import { openPayloadStore } from '../store-files/payload-store.ts';
import { PayloadIntake } from './payload-intake.ts';

describe('the intake of large values', () => {
  let folder: string;
  let store: PayloadStore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-intake-'));
    store = await openPayloadStore({ folder });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const text = Buffer.from(JSON.stringify('x'.repeat(100_000)));
  const named = async () => {
    const writer = store.begin();
    await writer.write(text);
    return await writer.finish();
  };

  it('holds back what is said after a value until the value is durable, and knows it then', async () => {
    const large = await named();
    const said: string[] = [];
    const intake = new PayloadIntake(store, (error) => said.push(error.code));
    assert.equal(intake.isBusy, false);
    assert.equal(intake.knows(large), false, 'what others stored is none of its own');
    intake.piece(text.subarray(0, 70_000));
    intake.piece(text.subarray(70_000));
    intake.whole(large);
    await new Promise<void>((resolve) =>
      intake.after(async () => {
        said.push(`known: ${intake.knows(large)}`);
        const stored = Buffer.concat(await Array.fromAsync(store.read(large.blob)));
        said.push(`there: ${stored.equals(text)}`);
        resolve();
      }),
    );
    assert.deepEqual(said, ['known: true', 'there: true']);
  });

  it('lets nothing through when the platform dies before the value has its name', async () => {
    const said: string[] = [];
    const dying: PayloadStore = {
      ...store,
      read: (blob) => store.read(blob),
      sweep: (beforeMs, referenced) => store.sweep(beforeMs, referenced),
      begin: () => ({ ...store.begin(), write: async () => {}, finish: () => new Promise(() => {}) }),
    };
    const intake = new PayloadIntake(dying, (error) => said.push(error.code));
    intake.piece(text);
    intake.whole(await named());
    intake.after(() => void said.push('said'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([said, intake.isBusy], [[], true]);
  });

  it('says nothing more once its session is closed, and leaves no file', async () => {
    const said: unknown[] = [];
    const intake = new PayloadIntake(store, (error) => said.push(error.code));
    intake.piece(text);
    intake.whole(await named());
    const turns = new Promise<void>((resolve) => {
      intake.after(() => resolve());
      setImmediate(resolve);
    });
    intake.close();
    await turns;
    assert.deepEqual(said, []);
    const working = () => readdir(join(folder, 'working'));
    for (let tries = 0; (await working()).length > 0 && tries < 1_000; tries += 1);
    assert.deepEqual(await working(), []);
  });

  it('refuses a value that is not what its name says, and all after it', async () => {
    const said: unknown[] = [];
    const failed = new Promise<LambentError>((resolve) => {
      const intake = new PayloadIntake(store, resolve);
      intake.piece(text);
      intake.whole({ blob: '0'.repeat(64), bytes: text.length });
      intake.after(() => void said.push('said'));
    });
    assert.equal((await failed).code, 'E_PROTOCOL');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(said, []);
  });
});
