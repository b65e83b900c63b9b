import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { exerciseSandbox, makeSandboxFolder } from '../ports/conformance/sandbox.ts';
import type { Sandbox, SandboxDescription } from '../ports/sandbox.ts';
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

  it('contains an ordinary user’s functions too, and says that memory is only watched', {
    skip: process.getuid?.() !== 0 && 'needs root to become one',
  }, async (context) => {
    const folder = await makeSandboxFolder();
    after(() => rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o777);
    const program = join(folder, 'platform.ts');
    const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    await writeFile(
      program,
      `import { systemClock } from ${url('../base/clock.ts')};
       import { silentLog } from ${url('../base/log.ts')};
       import { openNamespacesSandbox } from ${url('./sandbox-namespaces.ts')};
       const folder = ${JSON.stringify(join(folder, 'own'))};
       const sandbox = await openNamespacesSandbox({ runDir: folder + '/run', codeRoot: folder + '/code', clock: systemClock, log: silentLog });
       console.log(JSON.stringify('reason' in sandbox ? sandbox : await sandbox.describe()));
       await sandbox.close?.();`,
    );
    const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
    const canRead = spawnSync('setpriv', [...asNobody, 'cat', fileURLToPath(import.meta.url)]).status === 0;
    if (!canRead) {
      context.skip('another user cannot read this repository');
      return;
    }
    const { stdout, stderr } = spawnSync('setpriv', [...asNobody, process.execPath, program], {
      encoding: 'utf8',
    });
    assert.notEqual(stdout, '', stderr);
    const { level, summary, advice, protections } = JSON.parse(stdout) as SandboxDescription;
    assert.equal(level, 'D', stdout);
    assert.match(summary, /memory is watched, not limited/);
    assert.match(advice!, /as root/);
    const enforced = new Map(protections.map((each) => [each.name, each.enforced]));
    for (const name of ['files', 'processes', 'network', 'environment', 'system calls'])
      assert.equal(enforced.get(name), true, name);
    for (const name of ['memory', 'identity']) assert.equal(enforced.get(name), false, name);
  });
});
