import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InstanceId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { encodeFrame, FRAME } from '../model/frames.ts';
import type { Pace, Sandbox, SandboxListener, SandboxProcess, SandboxSpec } from '../ports/sandbox.ts';
import { Prewarm, type ProcessKind } from './prewarm.ts';

/** The far side of the port: processes that only exist on paper, so that a test decides when one is loaded or dies. */
class PaperSandbox implements Pick<Sandbox, 'start'> {
  readonly started: { spec: SandboxSpec; listener: SandboxListener; killed: boolean; paces: Pace[] }[] = [];
  failing = false;

  async start(_id: InstanceId, spec: SandboxSpec, listener: SandboxListener): Promise<SandboxProcess> {
    if (this.failing) throw new Error('no more processes');
    const entry = { spec, listener, killed: false, paces: [] as Pace[] };
    this.started.push(entry);
    return {
      setPace: (pace: Pace) => void entry.paces.push(pace),
      kill: () => {
        if (entry.killed) return;
        entry.killed = true;
        listener.onExit({ code: null, signal: 'SIGKILL', exceeded: undefined });
      },
    } as unknown as SandboxProcess;
  }

  get alive(): number {
    return this.started.filter(({ killed }) => !killed).length;
  }

  load(at: number): void {
    this.started[at]!.listener.onData(encodeFrame(FRAME.WAITING, 0, 0));
  }
}

const kind = (memoryMb: number): ProcessKind => ({
  command: ['node'],
  env: {},
  readDirs: [],
  memoryMb,
  filesMax: 10,
  network: 'none',
});
const nobody: SandboxListener = { onData() {}, onOutput() {}, onExit() {} };

function setUp(waitingMax = 4, kindsMax = 2) {
  const clock = new ManualClock();
  const sandbox = new PaperSandbox();
  let ids = 0;
  const node = { busy: false };
  const prewarm = new Prewarm({
    sandbox: sandbox as unknown as Sandbox,
    clock,
    log: silentLog,
    mintInstanceId: () => {
      ids += 1;
      return String(ids);
    },
    limits: { waitingMax, kindsMax },
    isBusy: () => node.busy,
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await nextTurn();
  };
  return { clock, sandbox, prewarm, node, pass };
}

describe('processes that wait', () => {
  it('one is made for what is foreseen, without code, and handed over once', async () => {
    const { sandbox, prewarm, pass } = setUp();
    prewarm.foresee(kind(128));
    await pass(100);
    assert.equal(sandbox.started.length, 1);
    assert.equal(sandbox.started[0]!.spec.codeDir, undefined);
    sandbox.load(0);
    const taken = prewarm.take(kind(128));
    const heard: string[] = [];
    assert.ok(taken?.handOver({ ...nobody, onData: (chunk) => void heard.push(chunk.toString()) }));
    sandbox.started[0]!.listener.onData(Buffer.from('mine'));
    assert.deepEqual(heard, ['mine']);
    assert.deepEqual(sandbox.started[0]!.paces, [], 'it does not serve yet');
    assert.equal(prewarm.take(kind(128)), undefined, 'nobody gets it twice');
    assert.equal(prewarm.take(kind(256)), undefined, 'and none of another kind');
  });

  it('successors are made one at a time, when nothing else is starting', async () => {
    const { sandbox, prewarm, node, pass } = setUp();
    node.busy = true;
    for (let start = 0; start < 3; start += 1) assert.equal(prewarm.take(kind(128)), undefined);
    await pass(200);
    assert.equal(sandbox.started.length, 0);
    node.busy = false;
    await pass(200);
    assert.equal(sandbox.started.length, 1);
    await pass(200);
    assert.equal(sandbox.started.length, 1, 'the first is still loading');
    for (let next = 0; next < 3; next += 1) {
      sandbox.load(next);
      await pass(200);
    }
    assert.equal(sandbox.started.length, 3, 'as many as were asked for');
  });

  it('demand that is over lets the surplus go, and after long the last one too', async () => {
    const { sandbox, prewarm, pass } = setUp();
    for (let start = 0; start < 3; start += 1) prewarm.take(kind(128));
    for (let next = 0; next < 3; next += 1) {
      await pass(200);
      sandbox.load(next);
    }
    assert.equal(prewarm.size, 3);
    await pass(90_000);
    assert.deepEqual([prewarm.size, sandbox.alive], [1, 1]);
    await pass(3_600_000);
    assert.deepEqual([prewarm.size, sandbox.alive], [0, 0]);
  });

  it('their number has a limit, and so have their kinds', async () => {
    const { sandbox, prewarm, pass } = setUp(2, 2);
    for (const memoryMb of [1, 2, 3]) {
      prewarm.foresee(kind(memoryMb));
      await pass(200);
      sandbox.load(sandbox.started.length - 1);
    }
    await pass(200);
    assert.deepEqual(
      sandbox.started.map(({ spec, killed }) => [spec.memoryMb, killed]),
      [
        [1, true],
        [2, false],
        [3, false],
      ],
    );
  });

  it('one that dies or cannot be made is tried again, later and later', async () => {
    const { sandbox, prewarm, pass } = setUp();
    prewarm.foresee(kind(128));
    await pass(100);
    sandbox.started[0]!.listener.onExit({ code: 1, signal: null, exceeded: undefined });
    assert.equal(prewarm.size, 0);
    sandbox.failing = true;
    await pass(500);
    await pass(1_000);
    sandbox.failing = false;
    await pass(1_000);
    assert.equal(sandbox.started.length, 1, 'two seconds have not passed since the second failure');
    await pass(1_500);
    assert.equal(sandbox.started.length, 2);
  });

  it('one that speaks before it has code is ended', async () => {
    const { sandbox, prewarm, pass } = setUp();
    prewarm.foresee(kind(128));
    await pass(100);
    sandbox.started[0]!.listener.onData(encodeFrame(FRAME.READY, 0, 0, Buffer.from('{}')));
    assert.equal(sandbox.started[0]!.killed, true);
    assert.equal(prewarm.take(kind(128)), undefined);
  });

  it('one that never finishes loading is ended, and does not keep others from being made', async () => {
    const { sandbox, prewarm, pass } = setUp();
    prewarm.foresee(kind(128));
    await pass(100);
    prewarm.foresee(kind(256));
    await pass(1_000);
    assert.equal(sandbox.started.length, 1);
    await pass(20_000);
    assert.equal(sandbox.started[0]!.killed, true);
    await pass(100);
    assert.equal(sandbox.started[1]!.spec.memoryMb, 256);
  });

  it('one that is being started when its kind is given up ends too', async () => {
    const { clock, sandbox, prewarm } = setUp(4, 1);
    prewarm.foresee(kind(128));
    clock.advance(100);
    prewarm.foresee(kind(256));
    await nextTurn();
    assert.equal(sandbox.started[0]!.killed, true);
    assert.equal(prewarm.size, 0);
  });

  it('one that ends between taking and handing over is noticed', async () => {
    const { sandbox, prewarm, pass } = setUp();
    prewarm.foresee(kind(128));
    await pass(100);
    sandbox.load(0);
    const taken = prewarm.take(kind(128))!;
    sandbox.started[0]!.listener.onExit({ code: 1, signal: null, exceeded: undefined });
    assert.equal(taken.handOver(nobody), undefined);
  });

  it('none stays when the pool closes, not even one that is just being started', async () => {
    const { clock, sandbox, prewarm } = setUp();
    prewarm.foresee(kind(128));
    clock.advance(100);
    prewarm.close();
    await nextTurn();
    assert.equal(sandbox.alive, 0);
    assert.equal(clock.pending, 0);
  });
});
