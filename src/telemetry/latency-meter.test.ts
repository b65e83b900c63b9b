import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../base/manual-clock.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import { LATENCY_BUCKETS, latencyBucketOf } from '../model/latency-buckets.ts';
import { LATENCY_MINUTES } from '../ports/latency.ts';
import { createLatencyMeter, LATENCY_FUNCTIONS_MAX } from './latency-meter.ts';

const MINUTE_MS = 60_000;
const START_MS = 1_000_000 * MINUTE_MS;

const of = (name: string) => ({ app: 'shop' as AppName, function: name as FunctionName });

function call(name: string, arrivedMs: number, runUs: number): InvocationRecord {
  const times = { arrivedMs, queueUs: 0, startUs: 0, runUs };
  return { ...of(name), version: `v-${name}`, ...times } as unknown as InvocationRecord;
}

const near = (found: number, wanted: number): void =>
  assert.ok(Math.abs(found - wanted) <= wanted * 0.1, `${found} is not ${wanted} to a tenth`);

describe('latencies by the minute', () => {
  it('are quantiles of every call of the minute, to a tenth', () => {
    const clock = new ManualClock(START_MS);
    const meter = createLatencyMeter(clock);
    for (let ms = 1; ms <= 1_000; ms += 1) meter.count(call('bill', START_MS, ms * 1_000));
    const { minutes, all } = meter.lastHour(undefined);
    const last = minutes.at(-1)!;
    assert.equal(minutes.length, LATENCY_MINUTES);
    assert.equal(last.fromMs, START_MS);
    assert.equal(last.calls, 1_000);
    near(last.p50Us, 500_000);
    near(last.p95Us, 950_000);
    near(last.p99Us, 990_000);
    assert.deepEqual({ ...last, fromMs: undefined }, { ...all, fromMs: undefined });
  });

  it('tell functions and minutes apart, and forget what is older than an hour', () => {
    const clock = new ManualClock(START_MS);
    const meter = createLatencyMeter(clock);
    meter.count(call('bill', START_MS, 10_000));
    meter.count(call('note', START_MS, 30));
    meter.count(call('bill', START_MS - 2 * MINUTE_MS, 3_600_000_000));
    near(meter.lastHour(of('bill')).minutes.at(-1)!.p99Us, 10_000);
    assert.equal(meter.lastHour(of('bill')).minutes.at(-3)!.calls, 1);
    assert.equal(meter.lastHour(of('note')).all.calls, 1);
    assert.equal(meter.lastHour(of('nobody')).all.calls, 0);
    clock.advance(LATENCY_MINUTES * MINUTE_MS);
    assert.equal(meter.lastHour(undefined).all.calls, 0);
    const nowMs = START_MS + LATENCY_MINUTES * MINUTE_MS;
    meter.count(call('bill', nowMs, 1_000));
    // It came in a minute whose place is taken by now.
    meter.count(call('bill', START_MS, 1_000));
    assert.equal(meter.lastHour(undefined).all.calls, 1);
  });

  it('go on from what was counted before the start', () => {
    const clock = new ManualClock(START_MS);
    const meter = createLatencyMeter(clock);
    const counts = new Uint32Array(LATENCY_BUCKETS);
    counts[latencyBucketOf(10_000)] = 3;
    const minute = { ...of('bill'), counts };
    meter.count(call('bill', START_MS, 10_000));
    meter.add([
      { ...minute, startMs: START_MS },
      { ...minute, startMs: START_MS - MINUTE_MS },
      { ...minute, startMs: START_MS - LATENCY_MINUTES * MINUTE_MS },
    ]);
    const { minutes, all } = meter.lastHour(of('bill'));
    assert.deepEqual(
      minutes.slice(-2).map(({ calls }) => calls),
      [3, 4],
    );
    near(all.p99Us, 10_000);
    assert.equal(meter.lastHour(undefined).all.calls, 7, 'what is older than an hour is not counted');
  });

  it('are of so many functions, and beyond of all together', () => {
    const clock = new ManualClock(START_MS);
    const meter = createLatencyMeter(clock);
    for (let at = 0; at <= LATENCY_FUNCTIONS_MAX; at += 1) meter.count(call(`f${at}`, START_MS, 1_000));
    assert.equal(meter.lastHour(of(`f${LATENCY_FUNCTIONS_MAX - 1}`)).all.calls, 1);
    assert.equal(meter.lastHour(of(`f${LATENCY_FUNCTIONS_MAX}`)).all.calls, 0);
    assert.equal(meter.lastHour(undefined).all.calls, LATENCY_FUNCTIONS_MAX + 1);
  });
});
