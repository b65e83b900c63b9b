import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { exerciseSandbox, makeSandboxFolder } from '../ports/conformance/sandbox.ts';
import { createProcessSandbox } from './sandbox-process.ts';

describe('process sandbox', {
  skip: process.platform !== 'linux' && 'the process table is read from /proc',
}, () => {
  exerciseSandbox({
    open: (folder) =>
      createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined }),
    source: (folder) => `
      import { createProcessSandbox } from ${JSON.stringify(new URL('./sandbox-process.ts', import.meta.url).href)};
      const sandbox = await createProcessSandbox({ runDir: ${JSON.stringify(join(folder, 'run'))}, log });`,
  });

  it('says that it does not isolate', async () => {
    const folder = await makeSandboxFolder();
    const sandbox = await createProcessSandbox({
      runDir: join(folder, 'run'),
      log: silentLog,
      advice: 'Do this.',
    });
    const description = await sandbox.describe();
    assert.equal(description.level, 'E');
    assert.match(description.summary, /not isolated/);
    assert.equal(description.advice, 'Do this.');
    assert.ok(description.protections.some(({ name, enforced }) => name === 'files' && !enforced));
    await sandbox.close();
    await rm(folder, { recursive: true });
  });
});
