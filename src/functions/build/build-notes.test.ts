import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { BlobDigest } from '../../model/function.ts';
import { type BuildNote, BuildNotes, NOTE_BYTES_MAX } from './build-notes.ts';

describe('notes of builds', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-notes-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const noteOf = (entry: string, inputs: BuildNote['inputs'] = [['app:a.ts', 'd']]): BuildNote => ({
    optionsKey: 'o',
    namesDigest: 'n',
    inputs,
    code: 'a'.repeat(64) as BlobDigest,
    entry,
  });
  const only = async (): Promise<string> => join(folder, (await readdir(folder))[0]!);

  it('are read by whoever comes later, and replaced', async () => {
    await new BuildNotes(folder).write('app/f', noteOf('first.js'));
    await new BuildNotes(folder).write('app/f', noteOf('second.js'));
    assert.equal((await new BuildNotes(folder).read('app/f'))?.entry, 'second.js');
    assert.equal(await new BuildNotes(folder).read('app/g'), undefined);
    assert.equal((await readdir(folder)).length, 1);
  });

  it('that are damaged in any byte, cut or empty count as none', async () => {
    await new BuildNotes(folder).write('app/f', noteOf('main.js'));
    const whole = await readFile(await only());
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1;
      await writeFile(await only(), damaged);
      assert.equal(await new BuildNotes(folder).read('app/f'), undefined, `byte ${at}`);
      await writeFile(await only(), whole.subarray(0, at));
      assert.equal(await new BuildNotes(folder).read('app/f'), undefined, `${at} bytes`);
    }
    await writeFile(await only(), whole);
    assert.equal((await new BuildNotes(folder).read('app/f'))?.entry, 'main.js');
  });

  it('are bounded in number and in size', async () => {
    const notes = new BuildNotes(folder, 10);
    for (let at = 0; at < 11; at += 1) {
      await notes.write(`app/f${at}`, noteOf(`${at}.js`));
      for (const name of await readdir(folder)) {
        const text = await readFile(join(folder, name), 'utf8');
        const written = Number(/"entry":"(\d+)/.exec(text)![1]);
        await utimes(join(folder, name), written, written);
      }
    }
    assert.equal((await readdir(folder)).length, 10);
    assert.equal(await notes.read('app/f0'), undefined, 'the oldest went');
    assert.equal((await notes.read('app/f10'))?.entry, '10.js');
    await notes.write('app/f10', noteOf('big.js', [['x'.repeat(NOTE_BYTES_MAX), 'd']]));
    assert.equal(await notes.read('app/f10'), undefined, 'not an older state either');
  });

  it('are missing where nothing can be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const notes = new BuildNotes(join(file, 'notes'));
    await notes.write('app/f', noteOf('main.js'));
    assert.equal(await notes.read('app/f'), undefined);
  });
});
