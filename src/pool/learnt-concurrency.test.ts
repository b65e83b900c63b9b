import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '../base/random.ts';
import { CONCURRENCY_LEAST, CONCURRENCY_MOST, LearntConcurrency } from './learnt-concurrency.ts';

interface Curve {
  /** Time of the one processor that a call takes, before it waits for something else. */
  readonly computesMs: number;
  readonly waitsMs: number;
  /** 0: each waits as long as any other. Else most wait shorter and some much longer. */
  readonly noise?: number;
}

interface Load extends Curve {
  /** Callers that call again as soon as they are answered. */
  readonly callers: number;
  readonly calls: number;
  readonly learnt?: LearntConcurrency;
  readonly fromMs?: number;
  readonly most?: number;
}

interface Seen {
  readonly learnt: LearntConcurrency;
  readonly nowMs: number;
  /** What the limit was, at each answer. */
  readonly limits: readonly number[];
  /** Answers in a second, of the last half. */
  readonly rate: number;
}

/** One instance with one processor, which takes calls in the order in which they come, and others that wait for a place. */
function play(load: Load): Seen {
  const { computesMs, waitsMs, noise = 0, callers, calls, fromMs = 0, most = CONCURRENCY_MOST } = load;
  const learnt = load.learnt ?? new LearntConcurrency();
  const random = createSeededRandom(7);
  const running: { beganMs: number; endMs: number; amongAtBegin: number }[] = [];
  const limits: number[] = [];
  let nowMs = fromMs;
  let freeMs = fromMs;
  let halfMs = fromMs;
  for (let answered = 0; answered < calls; answered += 1) {
    while (running.length < Math.min(callers, learnt.limit(most))) {
      freeMs = Math.max(freeMs, nowMs) + computesMs;
      // Of an exponential distribution, in part.
      const factor = 1 - noise - noise * Math.log(1 - random.fraction());
      running.push({ beganMs: nowMs, endMs: freeMs + waitsMs * factor, amongAtBegin: running.length + 1 });
    }
    running.sort((a, b) => a.endMs - b.endMs);
    const { beganMs, endMs, amongAtBegin } = running[0]!;
    nowMs = endMs;
    learnt.answered(nowMs, beganMs, (amongAtBegin + running.length) / 2);
    running.shift();
    limits.push(learnt.limit(most));
    if (answered === Math.floor(calls / 2)) halfMs = nowMs;
  }
  return { learnt, nowMs, limits, rate: (calls / 2 / (nowMs - halfMs)) * 1_000 };
}

/** The middle one of the last half of them. */
function settled(limits: readonly number[]): number {
  const late = limits.slice(limits.length / 2).sort((a, b) => a - b);
  return late[Math.floor(late.length / 2)]!;
}

describe('how many calls at once an instance takes, learnt from their time', () => {
  it('is few for calls that compute', () => {
    const { limits, learnt } = play({ computesMs: 5, waitsMs: 0, callers: 100, calls: 2_000 });
    assert.ok(settled(limits) <= 3 * CONCURRENCY_LEAST, `${settled(limits)} at once`);
    assert.match(learnt.why, /at once were answered in \d+ ms/);
  });

  it('stays what it is for calls that wait for something else, but for a try now and then', () => {
    const { limits, rate } = play({ computesMs: 0.1, waitsMs: 100, callers: 100, calls: 200_000 });
    assert.equal(settled(limits), CONCURRENCY_MOST);
    assert.ok(rate > 0.95 * (100 / 0.1), `${rate} a second`);
  });

  it('is not led astray by chance', () => {
    for (const noise of [0.3, 1]) {
      const { limits } = play({ computesMs: 0.1, waitsMs: 50, noise, callers: 60, calls: 100_000 });
      assert.ok(settled(limits) >= 60, `${settled(limits)} at once with noise ${noise}`);
    }
  });

  it('keeps the processor busy for calls that do some of both, and does not let many more queue for it', () => {
    const { limits, rate } = play({ computesMs: 10, waitsMs: 90, callers: 100, calls: 5_000 });
    assert.ok(settled(limits) >= 10 && settled(limits) <= 40, `${settled(limits)} at once`);
    assert.ok(rate > 95, `${rate} of 100 a second`);
  });

  it('leaves calls alone that are answered at once, however many there are', () => {
    const { limits } = play({ computesMs: 0.05, waitsMs: 0, callers: 100, calls: 50_000 });
    assert.equal(Math.min(...limits), CONCURRENCY_MOST);
  });

  it('goes up again once more do no harm any more', () => {
    const slow = play({ computesMs: 5, waitsMs: 0, callers: 100, calls: 2_000 });
    const { learnt, nowMs } = slow;
    const { limits } = play({
      computesMs: 0.1,
      waitsMs: 50,
      callers: 100,
      calls: 150_000,
      learnt,
      fromMs: nowMs,
    });
    assert.equal(settled(limits), CONCURRENCY_MOST);
    assert.match(learnt.why, /not held up by each other/);
  });

  it('is never more than the code can take, and there is nothing to learn where that is few', () => {
    const { limits } = play({ computesMs: 0.1, waitsMs: 50, callers: 100, calls: 2_000, most: 16 });
    assert.equal(Math.max(...limits), 16);
    const few = play({ computesMs: 5, waitsMs: 0, callers: 100, calls: 2_000, most: 2 });
    assert.deepEqual(new Set(few.limits), new Set([2]));
  });

  it('tries out fewer only for a while, however long calls take then', () => {
    const learnt = new LearntConcurrency();
    for (let call = 0; call < 16; call += 1) learnt.answered(1_000, 0, 40);
    assert.equal(learnt.limit(CONCURRENCY_MOST), 16);
    learnt.look(2_999);
    assert.equal(learnt.limit(CONCURRENCY_MOST), 16);
    assert.equal(learnt.learnt(CONCURRENCY_MOST), CONCURRENCY_MOST);
    learnt.look(3_000);
    assert.equal(learnt.limit(CONCURRENCY_MOST), CONCURRENCY_MOST);
  });
});
