import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { WITHOUT_GO } from '../../../../sdk/go/test-go.ts';
import { systemClock } from '../../../base/clock.ts';
import { type GoToolchain, installCommand, lookForGo, proxiesOnly, selectToolchain } from './go-toolchain.ts';

it('uploads are built with the proxies of a setting, and never with hosts of their own', () => {
  for (const [setting, proxies] of [
    ['https://a.test,direct', 'https://a.test'],
    ['https://a.test|https://b.test,direct', 'https://a.test|https://b.test'],
    ['https://a.test|direct|https://b.test', 'https://a.test|https://b.test'],
    ['direct,https://a.test', 'https://a.test'],
    ['https://a.test/direct, direct ', 'https://a.test/direct'],
    ['file:///modules', 'file:///modules'],
    ['direct', 'off'],
    ['off', 'off'],
    ['', 'off'],
  ] as const)
    assert.equal(proxiesOnly(setting), proxies, setting);
});

/** Go fetches it once for a machine, from where it gets modules. */
const PINNED = '1.25.0';

describe('the toolchain of a module', { skip: WITHOUT_GO, timeout: 150_000 }, () => {
  const place = {
    ...{ clock: systemClock, signal: undefined, confined: false },
    ...{ onLine: () => {}, bench: undefined, containing: undefined },
  };
  async function select(pinned: string): Promise<{ toolchain: GoToolchain; says: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-toolchain-'));
    try {
      const toolchain = await selectToolchain({ ...place, folder }, pinned, folder);
      const failure = { code: 'E_BUILD_FAILED', hint: 'Look.' } as const;
      return { toolchain, says: await toolchain.run({ ...place, folder }, ['env', 'GOVERSION'], failure) };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  it('is the one that the manifest pins, which Go fetches where it is not there', async () => {
    const { toolchain, says } = await select(PINNED);
    assert.equal(toolchain.version, PINNED);
    assert.equal(says.trim(), `go${PINNED}`);
  });

  it('that is too old is said so by the doctor, with the one command that brings another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-old-go-'));
    const { PATH } = process.env;
    try {
      await writeFile(join(folder, 'go'), '#!/bin/sh\necho go1.19.8\n', { mode: 0o755 });
      process.env.PATH = `${folder}:${PATH}`;
      const { status, text, fix } = await lookForGo();
      assert.deepEqual([status, text], ['warn', 'Go 1.19.8 is too old: functions need 1.22.']);
      assert.equal(fix, installCommand());
    } finally {
      process.env.PATH = PATH;
      await rm(folder, { recursive: true, force: true });
    }
    assert.equal((await lookForGo()).status, 'ok');
  });

  it('that nobody has fails with what to do', async () => {
    await assert.rejects(select('1.25.999'), (error: { code: string; hint: string }) => {
      assert.equal(error.code, 'E_TOOLCHAIN_MISSING');
      assert.match(error.hint, /Is it a version of Go\? This machine must reach its module proxy/);
      return true;
    });
  });
});
