import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoundedQueue } from './bounded-queue.ts';
import { systemClock } from './clock.ts';
import { LambentError, toLambentError } from './errors.ts';
import { createUuidMinter, uuidTimeMs } from './ids.ts';
import { createLog, createTextLog } from './log.ts';
import { ManualClock } from './manual-clock.ts';
import { createSeededRandom, systemRandom } from './random.ts';

describe('bounded queue', () => {
  it('is first in, first out, and refuses what is over its limit', () => {
    const queue = new BoundedQueue<number>(3);
    assert.deepEqual(
      [1, 2, 3, 4].map((item) => queue.push(item)),
      [true, true, true, false],
    );
    assert.equal(queue.shift(), 1);
    assert.ok(queue.push(5));
    assert.deepEqual([queue.shift(), queue.shift(), queue.shift(), queue.shift()], [2, 3, 5, undefined]);
  });

  it('keeps order and size over many acts, removals among them', () => {
    const random = createSeededRandom(3);
    const queue = new BoundedQueue<object>(5_000);
    const model: object[] = [];
    for (let act = 0; act < 30_000; act++) {
      const choice = random.fraction();
      if (choice < 0.55 && model.length < 5_000) {
        const item = {};
        assert.ok(queue.push(item));
        model.push(item);
      } else if (choice < 0.95) assert.equal(queue.shift(), model.shift());
      else {
        const [gone] = model.splice(Math.floor(random.fraction() * model.length), 1);
        if (gone !== undefined) assert.ok(queue.remove(gone));
      }
      assert.equal(queue.size, model.length);
      assert.equal(queue.peek(), model[0]);
    }
    assert.equal(queue.remove({}), false);
  });

  it('needs a limit', () => {
    assert.throws(() => new BoundedQueue(0), RangeError);
  });
});

describe('ids', () => {
  it('are UUIDs of version 7 that sort by creation, also when the clock stands still or goes back', () => {
    const clock = new ManualClock(1_700_000_000_000);
    const mint = createUuidMinter(clock, systemRandom);
    const ids: string[] = [];
    for (let index = 0; index < 1_000; index++) {
      ids.push(mint());
      if (index % 100 === 0) clock.advance(1);
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual([...ids].sort(), ids);
    assert.equal(uuidTimeMs(ids[0]!), 1_700_000_000_000);
    assert.equal(uuidTimeMs('not one'), undefined);
    let nowMs = 5_000;
    const backwards = createUuidMinter({ ...systemClock, nowMs: () => nowMs }, systemRandom);
    const first = backwards();
    nowMs = 4_000;
    assert.ok(backwards() > first);
  });
});

describe('manual clock', () => {
  it('runs timers at their instant, in order', () => {
    const clock = new ManualClock(0);
    const seen: string[] = [];
    clock.after(20, () => seen.push(`b${clock.nowMs()}`));
    clock.after(10, () => {
      seen.push(`a${clock.nowMs()}`);
      clock.after(5, () => seen.push(`c${clock.nowMs()}`));
    });
    const ticks = clock.every(8, () => seen.push(`t${clock.nowMs()}`));
    clock.after(1, () => seen.push('never')).cancel();
    clock.advance(17);
    ticks.cancel();
    clock.advance(100);
    assert.deepEqual(seen, ['t8', 'a10', 'c15', 't16', 'b20']);
    assert.equal(clock.pending, 0);
  });
});

describe('seeded random', () => {
  it('repeats with its seed and differs without', () => {
    const draw = (seed: number): number[] => {
      const random = createSeededRandom(seed);
      return [random.fraction(), random.fraction(), ...random.bytes(4)];
    };
    assert.deepEqual(draw(1), draw(1));
    assert.notDeepEqual(draw(1), draw(2));
    const random = createSeededRandom(9);
    const draws = Array.from({ length: 1_000 }, () => random.fraction());
    assert.ok(draws.every((value) => value >= 0 && value < 1));
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    assert.ok(mean > 0.45 && mean < 0.55, `mean ${mean}`);
  });
});

describe('errors', () => {
  it('carry code, fault, hint and details, and hide causes', () => {
    const error = new LambentError('E_NOT_FOUND', 'no function f', {
      details: { name: 'f' },
      cause: new Error('secret'),
    });
    const { hint } = error.facts;
    assert.deepEqual(error.toRecord(), {
      code: 'E_NOT_FOUND',
      message: 'no function f',
      fault: 'caller',
      retryable: false,
      hint,
      details: { name: 'f' },
    });
    assert.equal(new LambentError('E_NOT_FOUND', 'x', { hint: 'do y' }).toRecord().hint, 'do y');
    assert.equal(toLambentError(error), error);
    assert.equal(toLambentError(new TypeError('oops')).code, 'E_INTERNAL');
    assert.equal(toLambentError('text').message, 'text');
  });
});

describe('log', () => {
  it('writes one JSON object a line, from its least level on', () => {
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line), new ManualClock(0), 'warn');
    log.info('quiet');
    log.error('two\nlines', { n: 1 });
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [{ time: '1970-01-01T00:00:00.000Z', level: 'error', message: 'two\nlines', n: 1 }],
    );
    assert.ok(lines[0]!.endsWith('}\n') && lines[0]!.indexOf('\n') === lines[0]!.length - 1);
  });

  it('writes a line for a person, whatever the fields hold', () => {
    const lines: string[] = [];
    const log = createTextLog((line) => lines.push(line), new ManualClock(0), 'warn');
    log.info('quiet');
    log.warn('not started', { function: 'fetch', error: 'no\n\x1b[2J', absent: undefined });
    log.error('full');
    assert.match(
      lines.join(''),
      /^\d\d:\d\d:\d\d {2}warn: not started \(function: "fetch", error: "no\\n\\u001b\[2J"\)\n\d\d:\d\d:\d\d {2}error: full\n$/,
    );
  });
});
