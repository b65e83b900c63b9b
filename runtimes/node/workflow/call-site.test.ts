import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/** What an author's code does, with the runtime's function `entry` in the third line and in the fourth. */
const AUTHOR = `
export function twice(entry) {
  const first = entry();
  return [first, entry(), [0].map(() => entry())[0]];
}
`;

const runtime = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);

describe('the place that an operation is begun at', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-call-site-'));
    await writeFile(join(folder, 'order.js'), AUTHOR);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** In a process of its own: what is done to `Error` is done to all of it. */
  async function placesAfter(tampering: string): Promise<unknown> {
    const program = `
      import { callSite } from ${runtime('./call-site.ts')};
      import { setCodeDir } from ${runtime('../failure.ts')};
      import { twice } from ${JSON.stringify(pathToFileURL(join(folder, 'order.js')).href)};
      setCodeDir(${JSON.stringify(folder)});
      ${tampering}
      function entry() { return callSite(entry); }
      const round = () => twice(entry);
      round();
      const known = round();
      const direct = twice(callSite);
      console.log(JSON.stringify({ known, direct, limit: Error.stackTraceLimit, stack: typeof new Error('x').stack }));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    return JSON.parse(stdout);
  }

  const places = ['order.js:3', 'order.js:4', 'order.js:4'];

  test('is the line of the code that called, the first time and again', async () => {
    assert.deepEqual(await placesAfter(''), { known: places, direct: places, limit: 10, stack: 'string' });
  });

  test('is found whatever that code did to errors, and leaves it as it was', async () => {
    const own = 'Error.stackTraceLimit = 0; Error.prepareStackTrace = (error, frames) => frames.length;';
    assert.deepEqual(await placesAfter(own), { known: places, direct: places, limit: 0, stack: 'number' });
    assert.deepEqual(await placesAfter('Object.freeze(Error);'), {
      ...{ known: places, direct: places, limit: 10, stack: 'string' },
    });
  });
});
