import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { delay, systemClock } from '../base/clock.ts';
import { createDefects } from '../base/defects.ts';
import type { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { AppName } from '../model/function.ts';
import type { LogLine } from '../model/invocation.ts';
import type { InstancePool, Lease } from '../ports/instance-pool.ts';
import type { WaitingCaller } from '../ports/platform-calls.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';
import { call, createScriptedPool, mintInvocation, opening, version } from './fixtures/scripted-pool.ts';
import type { PoolLimits } from './pool.ts';
import type { ScaleUpOptions } from './scale-up.ts';

/** A promise with its resolver at hand, for signals. */
function signal(): { promise: Promise<void>; fire: () => void } {
  let fire = (): void => {};
  const promise = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { promise, fire };
}

/** Resolves when the pool has no instance left. */
async function gone(pool: InstancePool): Promise<void> {
  while (pool.instances().length > 0) await delay(systemClock, 5);
}

/** Callers that call again as soon as they are answered; resolves with the most instances there were. */
async function press(pool: InstancePool, command: string, callers: number, calls: number): Promise<number> {
  const which = version({ concurrency: 1, maxInstances: 100 });
  let most = 0;
  let left = calls;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      assert.equal((await call(pool, which, command)).error, undefined);
      most = Math.max(most, pool.instances().length);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  await pool.close(0);
  return most;
}

describe('pool', () => {
  let folder = '';
  let sandbox: Sandbox;
  const lines: LogLine[] = [];
  let onLine: (line: LogLine) => void = () => {};
  const pools: InstancePool[] = [];
  const defects = createDefects(silentLog);

  function open(limits: Partial<PoolLimits> = {}, scaleUp?: ScaleUpOptions): InstancePool {
    const pool = createScriptedPool(
      sandbox,
      folder,
      limits,
      (line) => {
        lines.push(line);
        onLine(line);
      },
      defects,
      scaleUp,
    );
    pools.push(pool);
    return pool;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-pool-'));
    sandbox = await createProcessSandbox({ runDir: join(folder, 'run'), log: silentLog, advice: undefined });
  });
  after(async () => {
    await Promise.all(pools.map((pool) => pool.close(0)));
    assert.deepEqual(await readdir(join(folder, 'run')), [], 'scratch folders are left');
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('starts an instance for the first call and keeps it for the next', async () => {
    const pool = open();
    const which = version();
    const first = await call(pool, which, '/ok');
    const second = await call(pool, which, '/ok');
    assert.equal(first.body, second.body);
    assert.deepEqual([first.lease?.cold, second.lease?.cold], [true, false]);
    assert.ok(first.lease!.startMs > 0);
    assert.deepEqual([second.lease?.queueMs, second.lease?.startMs], [0, 0]);
    const [instance] = pool.instances();
    assert.deepEqual(
      [instance?.state, instance?.servedInvocations, String(instance?.pid)],
      ['ready', 2, first.body],
    );
  });

  it('ends instances without work while the machine has no memory to spare, and no others', async () => {
    const pool = open({ spareBytes: Number.MAX_SAFE_INTEGER });
    const idle = await call(pool, version(), '/ok');
    assert.equal(idle.error, undefined);
    await gone(pool);
    const kept = version({ minInstances: 1 });
    const first = await call(pool, kept, '/ok');
    await call(pool, version(), '/ok');
    while (pool.instances().length > 1) await delay(systemClock, 5);
    assert.equal((await call(pool, kept, '/ok')).body, first.body);
  });

  it('shares one start among concurrent first calls', async () => {
    const pool = open();
    const which = version();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => call(pool, which, '/ok')));
    assert.equal(new Set(outcomes.map((outcome) => outcome.body)).size, 1);
  });

  it('starts more when one is not enough, up to the maximum, and queues the rest', async () => {
    const pool = open();
    const which = version({ concurrency: 1, maxInstances: 2 });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => call(pool, which, '/ok')));
    assert.ok(outcomes.every((outcome) => outcome.error === undefined));
    assert.ok(new Set(outcomes.map((outcome) => outcome.body)).size <= 2);
    assert.ok(pool.instances().length <= 2);
  });

  it('starts few instances for calls that compute, however many wait', async () => {
    const few = 4 * availableParallelism();
    const most = await press(open(), '/compute', 200, 400);
    assert.ok(most <= few, `${most} instances`);
  });

  it('starts many instances for calls that wait', async () => {
    const many = 2 * availableParallelism();
    const most = await press(open(), '/wait', 32, 160);
    assert.ok(most > many, `${most} instances`);
  });

  it('starts instances for calls that have every place and wait for each other', {
    timeout: 30_000,
  }, async () => {
    // However busy the machine is: on this clock no time passes after which more instances are tried out.
    const busy = { clock: new ManualClock(0), processors: 1, isMachineBusy: () => true };
    const pool = open({}, busy);
    const which = version({ concurrency: 1, maxInstances: 100 });
    const chains = [1, 2].map(async () => {
      const chain: WaitingCaller[] = [];
      for (let depth = 0; depth < 5; depth += 1) {
        const { promise, fire } = signal();
        const invocation = mintInvocation();
        void call(pool, which, '/call', fire, depth === 0 ? undefined : [...chain], invocation);
        chain.push({ version: which.id, invocation });
        await promise;
      }
    });
    // Neither has all places by itself.
    await Promise.all(chains);
    assert.equal(
      pool.instances().reduce((sum, { activeInvocations }) => sum + activeInvocations, 0),
      10,
    );
    await pool.close(0);
  });

  it('ends a call whose caller has a defect, and no other', async () => {
    const pool = open();
    const which = version();
    const opened = signal();
    const held = call(pool, which, '/hold', opened.fire);
    await opened.promise;
    const before = defects.count;
    const broken = new Promise<LambentError>((resolve) => {
      pool.acquire(which, 1, {
        onRefused: resolve,
        onLease(lease) {
          const listener = {
            onResponse() {
              throw new TypeError('a defect');
            },
            onResult() {},
            onBody() {},
            onCredit() {},
            onFailed() {},
            onLost: resolve,
          };
          lease.open({ ...opening(which, '/ok'), listener });
        },
      });
    });
    assert.equal((await broken).code, 'E_INTERNAL');
    const refused = await new Promise<LambentError>((resolve) => {
      const onLease = (): void => {
        throw new TypeError('another defect');
      };
      pool.acquire(which, 1, { onRefused: resolve, onLease });
    });
    assert.equal(refused.code, 'E_INTERNAL');
    assert.equal(defects.count - before, 2);
    assert.equal((await call(pool, which, '/ok')).error, undefined, 'the instance goes on');
    assert.equal(pool.instances()[0]!.activeInvocations, 1, 'no place is lost');
    await pool.close(0);
    assert.equal((await held).error?.code, 'E_SHUTTING_DOWN');
  });

  it('lets a Lambda handler do one thing at a time', async () => {
    const pool = open();
    const which = version({ env: { KIND: 'lambda' } });
    const opened = signal();
    const held = call(pool, which, '/hold', opened.fire);
    await opened.promise;
    const other = await call(pool, which, '/ok');
    assert.equal(pool.instances().length, 2);
    assert.equal(other.error, undefined);
    await pool.close(0);
    assert.equal((await held).error?.code, 'E_SHUTTING_DOWN');
  });

  it('refuses with 429 over the concurrency limit and the queue', async () => {
    const pool = open();
    const which = version({ maxConcurrency: 1, queueMax: 1 });
    await call(pool, which, '/ok');
    const opened = signal();
    const held = call(pool, which, '/hold', opened.fire);
    await opened.promise;
    const queued = call(pool, which, '/ok');
    const refused = await call(pool, which, '/ok');
    assert.equal(refused.error?.code, 'E_CONCURRENCY_LIMIT');
    assert.equal(refused.error?.retryAfterS, 1);
    assert.equal(pool.waiting, 1);
    await pool.close(0);
    assert.equal((await queued).error?.code, 'E_SHUTTING_DOWN');
    await held;
  });

  it('keeps reserved concurrency free for its function', async () => {
    const pool = open({ runningMax: 2 });
    const reserved = version({ reservedConcurrency: 1 });
    const other = version({ queueMax: 1 });
    await call(pool, reserved, '/ok');
    const opened = signal();
    const held = call(pool, other, '/hold', opened.fire);
    await opened.promise;
    const waiting = call(pool, other, '/ok');
    assert.equal((await call(pool, other, '/ok')).error?.code, 'E_CONCURRENCY_LIMIT');
    assert.equal((await call(pool, reserved, '/ok')).error, undefined);
    assert.equal(pool.waiting, 1);
    await pool.close(0);
    await Promise.all([held, waiting]);
  });

  it('leaves something for other apps, however much one wants', async () => {
    const pool = open({ runningMax: 4, waitingMax: 4 });
    const noisy = version();
    const quiet = { ...version(), app: 'other' as AppName };
    await call(pool, noisy, '/ok');
    const opened = Array.from({ length: 3 }, () => {
      const { promise, fire } = signal();
      void call(pool, noisy, '/hold', fire);
      return promise;
    });
    await Promise.all(opened);
    const waiting = Array.from({ length: 3 }, () => call(pool, noisy, '/ok'));
    assert.equal((await call(pool, noisy, '/ok')).error?.code, 'E_OVERLOADED');
    assert.equal(pool.waiting, 3);
    assert.equal((await call(pool, quiet, '/ok')).error, undefined);
    await pool.close(0);
    await Promise.all(waiting);
  });

  it('stops a call at its deadline, and the process with it', async () => {
    const pool = open();
    const which = version({ timeoutMs: 60 });
    await call(pool, which, '/ok');
    for (const command of ['/hold', '/spin']) {
      const outcome = await call(pool, which, command);
      assert.equal(outcome.error?.code, 'E_FUNCTION_TIMEOUT');
    }
    assert.equal((await call(pool, which, '/ok')).error, undefined);
  });

  it('lets others in the same process finish after a timeout, if the process still turns', async () => {
    const pool = open();
    const slow = version({ timeoutMs: 150 });
    await call(pool, slow, '/ok');
    const stuck = call(pool, slow, '/hold');
    assert.equal((await stuck).error?.code, 'E_FUNCTION_TIMEOUT');
    assert.equal((await call(pool, slow, '/ok')).error, undefined);
  });

  it('fails calls when the process ends under them, and serves the next from a new one', async () => {
    const pool = open();
    const which = version();
    assert.match((await call(pool, which, '/exit')).error!.message, /exit code 9/);
    assert.match((await call(pool, which, '/kill-self')).error!.message, /SIGSEGV/);
    assert.equal((await call(pool, which, '/ok')).error, undefined);
  });

  it('ends a process that takes more memory than it may, and says so', async () => {
    const pool = open();
    const outcome = await call(pool, version({ memoryMb: 200 }), '/eat-memory');
    assert.equal(outcome.error?.code, 'E_OUT_OF_MEMORY');
  });

  for (const command of [
    '/foreign-stream',
    '/no-frame',
    '/unknown-kind',
    '/bad-log',
    '/second-ready',
    '/flood',
    '/bad-call',
    '/call-for-another',
    '/call-twice',
    '/call-after-end',
    '/answer-on-call',
  ]) {
    it(`ends a process that breaks the protocol (${command}), and no other`, async () => {
      const pool = open();
      const [good, bad] = [version(), version()];
      const before = await call(pool, good, '/ok');
      assert.equal((await call(pool, bad, command)).error?.code, 'E_PROTOCOL');
      assert.equal((await call(pool, good, '/ok')).body, before.body);
    });
  }

  it('refuses one call more than may be open, and one of too many bytes', async () => {
    const pool = open();
    const which = version();
    assert.equal((await call(pool, which, '/many-calls')).body, 'E_TOO_MANY_CALLS');
    assert.equal((await call(pool, version(), '/large-call')).body, 'E_PAYLOAD_TOO_LARGE');
    assert.equal((await call(pool, which, '/ok')).error, undefined);
  });

  it('ends a process whose error report cannot be read', async () => {
    assert.equal((await call(open(), version(), '/bad-failed')).error?.code, 'E_PROTOCOL');
  });

  it('takes the first answer and ignores what comes after its end', async () => {
    const pool = open();
    const which = version();
    assert.equal((await call(pool, which, '/twice')).body, 'one');
    assert.equal((await call(pool, which, '/ok')).error, undefined);
  });

  it('tells every waiting call why the code cannot be loaded, and does not start it again at once', async () => {
    const pool = open();
    const which = version({}, 'fail');
    const outcomes = await Promise.all([call(pool, which, '/ok'), call(pool, which, '/ok')]);
    for (const { error } of outcomes) assert.match(error!.message, /SyntaxError: bad code/);
    const again = await call(pool, which, '/ok');
    assert.equal(again.error?.code, 'E_BOOT_FAILED');
    assert.equal(pool.instances().length, 0);
    assert.ok(lines.some((line) => line.stream === 'platform' && line.text.includes('at x.ts:1')));
  });

  it('takes no error code from an instance as it is', async () => {
    const { error } = await call(open(), version({}, 'fail-odd-code'), '/ok');
    assert.equal(error?.code, 'E_BOOT_FAILED');
    assert.equal(error?.facts.status, 502);
    assert.match(error!.message, /Odd: odd code/);
  });

  it('keeps the minimum of instances up, without work and after one ended', async () => {
    const pool = open();
    const which = version({ minInstances: 2, idleMs: 1 });
    const ready = async (): Promise<Set<number>> => {
      for (;;) {
        const up = pool.instances().filter(({ state }) => state === 'ready');
        if (up.length === 2) return new Set(up.map(({ pid }) => pid));
        await delay(systemClock, 5);
      }
    };
    pool.warm(which, 1);
    const first = await ready();
    assert.equal((await call(pool, which, '/exit')).error?.code, 'E_FUNCTION_EXITED');
    const second = await ready();
    assert.equal([...second].filter((pid) => first.has(pid)).length, 1, 'the other one lived on');
    pool.retainOnly(() => false);
    await gone(pool);
  });

  it('says so when the process ends or speaks another protocol while it loads', async () => {
    assert.equal((await call(open(), version({}, 'exit'), '/ok')).error?.code, 'E_BOOT_FAILED');
    assert.ok((await call(open(), version({}, 'wrong-protocol'), '/ok')).error);
  });

  it('gives no more work to an instance that retires', async () => {
    const pool = open();
    const which = version();
    const last = await call(pool, which, '/retire');
    const next = await call(pool, which, '/ok');
    assert.notEqual(next.body, last.body);
  });

  it('ends instances of versions that are no longer live, after their work', async () => {
    const pool = open();
    const which = version();
    await call(pool, which, '/ok');
    let lease: Lease | undefined;
    const opened = signal();
    const held = call(pool, which, '/hold', (taken) => {
      lease = taken;
      opened.fire();
    });
    await opened.promise;
    pool.retainOnly(() => false);
    assert.deepEqual(
      pool.instances().map(({ activeInvocations }) => activeInvocations),
      [1],
    );
    lease!.body(Buffer.from('go'), true);
    assert.equal((await held).body, 'released');
    await gone(pool);
  });

  it('withdraws a call that still waits', async () => {
    const pool = open();
    const which = version({ concurrency: 1, maxInstances: 1 });
    let lease: Lease | undefined;
    const opened = signal();
    const held = call(pool, which, '/hold', (taken) => {
      lease = taken;
      opened.fire();
    });
    await opened.promise;
    const withdraw = pool.acquire(which, 1, {
      onLease: () => assert.fail('withdrawn'),
      onRefused: () => assert.fail('withdrawn'),
    });
    assert.equal(pool.waiting, 1);
    withdraw();
    assert.equal(pool.waiting, 0);
    lease!.body(Buffer.from('go'), true);
    await held;
    assert.equal((await call(pool, which, '/ok')).error, undefined);
  });

  it('ends idle instances', async () => {
    const pool = open();
    const which = version({ idleMs: 30 });
    const { body } = await call(pool, which, '/ok');
    await gone(pool);
    assert.throws(() => process.kill(Number(body), 0), /ESRCH/);
  });

  it('ties log lines to their invocation, raw output too when only one runs', async () => {
    const pool = open();
    const which = version();
    lines.length = 0;
    await call(pool, which, '/log');
    const inside = lines.find((line) => line.text === 'from inside');
    assert.deepEqual(
      [inside?.severity, inside?.stream, inside?.timeMs],
      ['error', 'stderr', 1_700_000_000_000],
    );
    assert.ok(inside?.invocation);
    const heard = signal();
    onLine = (line) => line.text === 'raw words' && heard.fire();
    await Promise.all([call(pool, which, '/raw-output'), heard.promise]);
    assert.ok(lines.find((line) => line.text === 'raw words')?.invocation);
  });
});
