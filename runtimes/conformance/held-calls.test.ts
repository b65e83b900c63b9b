/** Calls that are sent ahead of their turn, in each language that takes them (`src/model/frames.ts`). */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { delay, systemClock } from '../../src/base/clock.ts';
import { type BootMessage, CANCEL_REASON, encodeFrame, FRAME, HELD_MAX } from '../../src/model/frames.ts';
import { startPython } from './python-instance.ts';
import { type Exchange, TestInstance } from './test-instance.ts';

const LANGUAGES = {
  node: (boot?: Partial<BootMessage>) => TestInstance.start('held.mjs', boot),
  python: (boot?: Partial<BootMessage>) => startPython('held.py', boot),
};

/** The steps that have begun, in order. */
const begun = (instance: TestInstance): string[] =>
  instance.logs.filter(({ text }) => text.startsWith('begin ')).map(({ text }) => text.slice(6));

const wasReturned = ({ kinds }: Exchange): boolean => kinds.includes(FRAME.RETURNED);

for (const [language, start] of Object.entries(LANGUAGES)) {
  const open = async (): Promise<TestInstance> => {
    const instance = await start();
    instance.write(encodeFrame(FRAME.AHEAD, 0, 0));
    await instance.until(() => instance.holds);
    return instance;
  };
  /** Events in one write, as the platform sends them. */
  const send = (
    instance: TestInstance,
    ...events: { step: number; how?: string; ms?: number; until?: string }[]
  ): Exchange[] => instance.together(() => events.map((event) => instance.event(event)));

  describe(`calls ahead of their turn: ${language}`, { timeout: 30_000 }, () => {
    it('run one after the other, in their order', async () => {
      await using instance = await open();
      const steps = Array.from({ length: 1 + HELD_MAX }, (_, step) => ({ step, how: 'wait', ms: 1 }));
      const calls = send(instance, ...steps);
      await Promise.all(calls.map((call) => call.end()));
      // On a machine that is slow just now some may go back.
      const ran = steps.filter((_, at) => !wasReturned(calls[at]!));
      assert.deepEqual(
        calls.filter((call) => !wasReturned(call)).map(({ text }) => text),
        ran.map(({ step }) => `"${step} of 1"`),
      );
      assert.deepEqual(
        begun(instance),
        ran.map(({ step }) => String(step)),
      );
    });

    it('go back, unbegun, where the one before them takes long', async () => {
      await using instance = await open();
      const [long, ...others] = send(instance, { step: 1, how: 'wait', ms: 400 }, { step: 2 }, { step: 3 });
      await Promise.all(others.map((call) => call.until(wasReturned)));
      assert.equal(long!.ended, false);
      // What comes later goes back as well.
      const [later] = send(instance, { step: 4 });
      await later!.until(wasReturned);
      await long!.end();
      const [next] = send(instance, { step: 5 });
      await next!.end();
      assert.deepEqual(begun(instance), ['1', '5']);
    });

    it('have not begun when the process ends in one before them; what ended before has its answer', async () => {
      await using instance = await open();
      const calls = send(instance, { step: 1 }, { step: 2 }, { step: 3, how: 'exit' }, { step: 4 });
      await instance.until(() => instance.exitCode !== undefined);
      assert.deepEqual(
        calls.map(({ ended }) => ended),
        [true, true, false, false],
      );
      assert.deepEqual(begun(instance), ['1', '2', '3']);
    });

    it('do not begin when nobody wants them any more', async () => {
      await using instance = await open();
      const [first, second] = send(instance, { step: 1, how: 'wait', ms: 100 }, { step: 2 });
      second!.cancel(CANCEL_REASON.callerGone);
      await Promise.all([first!.end(), second!.end()]);
      // Python reads on only now and then while the code runs.
      if (language === 'node') assert.deepEqual(begun(instance), ['1']);
    });

    // A thread of Python can look while another one computes; Node.js has only one.
    if (language === 'node')
      it('wait for one that leaves nobody time to give them back', async () => {
        await using instance = await open();
        const [long, other] = send(instance, { step: 1, how: 'spin', ms: 200 }, { step: 2 });
        await long!.end();
        await other!.end();
        assert.deepEqual(begun(instance), ['1', '2']);
      });
    else
      it('go back while one computes', async () => {
        await using instance = await open();
        const folder = await mkdtemp(join(tmpdir(), 'lambent-held-'));
        const until = join(folder, 'over');
        const [long, other] = send(instance, { step: 1, how: 'spin', until }, { step: 2 });
        await other!.until(wasReturned);
        await writeFile(until, '');
        await long!.end();
        await rm(folder, { recursive: true });
        assert.deepEqual(begun(instance), ['1']);
      });

    it('are refused where several run at once', async () => {
      await using instance = await start({ concurrency: 10 });
      instance.write(encodeFrame(FRAME.AHEAD, 0, 0));
      instance.ping();
      await instance.until(() => instance.pongs === 1);
      assert.equal(instance.holds, false);
    });
  });
}

describe('calls ahead of their turn: the thread that looks after them in Python', { timeout: 30_000 }, () => {
  it('sleeps while nothing happens, and is there again', async () => {
    await using instance = await LANGUAGES.python();
    instance.write(encodeFrame(FRAME.AHEAD, 0, 0));
    await instance.until(() => instance.holds);
    const tasks = `/proc/${instance.child.pid}/task`;
    const thread = (await readdir(tasks)).find((id) => Number(id) !== instance.child.pid);
    /** How often it has gone to sleep. */
    const naps = async (): Promise<string> =>
      /voluntary_ctxt_switches:\s*(\d+)/.exec(await readFile(`${tasks}/${thread}/status`, 'utf8'))![1]!;
    let before = '';
    for (let now = await naps(); now !== before; now = await naps()) {
      before = now;
      await delay(systemClock, 200);
    }
    const [long, other] = [
      { step: 1, how: 'wait', ms: 400 },
      { step: 2, how: '' },
    ].map((event) => instance.event(event));
    await other!.until(wasReturned);
    await long!.end();
  });
});

describe('calls ahead of their turn: an exception that nobody catches', { timeout: 30_000 }, () => {
  it('sends those back that wait: the state of the process is not to be trusted', async () => {
    await using instance = await LANGUAGES.node();
    instance.write(encodeFrame(FRAME.AHEAD, 0, 0));
    await instance.until(() => instance.holds);
    const events = [{ step: 1, how: 'throw-late' }, { step: 2 }];
    const calls = instance.together(() => events.map((event) => instance.event(event)));
    await instance.until(() => instance.retired);
    await calls[1]!.until(wasReturned);
    // So does one that was on its way …
    const late = instance.event({ step: 3 });
    await late.until(wasReturned);
    assert.deepEqual(begun(instance), ['1']);
    // … but nobody has kept the beginning of one whose body is still to come.
    const part = instance.open({ method: 'POST', complete: false });
    part.send('', true);
    await part.end();
    assert.equal(part.status, 200);
  });

  it('sends those back as well that come to an instance that was never asked to hold any', async () => {
    await using instance = await LANGUAGES.node({ concurrency: 10 });
    instance.event({ step: 1, how: 'throw-late' });
    await instance.until(() => instance.retired);
    await instance.event({ step: 2 }).until(wasReturned);
    assert.deepEqual(begun(instance), ['1']);
  });
});

describe('calls ahead of their turn: behind one whose answer has left and whose code goes on', {
  timeout: 30_000,
}, () => {
  it('stay where they are: as far as the platform knows, their turn has come', async () => {
    await using instance = await startPython('held_wsgi.py', { concurrency: 1 });
    instance.write(encodeFrame(FRAME.AHEAD, 0, 0));
    await instance.until(() => instance.holds);
    await instance.request();
    // Its code works on for many times the while after which a call goes back.
    const next = await instance.request();
    assert.equal(wasReturned(next), false);
    assert.equal(next.text, 'done');
  });
});
