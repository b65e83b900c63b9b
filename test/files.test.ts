import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { startTestPlatform } from './platform-harness.ts';

it('a file that is put into a watched folder runs a function with its content', {
  timeout: 60_000,
}, async () => {
  const inbox = await mkdtemp(join(tmpdir(), 'lambent-inbox-'));
  const lambent = await startTestPlatform({
    shop: {
      'lambent.yaml': `
app: shop
functions:
  read:
    on:
      - files: { folder: ${JSON.stringify(inbox)}, match: ["*.csv"], settle: 0, existing: true, content: true }
`,
      'functions/read.js':
        'export const handler = async ({ type, data }) => { console.log([type, data.path, data.content].join(" ")); };',
    },
  });
  try {
    await writeFile(join(inbox, 'other.txt'), 'no');
    await writeFile(join(inbox, 'orders.csv'), '7;120');
    // It may be looked at before it has its content; the next look tells of that.
    const { text } = await lambent.waitForLog((line) => line.text.includes('7;120'));
    assert.match(text, /^lambent\.file\.(?:create|change) orders\.csv 7;120$/);
    const { json } = await lambent.api('GET', '/triggers');
    const [trigger] = (json as { items: { id: string; trouble?: string }[] }).items;
    assert.deepEqual([trigger!.id, trigger!.trouble], ['shop/read-files', undefined]);
  } finally {
    await lambent.close();
    await rm(inbox, { recursive: true });
  }
});
