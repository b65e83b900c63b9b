import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { InstanceView, PoolView } from '../ports/activity.ts';
import { createMetrics, LAG_PERIOD_MS, type MetricsOptions } from './metrics.ts';
import { createRecorder } from './recorder.ts';
import { HeldStore, sampleRecord } from './telemetry-harness.test.ts';

const emptyPool: PoolView = { instances: () => [], waiting: 0, prewarmed: 0 };

function setUp(options: Partial<MetricsOptions> = {}) {
  const clock = new ManualClock();
  const recorder = createRecorder({ telemetry: new HeldStore().asStore(), clock, log: silentLog });
  const metrics = createMetrics({
    feed: recorder,
    pool: emptyPool,
    clock,
    defects: createDefects(silentLog),
    version: '1.2.3',
    ...options,
  });
  return { clock, recorder, metrics };
}

interface Parsed {
  types: Map<string, string>;
  samples: Map<string, number>;
}

/** A strict reader of the text format: a line it does not understand, or a sample twice, is a failure. */
function parse(text: string): Parsed {
  assert.ok(text.endsWith('\n'));
  const parsed: Parsed = { types: new Map(), samples: new Map() };
  const help = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      if (kind === 'HELP') {
        assert.ok(!help.has(name), `HELP twice: ${name}`);
        help.add(name);
      } else {
        assert.ok(!parsed.types.has(name), `TYPE twice: ${name}`);
        parsed.types.set(name, rest);
      }
      continue;
    }
    const sample =
      /^([a-z_]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})?) (-?[0-9.e+-]+|\+Inf|NaN)$/.exec(line);
    assert.ok(sample !== null, `not a line of the format: ${line}`);
    const [, name, labels, value] = sample as unknown as [string, string, string, string];
    const family = parsed.types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
    assert.ok(parsed.types.has(family), `sample without TYPE: ${line}`);
    assert.ok(!parsed.samples.has(name + labels), `sample twice: ${line}`);
    parsed.samples.set(name + labels, Number(value));
  }
  return parsed;
}

test('counts invocations by app, function, trigger and status', () => {
  const { recorder, metrics } = setUp();
  recorder.invocation(sampleRecord());
  recorder.invocation(sampleRecord());
  recorder.invocation(sampleRecord({ status: 'error', trigger: 'async' }));
  const { samples, types } = parse(metrics.render());
  const of = (trigger: string, status: string) =>
    samples.get(
      `lambent_invocations_total{app="shop",function="hello",trigger="${trigger}",status="${status}"}`,
    );
  assert.equal(types.get('lambent_invocations_total'), 'counter');
  assert.equal(of('http', 'ok'), 2);
  assert.equal(of('async', 'error'), 1);
  assert.equal(of('http', 'error'), undefined);
});

test('two functions with the same version id stay apart', () => {
  const { recorder, metrics } = setUp();
  recorder.invocation(sampleRecord({ function: 'a' }));
  recorder.invocation(sampleRecord({ function: 'b' }));
  const { samples } = parse(metrics.render());
  for (const name of ['a', 'b']) {
    assert.equal(
      samples.get(`lambent_invocations_total{app="shop",function="${name}",trigger="http",status="ok"}`),
      1,
    );
  }
});

test('histograms are cumulative, in seconds, and end in +Inf', () => {
  const { recorder, metrics } = setUp();
  for (const runUs of [500, 501, 40_000, 90_000_000]) recorder.invocation(sampleRecord({ runUs }));
  const { samples } = parse(metrics.render());
  const name = 'lambent_invocation_run_seconds';
  const bucket = (le: string) => samples.get(`${name}_bucket{app="shop",function="hello",le="${le}"}`);
  assert.equal(bucket('0.0005'), 1);
  assert.equal(bucket('0.001'), 2);
  assert.equal(bucket('0.025'), 2);
  assert.equal(bucket('0.05'), 3);
  assert.equal(bucket('60'), 3);
  assert.equal(bucket('+Inf'), 4);
  assert.equal(samples.get(`${name}_count{app="shop",function="hello"}`), 4);
  assert.equal(samples.get(`${name}_sum{app="shop",function="hello"}`), 90.041001);
});

test('what never reached an instance is counted, but is no run', () => {
  const { recorder, metrics } = setUp();
  recorder.invocation(sampleRecord({ status: 'throttled', instance: undefined, runUs: 0, billedMs: 0 }));
  const { samples } = parse(metrics.render());
  assert.equal(
    samples.get('lambent_invocations_total{app="shop",function="hello",trigger="http",status="throttled"}'),
    1,
  );
  assert.equal(samples.get('lambent_invocation_run_seconds_count{app="shop",function="hello"}'), undefined);
});

test('cold starts, billed time and memory peak', () => {
  const { recorder, metrics } = setUp();
  recorder.invocation(sampleRecord({ cold: true, startUs: 42_000, billedMs: 10, memoryPeakMb: 50 }));
  recorder.invocation(sampleRecord({ billedMs: 5, memoryPeakMb: 45 }));
  const { samples } = parse(metrics.render());
  const labels = '{app="shop",function="hello"}';
  assert.equal(samples.get(`lambent_cold_starts_total${labels}`), 1);
  assert.equal(samples.get(`lambent_invocation_start_seconds_count${labels}`), 1);
  assert.equal(samples.get(`lambent_billed_seconds_total${labels}`), 0.015);
  assert.equal(samples.get(`lambent_function_memory_peak_bytes${labels}`), 50 * 1024 * 1024);
});

test('functions beyond the limit share one label', () => {
  const { recorder, metrics } = setUp({ functionsMax: 2 });
  for (const name of ['a', 'b', 'c', 'd', 'a']) recorder.invocation(sampleRecord({ function: name }));
  const { samples } = parse(metrics.render());
  const of = (app: string, name: string) =>
    samples.get(`lambent_invocations_total{app="${app}",function="${name}",trigger="http",status="ok"}`);
  assert.equal(of('shop', 'a'), 2);
  assert.equal(of('shop', 'b'), 1);
  assert.equal(of('shop', 'c'), undefined);
  assert.equal(of('_other', '_other'), 2);
});

test('label values are escaped', () => {
  const { recorder, metrics } = setUp();
  recorder.invocation(sampleRecord({ function: 'a"b\\c\nd' }));
  const text = metrics.render();
  assert.ok(text.includes('function="a\\"b\\\\c\\nd"'));
  parse(text);
});

test('shows the pool, the build and the process', () => {
  const instance = (state: InstanceView['state'], activeInvocations: number): InstanceView =>
    ({ state, activeInvocations }) as InstanceView;
  const pool: PoolView = {
    instances: () => [instance('ready', 3), instance('ready', 1), instance('starting', 0)],
    waiting: 7,
    prewarmed: 0,
  };
  const { metrics } = setUp({ pool });
  const { samples } = parse(metrics.render());
  assert.equal(samples.get('lambent_instances{state="ready"}'), 2);
  assert.equal(samples.get('lambent_instances{state="starting"}'), 1);
  assert.equal(samples.get('lambent_instances{state="retiring"}'), 0);
  assert.equal(samples.get('lambent_invocations_active'), 4);
  assert.equal(samples.get('lambent_invocations_waiting'), 7);
  assert.equal(samples.get(`lambent_build_info{version="1.2.3",node="${process.version}"}`), 1);
  assert.ok(samples.get('process_resident_memory_bytes')! > 1e6);
});

test('shows the worst lag of the event loop', () => {
  const ticks: (() => void)[] = [];
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after: () => ({ cancel() {} }),
    every: (_periodMs: number, task: () => void) => {
      ticks.push(task);
      return { cancel() {} };
    },
  };
  const { metrics } = setUp({ clock });
  nowMs += LAG_PERIOD_MS + 120;
  ticks[0]!();
  nowMs += LAG_PERIOD_MS + 10;
  ticks[0]!();
  assert.equal(parse(metrics.render()).samples.get('lambent_event_loop_lag_seconds'), 0.12);
});

test('shows what telemetry dropped, and leaves nothing behind when closed', () => {
  const { clock, recorder, metrics } = setUp();
  const { samples } = parse(metrics.render());
  assert.equal(samples.get('lambent_telemetry_dropped_total{kind="line",reason="store"}'), 0);
  metrics.close();
  assert.equal(clock.pending, 0);
  recorder.invocation(sampleRecord());
  assert.ok(!metrics.render().includes('function="hello"'));
});

test('counting is cheap enough for the hot path', () => {
  const { recorder } = setUp();
  const record = sampleRecord();
  // The true cost is some tens of nanoseconds; the bound leaves room for a busy machine.
  const rounds = 200_000;
  for (let round = 0; round < rounds; round += 1) recorder.invocation(record);
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round += 1) recorder.invocation(record);
  const nsEach = ((performance.now() - startedMs) * 1e6) / rounds;
  assert.ok(nsEach < 3_000, `${nsEach.toFixed(0)} ns`);
});
