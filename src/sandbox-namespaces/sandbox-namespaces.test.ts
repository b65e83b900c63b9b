import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { exerciseSandbox } from '../ports/conformance/sandbox.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { openNamespacesSandbox } from './sandbox-namespaces.ts';

/** The driver in this folder. A machine that cannot have it fails the test: what is promised has to be shown. */
async function open(folder: string): Promise<Sandbox> {
  const sandbox = await openNamespacesSandbox({
    runDir: join(folder, 'run'),
    codeRoot: join(folder, 'code'),
    clock: systemClock,
    log: silentLog,
  });
  assert.ok(!('reason' in sandbox), 'reason' in sandbox ? `${sandbox.reason}. ${sandbox.advice}` : '');
  return sandbox;
}

describe('namespaces sandbox', { skip: process.platform !== 'linux' && 'needs Linux' }, () => {
  exerciseSandbox({
    open,
    source: (folder) => `
      import { systemClock } from ${JSON.stringify(new URL('../base/clock.ts', import.meta.url).href)};
      import { openNamespacesSandbox } from ${JSON.stringify(new URL('./sandbox-namespaces.ts', import.meta.url).href)};
      const sandbox = await openNamespacesSandbox({ runDir: ${JSON.stringify(join(folder, 'run'))}, codeRoot: ${JSON.stringify(join(folder, 'code'))}, clock: systemClock, log });`,
  });
});
