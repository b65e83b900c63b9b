import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../base/clock.ts';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import type { FunctionConfig, FunctionVersion } from '../model/function.ts';
import type { InstancePool, Lease } from '../ports/instance-pool.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';
import { call, createScriptedPool, version } from './fixtures/scripted-pool.ts';
import type { PoolLimits } from './pool.ts';

/** Calls at once that bring an instance to hold some. */
const CALLERS = 8;
const CALLS_MAX = 20_000;

describe('calls ahead of their turn', { timeout: 60_000 }, () => {
  let folder = '';
  let sandbox: Sandbox;
  const pools: InstancePool[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-ahead-'));
    sandbox = await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined });
  });
  after(async () => {
    await Promise.all(pools.map((pool) => pool.close(0)));
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  function create(limits: Partial<PoolLimits>): InstancePool {
    const pool = createScriptedPool(sandbox, folder, limits, () => {}, createDefects(silentLog));
    pools.push(pool);
    return pool;
  }

  /** A pool with one instance that takes calls ahead: its calls were short for a while. */
  async function open(config: Partial<FunctionConfig> = {}): Promise<[InstancePool, FunctionVersion]> {
    // However slow the machine is, these calls are short.
    const pool = create({ heldWaitMs: 10_000 });
    const which = version({ concurrency: 1, maxInstances: 1, ...config });
    let holds = false;
    let left = CALLS_MAX;
    const press = async (): Promise<void> => {
      while (!holds && left > 0) {
        left -= 1;
        holds ||= (await call(pool, which, '/asked')).body === 'true';
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, press));
    assert.ok(holds, `after ${CALLS_MAX} calls it was not asked`);
    return [pool, which];
  }

  /** A call that runs, and some behind it in the same instance. */
  function behind(pool: InstancePool, which: FunctionVersion, first: string) {
    const leases: Lease[] = [];
    const note = (lease: Lease): void => void leases.push(lease);
    const running = call(pool, which, first, note);
    const others = [1, 2, 3].map(() => call(pool, which, '/ok', note));
    assert.equal(new Set(leases.map(({ instance }) => instance)).size, 1);
    assert.equal(leases.length, 4, 'all were handed over');
    return { running, others: Promise.all(others), leases };
  }

  it('are taken by an instance whose calls are short', async () => {
    const [pool, which] = await open();
    const { running, others } = behind(pool, which, '/ok');
    const pid = (await running).body;
    assert.deepEqual(
      (await others).map(({ body }) => body),
      [pid, pid, pid],
    );
  });

  it('stay in the platform where calls take some milliseconds', async () => {
    const pool = create({});
    const which = version({ concurrency: 1, maxInstances: 1 });
    for (let count = 0; count < 20; count += 1) await call(pool, which, '/compute');
    const leases: Lease[] = [];
    const some = [1, 2].map(() => call(pool, which, '/compute', (lease) => void leases.push(lease)));
    assert.equal(leases.length, 1);
    await Promise.all(some);
  });

  it('go to another instance when theirs ends before they have begun', async () => {
    const [pool, which] = await open();
    const before = (await call(pool, which, '/ok')).body;
    const { running, others } = behind(pool, which, '/exit');
    assert.equal((await running).error?.code, 'E_FUNCTION_EXITED');
    for (const { error, body, lease } of await others) {
      assert.equal(error, undefined);
      assert.notEqual(body, before);
      assert.ok(lease!.queueMs + lease!.startMs > 0, 'all of the wait is told');
    }
  });

  it('go to another instance when the one before them runs out of time', async () => {
    const [pool, which] = await open({ timeoutMs: 300 });
    const { running, others } = behind(pool, which, '/spin');
    assert.equal((await running).error?.code, 'E_FUNCTION_TIMEOUT');
    for (const { error } of await others) assert.equal(error, undefined);
  });

  it('go to another instance when theirs gives them back', async () => {
    const [pool, which] = await open({ maxInstances: 2 });
    const before = (await call(pool, which, '/ok')).body;
    const { running, others, leases } = behind(pool, which, '/long');
    for (const { error, body } of await others) {
      assert.equal(error, undefined);
      assert.notEqual(body, before);
    }
    leases[0]!.body(Buffer.alloc(0), true);
    assert.equal((await running).body, 'released');
  });

  it('go to another instance when the one before them failed and theirs takes no more', async () => {
    for (const failing of ['/fail-and-return', '/fail-retire-return']) {
      const [pool, which] = await open();
      const before = (await call(pool, which, '/ok')).body;
      const { running, others } = behind(pool, which, failing);
      assert.equal((await running).error?.code, 'E_FUNCTION_ERROR', failing);
      for (const { error, body } of await others) {
        assert.equal(error, undefined, failing);
        assert.notEqual(body, before);
      }
    }
  });

  it('end with the others of an instance that breaks the protocol: nothing it says is believed', async () => {
    for (const breach of ['/no-frame', '/return-running', '/return-answered', '/holds']) {
      const [pool, which] = await open();
      const { running, others } = behind(pool, which, breach);
      for (const { error } of [await running, ...(await others)])
        assert.equal(error?.code, 'E_PROTOCOL', breach);
    }
  });

  it('are refused when the platform stops before they have begun', async () => {
    const [pool, which] = await open({ timeoutMs: 60_000 });
    const { running, others } = behind(pool, which, '/spin');
    await pool.close(1);
    assert.equal((await running).error?.code, 'E_SHUTTING_DOWN');
    for (const { error } of await others) assert.equal(error?.code, 'E_SHUTTING_DOWN');
  });

  it('are not the only ones that go back: so does one that met the wish to retire on its way', async () => {
    const pool = create({});
    const which = version({ maxInstances: 2 });
    const last = await call(pool, which, '/return-next');
    const next = await call(pool, which, '/ok');
    assert.equal(next.error, undefined);
    assert.notEqual(next.body, last.body);
    // The other one, which has nothing left to do, ends.
    while (pool.instances().length > 1) await delay(systemClock, 5);
    assert.equal(pool.instances()[0]!.activeInvocations, 0);
  });

  it('do not go from one instance to the next for ever', async () => {
    const { error } = await call(create({}), version({}, 'return-all'), '/ok');
    assert.equal(error?.code, 'E_PROTOCOL');
    assert.match(error.message, /^9 processes of function scripted took the call and gave it back/);
  });

  it('do not go back in part: nobody has kept the beginning', async () => {
    const which = version({}, 'return-all');
    const { error } = await call(create({}), which, '/ok', undefined, undefined, undefined, false);
    assert.equal(error?.code, 'E_PROTOCOL');
    assert.match(error.message, /gave a call back that it had begun/);
  });
});
