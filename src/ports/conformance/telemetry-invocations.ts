import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InvocationId } from '../../base/ids.ts';
import type { FunctionName } from '../../model/function.ts';
import type { InvocationRecord } from '../../model/invocation.ts';
import type { InvocationFilter, TelemetryStore } from '../telemetry-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';
import {
  blog,
  cart,
  failure,
  hasCode,
  home,
  mintId,
  mixedRecords,
  record,
  shop,
  startMs,
} from './telemetry-samples.ts';

/** All pages of a search, one after the other. */
async function listAll(
  store: TelemetryStore,
  filter: InvocationFilter,
  pageSize: number,
): Promise<InvocationRecord[]> {
  const items: InvocationRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.listInvocations(filter, pageSize, cursor);
    assert.ok(page.items.length <= pageSize);
    if (page.next !== undefined) assert.equal(page.items.length, pageSize, 'only the last page is short');
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

const idsOf = (records: readonly InvocationRecord[]): string[] => records.map((each) => each.id);

/** What a search is to find, told by looking at every record. */
function expected(records: readonly InvocationRecord[], filter: InvocationFilter): string[] {
  const lower = (text: string): string =>
    text.replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 32));
  const matching = records.filter((each) => {
    if (filter.app !== undefined && each.app !== filter.app) return false;
    if (filter.function !== undefined && each.function !== filter.function) return false;
    if (filter.status !== undefined && each.status !== filter.status) return false;
    if (filter.trigger !== undefined && each.trigger !== filter.trigger) return false;
    if (filter.fromMs !== undefined && each.arrivedMs < filter.fromMs) return false;
    if (filter.toMs !== undefined && each.arrivedMs >= filter.toMs) return false;
    if (filter.runUsMin !== undefined && each.runUs < filter.runUsMin) return false;
    if (filter.text === undefined) return true;
    const texts = [each.summary, each.error?.errorType ?? '', each.error?.errorMessage ?? ''];
    return texts.some((text) => lower(text).includes(lower(filter.text!)));
  });
  // Sorting is stable: of those that arrived in one millisecond, the last stored comes first.
  return idsOf(matching.toReversed().sort((a, b) => b.arrivedMs - a.arrivedMs));
}

/** The invocations' part of the suite. */
export function exerciseInvocations(open: OpenFresh<TelemetryStore>): void {
  describe('TelemetryStore: single invocations', () => {
    it('gives every field back as it was, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const records = [
          record(),
          record({
            app: blog,
            function: 'a-b_C9' as FunctionName,
            deployment: 4_000_000,
            trigger: 'async',
            status: 'error',
            cold: true,
            instance: undefined,
            arrivedMs: startMs + 1,
            queueUs: 0,
            startUs: 86_400_000_000,
            runUs: 86_399_999_999,
            billedMs: 86_400_000,
            memoryMb: 32_768,
            memoryPeakMb: 61.5,
            httpStatus: 0,
            summary: 'GET /naïve/☃/𝄞',
            callerRequestId: 'order-17',
            attempt: 3,
            error: failure,
          }),
          record({ trigger: 'websocket', status: 'cancelled', httpStatus: 101, summary: '' }),
          record({ trigger: 'invoke', status: 'refused', error: { ...failure, stackTrace: [] } }),
        ];
        await store.append(records, []);
        const again = await fresh.reopen();
        for (const each of records) assert.deepEqual(await again.findInvocation(each.id), each);
      }));

    it('finds nothing for an id that is unknown or none', () =>
      withFresh(open, async (store) => {
        await store.append([record()], []);
        assert.equal(await store.findInvocation(mintId(startMs)), undefined);
        assert.equal(await store.findInvocation('nonsense' as InvocationId), undefined);
        assert.equal(await store.findInvocation('' as InvocationId), undefined);
      }));

    it('finds the last attempt of an invocation that was tried again', () =>
      withFresh(open, async (store) => {
        const first = record({ trigger: 'async', attempt: 1, status: 'error', error: failure });
        const second = { ...first, attempt: 2, arrivedMs: startMs + 60_000 };
        const third = { ...first, attempt: 3, arrivedMs: startMs + 180_000, status: 'ok' as const };
        await store.append([first], []);
        await store.append([second, record(), third], []);
        assert.deepEqual(await store.findInvocation(first.id), third);
        assert.deepEqual(
          (await store.listInvocations({}, 10)).items.map((each) => each.attempt),
          [3, 2, 0, 1],
        );
      }));
  });

  describe('TelemetryStore: lists', () => {
    it('gives an empty page when there is nothing', () =>
      withFresh(open, async (store) => {
        assert.deepEqual(await store.listInvocations({}, 10), { items: [], next: undefined });
        assert.equal(await store.append([], []), 0);
        assert.deepEqual(await store.listInvocations({ app: shop }, 10), { items: [], next: undefined });
      }));

    it('agrees with a look at every record, for every filter and page size', () =>
      withFresh(open, async (store) => {
        const records = mixedRecords(3_000, 60_000, 1);
        // Batches of all sizes, so that adapters that gather and merge have something to do.
        for (let at = 0, size = 1; at < records.length; at += size, size = (size * 3) % 701)
          await store.append(records.slice(at, at + size), []);
        const filters: InvocationFilter[] = [
          {},
          { app: shop },
          { function: cart },
          { app: blog, function: home },
          { app: 'none' as typeof shop },
          { status: 'error' },
          { status: 'crashed' },
          { trigger: 'async' },
          { trigger: 'event', status: 'error' },
          { fromMs: startMs + 20_000, toMs: startMs + 20_500 },
          { fromMs: startMs + 65_000 },
          { toMs: startMs + 300 },
          { runUsMin: 990_000 },
          { runUsMin: 2_000_000 },
          { text: 'BROKEN 1' },
          { text: 'typeerror', status: 'error', app: shop },
          { text: 'get /items/12' },
          { text: 'nowhere to be found' },
          {
            app: shop,
            status: 'timeout',
            runUsMin: 500_000,
            fromMs: startMs + 10_000,
            toMs: startMs + 50_000,
          },
        ];
        for (const filter of filters) {
          const wanted = expected(records, filter);
          for (const size of [7, 100, 1_000]) {
            if (wanted.length / size > 40) continue;
            const found = idsOf(await listAll(store, filter, size));
            assert.deepEqual(found, wanted, `${JSON.stringify(filter)} in pages of ${size}`);
          }
        }
      }));

    it('has a next page exactly when there is more', () =>
      withFresh(open, async (store) => {
        await store.append(
          Array.from({ length: 4 }, (_, place) => record({ arrivedMs: startMs + place })),
          [],
        );
        assert.equal((await store.listInvocations({}, 4)).next, undefined);
        const page = await store.listInvocations({}, 2);
        assert.ok(page.next !== undefined);
        assert.equal((await store.listInvocations({}, 2, page.next)).next, undefined);
      }));

    it('goes on from its cursor when newer ones came meanwhile', () =>
      withFresh(open, async (store) => {
        const old = Array.from({ length: 6 }, (_, place) => record({ arrivedMs: startMs + place }));
        await store.append(old, []);
        const first = await store.listInvocations({}, 3);
        await store.append([record({ arrivedMs: startMs + 100 })], []);
        const second = await store.listInvocations({}, 3, first.next);
        assert.deepEqual([...idsOf(first.items), ...idsOf(second.items)], idsOf(old.toReversed()));
      }));

    it('pages through many that arrived in the same millisecond', () =>
      withFresh(open, async (store) => {
        const records = Array.from({ length: 500 }, () => record());
        for (let at = 0; at < 500; at += 50) await store.append(records.slice(at, at + 50), []);
        assert.deepEqual(idsOf(await listAll(store, {}, 33)), idsOf(records.toReversed()));
      }));

    it('ignores the case of ASCII letters, and of no others', () =>
      withFresh(open, async (store) => {
        const texts = ['GET /Größe', 'GET /GRÖSSE', 'GET /100%_a\\b', 'GET /100xya-b', 'GET /ÀÃ', 'GET /àã'];
        const records = texts.map((summary, place) => record({ summary, arrivedMs: startMs + place }));
        await store.append(records, []);
        const find = async (text: string): Promise<string[]> =>
          (await store.listInvocations({ text }, 10)).items.map((each) => each.summary).reverse();
        assert.deepEqual(await find('gröss'), []);
        assert.deepEqual(await find('grÖsse'), ['GET /GRÖSSE']);
        assert.deepEqual(await find('GRöß'), ['GET /Größe']);
        assert.deepEqual(await find('100%_A\\'), ['GET /100%_a\\b']);
        assert.deepEqual(await find('à'), ['GET /àã']);
        assert.deepEqual(await find('À'), ['GET /ÀÃ']);
        // Never across the border of two texts.
        assert.deepEqual(await find('GrößeGET'), []);
      }));

    it('refuses a cursor that is none, and pages of a wrong size', () =>
      withFresh(open, async (store) => {
        await store.append([record()], []);
        for (const cursor of ['', 'x', '1-', '-1', '1-2-3', `${'9'.repeat(40)}-1`])
          await assert.rejects(store.listInvocations({}, 10, cursor), hasCode('E_BAD_REQUEST'), cursor);
        for (const limit of [0, -1, 1.5, 1_001, Number.NaN])
          await assert.rejects(store.listInvocations({}, limit), hasCode('E_BAD_REQUEST'), String(limit));
      }));
  });
}
