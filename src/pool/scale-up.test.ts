import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../base/manual-clock.ts';
import { MachineLoad } from './machine-load.ts';
import { ScaleUp } from './scale-up.ts';

const START_MS = 30;

interface Play {
  readonly processors: number;
  /** How long a call runs while that many run. */
  runMs(running: number): number;
  readonly waiting: number;
  readonly each?: number;
  readonly rounds?: number;
}

/** A version with more calls waiting than it can serve, round after round; answers how many instances it had. */
function play({ processors, runMs, waiting, each = 1, rounds = 12 }: Play): number[] {
  const clock = new ManualClock(0);
  const scaleUp = new ScaleUp({ clock, processors, isMachineBusy: () => true });
  const seen: number[] = [];
  let ready = 1;
  clock.advance(START_MS);
  scaleUp.started(ready, START_MS);
  for (let round = 0; round < rounds; round += 1) {
    const beganMs = clock.monotonicMs();
    clock.advance(runMs(ready * each));
    for (let run = 0; run < ready * each; run += 1)
      scaleUp.ran(beganMs, clock.monotonicMs() - beganMs, false);
    const target = scaleUp.target({ ready, waiting, waitedMs: 0, each });
    if (target > ready) clock.advance(START_MS);
    for (; ready < target; ) scaleUp.started(++ready, START_MS);
    ready = target;
    seen.push(ready);
  }
  return seen;
}

const computing =
  (processors: number, aloneMs: number) =>
  (running: number): number =>
    aloneMs * Math.max(1, running / processors);

describe('how many instances are worth having', () => {
  it('stops at the processors for calls that compute, and takes back what did not help', () => {
    const seen = play({ processors: 2, runMs: computing(2, 40), waiting: 200, rounds: 40 });
    assert.equal(Math.max(...seen), 4);
    assert.equal(seen.at(-1), 2);
    assert.deepEqual(seen.slice(0, 3), [2, 4, 2]);
  });

  it('tries again ever more rarely', () => {
    const seen = play({ processors: 2, runMs: computing(2, 40), waiting: 200, rounds: 1_500 });
    // A minute of load.
    assert.ok(seen.filter((count) => count === 4).length <= 7, 'attempts');
  });

  it('goes on for calls that wait for something else', () => {
    const seen = play({ processors: 2, runMs: () => 100, waiting: 200 });
    assert.deepEqual(seen.slice(0, 8), [2, 4, 8, 16, 32, 64, 128, 256]);
  });

  it('goes on for calls that do some of both, for as long as that helps', () => {
    const runMs = (running: number): number => 90 + computing(2, 10)(running);
    const most = Math.max(...play({ processors: 2, runMs, waiting: 200, rounds: 40 }));
    assert.ok(most >= 16 && most <= 64, `${most} instances`);
  });

  it('does not wait for the end of long calls while processors are idle, and does while they are not', () => {
    const clock = new ManualClock(0);
    const idle = new ScaleUp({ clock, processors: 1, isMachineBusy: () => false });
    idle.started(1, START_MS);
    clock.advance(199);
    assert.equal(idle.target({ ready: 1, waiting: 9, waitedMs: 0, each: 1 }), 1);
    clock.advance(1);
    assert.equal(idle.target({ ready: 1, waiting: 9, waitedMs: 0, each: 1 }), 2);
    const busy = new ScaleUp({ clock, processors: 1, isMachineBusy: () => true });
    busy.started(1, START_MS);
    clock.advance(4_999);
    assert.equal(busy.target({ ready: 1, waiting: 9, waitedMs: 0, each: 1 }), 1);
    clock.advance(1);
    assert.equal(busy.target({ ready: 1, waiting: 9, waitedMs: 0, each: 1 }), 2, 'but not for ever');
  });

  it('does not ask whether more help up to the number of processors', () => {
    const scaleUp = new ScaleUp({ clock: new ManualClock(0), processors: 2, isMachineBusy: () => true });
    scaleUp.started(1, START_MS);
    assert.equal(scaleUp.target({ ready: 1, waiting: 9, waitedMs: 0, each: 1 }), 2);
  });

  it('starts none for calls that are served before it could be ready', () => {
    assert.deepEqual(new Set(play({ processors: 2, runMs: () => 1, waiting: 20 })), new Set([1]));
    assert.ok(play({ processors: 2, runMs: () => 1, waiting: 200 }).includes(2));
  });

  it('starts one where those that wait should have been served long ago', () => {
    const clock = new ManualClock(0);
    const scaleUp = new ScaleUp({ clock, processors: 2, isMachineBusy: () => true });
    scaleUp.started(1, START_MS);
    // Short calls were measured; then others came, that keep their places.
    for (let call = 0; call < 20; call += 1) scaleUp.ran(clock.monotonicMs(), 0, false);
    const load = { ready: 1, waiting: 9, each: 1 };
    assert.equal(scaleUp.target({ ...load, waitedMs: 20 }), 1);
    assert.equal(scaleUp.target({ ...load, waitedMs: START_MS + 1_000 }), 2);
  });

  it('counts the calls that an instance takes at once', () => {
    const seen = play({ processors: 1, runMs: () => 10, waiting: 40, each: 20 });
    assert.deepEqual(new Set(seen), new Set([1]));
  });
});

it('knows whether the processors are at work, from one look to the next', () => {
  const clock = new ManualClock(0);
  const times = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
  const load = new MachineLoad(clock, () => [{ times: { ...times } }]);
  assert.equal(load.isBusy(), true, 'not known yet');
  const pass = (busyMs: number, idleMs: number): boolean => {
    times.user += busyMs;
    times.idle += idleMs;
    clock.advance(busyMs + idleMs);
    return load.isBusy();
  };
  assert.equal(pass(100, 100), false);
  assert.equal(pass(200, 0), true);
  assert.equal(pass(0, 50), true, 'too short to say otherwise');
  assert.equal(pass(0, 100), false);
  assert.equal(pass(0, 60_000), true, 'too long ago to say');
});
