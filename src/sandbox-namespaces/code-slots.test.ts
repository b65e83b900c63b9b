import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { CodeSlots } from './code-slots.ts';

describe('slots for code', () => {
  let root: string;
  let slots: CodeSlots;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lambent-slots-'));
    await mkdir(join(root, 'slots'));
    slots = new CodeSlots(join(root, 'slots'));
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  async function writeCode(name: string): Promise<string> {
    const folder = join(root, 'code', name);
    await mkdir(join(folder, 'functions/deep'), { recursive: true });
    await writeFile(join(folder, 'functions/deep/a.js'), name);
    await writeFile(join(folder, 'b.js'), name);
    return folder;
  }

  async function filled(id: string, code: string): Promise<string> {
    const slot = await slots.make(id);
    assert.equal(await slots.fill(slot, code), true);
    return slot;
  }

  const contents = async (slot: string): Promise<string[]> =>
    (await readdir(slot, { recursive: true })).toSorted();
  const WHOLE = ['b.js', 'functions', 'functions/deep', 'functions/deep/a.js'];

  it('hold the files of the version themselves, also from the second start on', async () => {
    const code = await writeCode('one');
    for (const id of ['first', 'second', 'third']) {
      const slot = await filled(id, code);
      assert.deepEqual(await contents(slot), WHOLE);
      for (const file of ['b.js', 'functions/deep/a.js'])
        assert.equal((await stat(join(slot, file))).ino, (await stat(join(code, file))).ino);
      await slots.remove(slot);
    }
    assert.deepEqual(await contents(code), WHOLE);
  });

  it('never hold files of another version', async () => {
    const [one, two] = [await writeCode('one'), await writeCode('two')];
    await slots.remove(await filled('first', one));
    const slot = await filled('second', two);
    assert.equal(await readFile(join(slot, 'functions/deep/a.js'), 'utf8'), 'two');
  });

  it('are filled for several processes of a version at once, and one of them is kept', async () => {
    const code = await writeCode('one');
    await slots.remove(await filled('first', code));
    const both = await Promise.all([filled('second', code), filled('third', code)]);
    for (const slot of both) assert.deepEqual(await contents(slot), WHOLE);
    await Promise.all(both.map((slot) => slots.remove(slot)));
    assert.equal((await readdir(slots.folder)).length, 1);
  });

  it('keep no files of a version that was deleted once others are kept', async () => {
    const [one, two] = [await writeCode('one'), await writeCode('two')];
    await slots.remove(await filled('first', one));
    await rm(one, { recursive: true });
    await slots.remove(await filled('second', two));
    assert.deepEqual(await readdir(slots.folder), ['second']);
  });

  it('are not kept without all of the code', async () => {
    const code = join(root, 'code/many');
    await mkdir(code, { recursive: true });
    for (let number = 0; number < 100; number += 1) await writeFile(join(code, `f${number}`), '');
    const slot = await slots.make('first');
    assert.equal(await slots.fill(slot, code), false);
    await slots.remove(slot);
    assert.deepEqual(await readdir(slots.folder), []);
  });
});
