import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../base/clock.ts';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { KeepWarmWindow } from '../model/keep-warm.ts';
import type { InstancePool } from '../ports/instance-pool.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';
import { call, createScriptedPool, version } from './fixtures/scripted-pool.ts';

const MINUTE_MS = 60_000;
const START_MS = Date.parse('2026-03-13T07:58:00Z');
/** From 08:00 to 08:02. */
const EIGHT: KeepWarmWindow = {
  when: { kind: 'cron', expression: '0 8 * * *' },
  timeZone: 'UTC',
  lengthMs: 2 * MINUTE_MS,
  instances: 2,
};

/** Waits, in real time, until so many instances are ready and no others are there. */
async function untilReady(pool: InstancePool, count: number): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const states = pool.instances().map(({ state }) => state);
    if (states.length === count && states.every((state) => state === 'ready' || state === 'frozen')) return;
    assert.ok(tries < 2_000, `instances are ${states.join(', ') || 'gone'}`);
    await delay(systemClock, 5);
  }
}

describe('instances kept warm by the clock', { timeout: 60_000 }, () => {
  let folder = '';
  let sandbox: Sandbox;
  const pools: InstancePool[] = [];

  function open(clock: ManualClock): InstancePool {
    const pool = createScriptedPool(
      sandbox,
      folder,
      {},
      () => {},
      createDefects(silentLog),
      undefined,
      clock,
    );
    pools.push(pool);
    return pool;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-keep-warm-'));
    sandbox = await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined });
  });
  after(async () => {
    await Promise.all(pools.map((pool) => pool.close(0)));
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('start when their window opens, stay without work, and end with it', async () => {
    const clock = new ManualClock(START_MS);
    const pool = open(clock);
    pool.keep(version({ keepWarm: [EIGHT], idleMs: 1_000 }), 1);
    clock.advance(2 * MINUTE_MS - 1);
    assert.equal(pool.instances().length, 0);
    clock.advance(1);
    assert.equal(pool.instances().length, 2);
    await untilReady(pool, 2);
    clock.advance(2 * MINUTE_MS - 1);
    assert.equal(pool.instances().length, 2, 'idle for longer than `idle`');
    // The first sweep after the end of the window.
    clock.advance(21);
    await untilReady(pool, 0);
    clock.advance(MINUTE_MS);
    assert.equal(pool.instances().length, 0);
  });

  it('are there at once where the platform comes up within the window, and again after one has ended', async () => {
    const clock = new ManualClock(START_MS + 3 * MINUTE_MS);
    const pool = open(clock);
    const which = version({ keepWarm: [EIGHT] });
    pool.keep(which, 1);
    await untilReady(pool, 2);
    assert.equal((await call(pool, which, '/exit')).error?.code, 'E_FUNCTION_EXITED');
    await untilReady(pool, 2);
  });

  it('leave the minimum outside of their window', async () => {
    const clock = new ManualClock(START_MS + 3 * MINUTE_MS);
    const pool = open(clock);
    pool.keep(version({ keepWarm: [EIGHT], minInstances: 1, idleMs: 1_000 }), 1);
    await untilReady(pool, 2);
    clock.advance(MINUTE_MS + 20);
    await untilReady(pool, 1);
  });

  it('are none of a version that is no longer live', async () => {
    const clock = new ManualClock(START_MS);
    const pool = open(clock);
    const before = version({ keepWarm: [EIGHT] });
    const live = version({ keepWarm: [EIGHT] });
    pool.keep(before, 1);
    pool.keep(live, 2);
    pool.retainOnly(({ id }) => id === live.id);
    clock.advance(2 * MINUTE_MS);
    assert.deepEqual([...new Set(pool.instances().map((instance) => instance.version))], [live.id]);
    await untilReady(pool, 2);
  });

  it('are there soon when the clock of the machine is set into the window', async () => {
    const clock = new ManualClock(START_MS - 10 * MINUTE_MS);
    const jumped = { byMs: 0 };
    const nowMs = clock.nowMs.bind(clock);
    clock.nowMs = () => nowMs() + jumped.byMs;
    const pool = open(clock);
    pool.keep(version({ keepWarm: [EIGHT] }), 1);
    jumped.byMs = 12 * MINUTE_MS;
    clock.advance(MINUTE_MS - 1);
    assert.equal(pool.instances().length, 0);
    clock.advance(1);
    await untilReady(pool, 2);
  });

  it('need no timer without a window, and none once the platform stops', async () => {
    const clock = new ManualClock(START_MS);
    const pool = open(clock);
    pool.keep(version(), 1);
    assert.equal(clock.pending, 0);
    pool.keep(version({ keepWarm: [EIGHT] }), 1);
    assert.equal(clock.pending, 1);
    await pool.close(0);
    assert.equal(clock.pending, 0);
  });
});
