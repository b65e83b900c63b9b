import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppName, FunctionName } from '../../model/function.ts';
import type { LogFilter, TelemetryStore } from '../telemetry-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import { blog, cart, hasCode, home, line, mintId, record, shop, startMs } from './telemetry-samples.ts';

/** The log lines' part of the suite. */
export function exerciseLogs(open: OpenFresh<TelemetryStore>): void {
  describe('TelemetryStore: log lines', () => {
    it('numbers lines in the order given and says the highest, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        assert.equal(await store.append([], []), 0);
        assert.equal(await store.append([], [line('a'), line('b')]), 2);
        assert.equal(await store.append([record()], []), 2);
        const again = await fresh.reopen();
        assert.equal(await again.append([], [line('c')]), 3);
        assert.deepEqual(
          (await again.tailLogs({}, 10)).map((each) => [each.sequence, each.text]),
          [
            [1, 'a'],
            [2, 'b'],
            [3, 'c'],
          ],
        );
      }));

    it('gives every field back as it was', () =>
      withFresh(open, async (store) => {
        const lines = [
          line('plain', { invocation: mintId(startMs) }),
          line('𝄞 größer\tthan\u0000nothing', {
            app: blog,
            function: cart,
            instance: undefined,
            stream: 'platform',
            severity: 'fatal',
            timeMs: startMs + 0.25,
          }),
          line('', { stream: 'stderr', severity: 'trace' }),
          line('x'.repeat(64 * 1024)),
        ];
        await store.append([], lines);
        assert.deepEqual(
          await store.tailLogs({}, 10),
          lines.map((each, place) => ({ ...each, sequence: place + 1 })),
        );
      }));

    it('gives the last lines that match, oldest first', () =>
      withFresh(open, async (store) => {
        const invocation = mintId(startMs);
        await store.append(
          [],
          [
            line('one', { timeMs: startMs }),
            line('two', { function: cart, severity: 'warn', timeMs: startMs + 1 }),
            line('THREE 100%', { app: blog, severity: 'error', timeMs: startMs + 2 }),
            line('four', { invocation, severity: 'debug', timeMs: startMs + 3 }),
            line('five 100x', { function: cart, invocation, timeMs: startMs + 4 }),
          ],
        );
        const texts = async (filter: LogFilter, limit = 10): Promise<string[]> =>
          (await store.tailLogs(filter, limit)).map((each) => each.text);
        assert.deepEqual(await texts({}, 2), ['four', 'five 100x']);
        assert.deepEqual(await texts({ app: shop }, 3), ['two', 'four', 'five 100x']);
        assert.deepEqual(await texts({ function: home }), ['one', 'THREE 100%', 'four']);
        assert.deepEqual(await texts({ app: shop, function: cart }), ['two', 'five 100x']);
        assert.deepEqual(await texts({ app: 'none' as AppName }), []);
        assert.deepEqual(await texts({ app: shop, function: 'none' as FunctionName }), []);
        assert.deepEqual(await texts({ invocation }), ['four', 'five 100x']);
        assert.deepEqual(await texts({ invocation, function: cart }), ['five 100x']);
        assert.deepEqual(await texts({ invocation, app: blog }), []);
        assert.deepEqual(await texts({ severityMin: 'warn' }), ['two', 'THREE 100%']);
        assert.deepEqual(await texts({ text: 'three' }), ['THREE 100%']);
        assert.deepEqual(await texts({ text: '100%' }), ['THREE 100%']);
        assert.deepEqual(await texts({ text: '_' }), []);
        assert.deepEqual(await texts({ fromMs: startMs + 1, toMs: startMs + 3 }), ['two', 'THREE 100%']);
        assert.deepEqual(await texts({ app: shop, severityMin: 'info', text: 'o' }, 1), ['two']);
      }));

    it('follows: lines above a sequence, oldest first', () =>
      withFresh(open, async (store) => {
        for (let place = 1; place <= 30; place += 1)
          await store.append([], [line(`line ${place}`, { function: place % 3 === 0 ? cart : home })]);
        const sequences = async (filter: LogFilter, after: number, limit: number): Promise<number[]> =>
          (await store.logsAfter(filter, after, limit)).map((each) => each.sequence);
        assert.deepEqual(await sequences({}, 0, 3), [1, 2, 3]);
        assert.deepEqual(await sequences({}, 28, 10), [29, 30]);
        assert.deepEqual(await sequences({}, 30, 10), []);
        assert.deepEqual(await sequences({ function: cart }, 4, 3), [6, 9, 12]);
        assert.deepEqual(await sequences({ app: shop }, 8, 4), [9, 10, 11, 12]);
      }));

    it('merges the lines of an app with many functions', () =>
      withFresh(open, async (store) => {
        const lines = Array.from({ length: 300 }, (_, place) =>
          line(`line ${place}`, {
            function: `f${place % 100}` as FunctionName,
            app: place < 150 ? shop : blog,
          }),
        );
        await store.append([], lines);
        const last = await store.tailLogs({ app: shop }, 20);
        assert.deepEqual(
          last.map((each) => each.sequence),
          Array.from({ length: 20 }, (_, place) => 131 + place),
        );
        const next = await store.logsAfter({ app: blog }, 0, 20);
        assert.deepEqual(
          next.map((each) => each.sequence),
          Array.from({ length: 20 }, (_, place) => 151 + place),
        );
      }));

    it('refuses answers of a wrong size', () =>
      withFresh(open, async (store) => {
        for (const limit of [0, -1, 10_001, 0.5]) {
          await assert.rejects(store.tailLogs({}, limit), hasCode('E_BAD_REQUEST'));
          await assert.rejects(store.logsAfter({}, 0, limit), hasCode('E_BAD_REQUEST'));
        }
      }));
  });
}
