/** Instances that windows by the clock keep: seen from outside, over a restart, without a single request to them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { delay, systemClock } from '../src/base/clock.ts';
import { REPOSITORY, startTestPlatform, type TestPlatform } from './platform-harness.ts';

const FETCH = `export default { fetch: () => new Response('answered') };`;
const OPENS_IN_MS = 4_000;

interface FunctionShown {
  readonly name: string;
  readonly instances: number;
  readonly kept: { readonly instances: number; readonly untilMs?: number };
}

async function functionsOf(lambent: TestPlatform): Promise<Map<string, FunctionShown>> {
  const { json } = await lambent.api('GET', '/functions');
  const { items } = json as { items: FunctionShown[] };
  return new Map(items.map((item) => [item.name, item]));
}

async function untilInstances(lambent: TestPlatform, name: string, count: number): Promise<FunctionShown> {
  for (let tries = 0; ; tries += 1) {
    const shown = (await functionsOf(lambent)).get(name)!;
    if (shown.instances === count) return shown;
    assert.ok(tries < 400, `${name} has ${shown.instances} instances`);
    await delay(systemClock, 50);
  }
}

describe('functions kept warm by a schedule', { timeout: 60_000 }, () => {
  let folder = '';
  let lambent: TestPlatform;
  let opensMs = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-keep-warm-'));
    opensMs = Math.ceil((systemClock.nowMs() + OPENS_IN_MS) / 1_000) * 1_000;
    const opens = new Date(opensMs).toISOString().replace('.000', '');
    // So many that a deploy starts none of them for its own sake.
    const others = Array.from({ length: 8 }, (_, at) => [`functions/other${at}.js`, FETCH]);
    const names = others.map((_, at) => `  other${at}: {}\n`).join('');
    lambent = await startTestPlatform(
      {
        app: {
          'lambent.yaml': `functions:
  always: { keepWarm: [{ schedule: every 24h, for: 24h, instances: 2 }] }
  soon: { keepWarm: [{ schedule: at ${opens}, for: 24h, instances: 2, timezone: Europe/Berlin }] }
${names}`,
          'functions/always.js': FETCH,
          'functions/soon.js': FETCH,
          ...Object.fromEntries(others),
        },
      },
      { folder },
    );
  });
  after(async () => {
    await lambent.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('have their instances after a deploy, and when their window opens', async () => {
    const { kept } = await untilInstances(lambent, 'always', 2);
    assert.equal(kept.instances, 2);
    assert.ok(kept.untilMs! > systemClock.nowMs());
    const soon = await untilInstances(lambent, 'soon', 2);
    assert.ok(systemClock.nowMs() >= opensMs, 'not before');
    assert.deepEqual(soon.kept, { instances: 2, untilMs: opensMs + 86_400_000 });
    assert.equal((await functionsOf(lambent)).get('other0')!.instances, 0);
  });

  it('are shown with what is kept by `lambent ls`', async () => {
    const program = join(REPOSITORY, 'bin/lambent.js');
    const { stdout } = await promisify(execFile)(program, ['ls', '--to', lambent.url], { timeout: 30_000 });
    assert.match(stdout, /always .* 2, 2 kept /);
    assert.match(stdout, /other0 .* 0 /);
  });

  it('have them after a restart', async () => {
    await lambent.platform.close();
    lambent = await startTestPlatform({}, { folder });
    await untilInstances(lambent, 'always', 2);
    await untilInstances(lambent, 'soon', 2);
  });
});
