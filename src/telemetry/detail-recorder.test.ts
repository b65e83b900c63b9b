import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { AppName } from '../model/function.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { CallTail } from '../ports/activity.ts';
import type { CallDetail } from '../ports/call-details.ts';
import { createDetailRecorder, DETAILS_WAITING_MAX, PAYLOADS_A_SECOND } from './detail-recorder.ts';
import { createTrafficMeter } from './traffic-meter.ts';

const record = (place: number, changes: Partial<InvocationRecord> = {}): InvocationRecord =>
  ({
    id: `id-${place}`,
    app: 'shop',
    function: 'f',
    version: 'v1',
    status: 'ok',
    ...changes,
  }) as InvocationRecord;

const tail = (changes: Partial<CallTail> = {}): CallTail => ({
  ...{ via: { kind: 'route', name: 'GET /' }, traceparent: undefined, mayKeep: true },
  input: () => ({ body: [Buffer.from('in')], bytes: 2 }),
  output: () => undefined,
  ...changes,
});

function setUp() {
  const clock = new ManualClock();
  const stored: CallDetail[] = [];
  const state = { fails: false };
  const recorder = createDetailRecorder({
    store: {
      async append(details) {
        if (state.fails) throw new Error('full');
        stored.push(...details);
      },
      find: () => Promise.resolve(undefined),
      listTrace: () => Promise.resolve([]),
      prune: () => Promise.resolve(0),
    },
    ...{ clock, log: silentLog },
    redact: (app, text) => text.replace('in', `secret of ${app}`),
  });
  return { clock, stored, state, recorder };
}

describe('details of calls', () => {
  it('are kept of some calls a second, apart for those that failed, and never made of others', async () => {
    const { clock, stored, recorder } = setUp();
    let made = 0;
    const counted = tail({
      input: () => {
        made += 1;
        return undefined;
      },
    });
    for (let place = 0; place < 100; place += 1) recorder.take(record(place), counted);
    assert.equal(made, PAYLOADS_A_SECOND);
    recorder.take(record(1, { status: 'error' }), counted);
    recorder.take(record(1, { version: 'v2' as never }), counted);
    assert.equal(made, PAYLOADS_A_SECOND + 2);
    clock.advance(1_000);
    recorder.take(record(1), counted);
    assert.equal(made, PAYLOADS_A_SECOND + 3);
    await recorder.flush();
    assert.equal(stored.length, PAYLOADS_A_SECOND + 3);
  });

  it('are not kept where the manifest says so; the place in a trace is', async () => {
    const { stored, recorder } = setUp();
    recorder.take(record(1), tail({ mayKeep: false }));
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    recorder.take(record(2), tail({ mayKeep: false, traceparent }));
    recorder.take(record(3), tail());
    await recorder.flush();
    const kept = stored.map(({ id, trace, parent, input }) => [id, trace, parent, input?.body]);
    assert.deepEqual(kept, [
      ['id-2', 'a'.repeat(32), 'b'.repeat(16), undefined],
      ['id-3', undefined, undefined, 'secret of shop'],
    ]);
  });

  it('are counted as lost when there is no room, or the store refuses', async () => {
    const { stored, state, recorder } = setUp();
    const traced = tail({ mayKeep: false, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
    for (let place = 0; place < DETAILS_WAITING_MAX + 5; place += 1) recorder.take(record(place), traced);
    assert.equal(recorder.lost, 5);
    state.fails = true;
    await recorder.close();
    assert.equal(recorder.lost, DETAILS_WAITING_MAX + 5);
    recorder.take(record(1), traced);
    assert.deepEqual([recorder.lost, stored.length], [DETAILS_WAITING_MAX + 6, 0]);
  });
});

describe('the meter of traffic', () => {
  it('counts by what brought a call about, over the last minute', () => {
    const clock = new ManualClock();
    const meter = createTrafficMeter(clock);
    meter.count(record(1), tail());
    clock.advance(30_000);
    meter.count(record(2, { status: 'error' }), tail());
    meter.count(record(3), tail({ via: { kind: 'function', name: 'shop/g' } }));
    const [route, other] = meter.flows();
    assert.deepEqual(route, {
      ...{ app: 'shop', function: 'f', via: { kind: 'route', name: 'GET /' }, calls: 2, errors: 1 },
    });
    assert.deepEqual(other?.via, { kind: 'function', name: 'shop/g' });
    clock.advance(35_000);
    assert.deepEqual(
      meter.flows().map(({ calls, errors }) => [calls, errors]),
      [
        [1, 1],
        [1, 0],
      ],
    );
    clock.advance(120_000);
    assert.deepEqual(meter.flows(), []);
    meter.count(record(4), tail());
    assert.equal(meter.flows()[0]!.calls, 1);
  });

  it('counts executions by their workflow, who began them, and those that failed', () => {
    const clock = new ManualClock();
    const meter = createTrafficMeter(clock);
    const name = (workflow: string) => ({ app: 'shop' as AppName, workflow });
    meter.workflows.began(name('order'), undefined);
    meter.workflows.began(name('pay'), name('order'));
    clock.advance(40_000);
    meter.workflows.ended(name('pay'), true);
    assert.deepEqual(meter.executions(), [
      { ...name('order'), began: 1, ended: 0, failed: 0 },
      { ...name('pay'), began: 1, ended: 1, failed: 1 },
    ]);
    assert.deepEqual(meter.flows(), [
      { app: 'shop', function: 'pay', via: { kind: 'function', name: 'shop/order' }, calls: 1, errors: 0 },
    ]);
    clock.advance(30_000);
    assert.deepEqual(meter.executions(), [{ ...name('pay'), began: 0, ended: 1, failed: 1 }]);
    clock.advance(60_000);
    assert.deepEqual(meter.executions(), []);
  });
});
