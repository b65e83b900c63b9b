import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InvocationId } from '../../base/ids.ts';
import type { AppName } from '../../model/function.ts';
import type { CallDetail, CallDetailStore, CallPayload } from '../call-details.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const TRACE = `${'a'.repeat(31)}1`;
const SPAN = '00000000000000b2';
const payload = (body: string): CallPayload => ({
  ...{ head: 'POST /x', headers: [['accept', '*/*']], body, encoding: 'utf8' },
  ...{ bytes: body.length, cut: false, redacted: false },
});

const detail = (place: number, changes: Partial<CallDetail> = {}): CallDetail => ({
  id: `01a00000-0000-7000-8000-${String(place).padStart(12, '0')}` as InvocationId,
  app: 'shop' as AppName,
  endedMs: 1_000 + place,
  ...{ trace: undefined, parent: undefined, input: undefined, output: undefined },
  ...changes,
});

/** Holds an adapter to every sentence of `CallDetailStore`. */
export function exerciseCallDetailStore(open: OpenFresh<CallDetailStore>): void {
  describe('CallDetailStore', () => {
    it('keeps what it is given, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const all = [
          detail(1, { input: payload('{"a":1}'), output: payload('ü') }),
          detail(2, { trace: TRACE, parent: SPAN }),
          detail(3, { trace: TRACE, parent: SPAN, input: payload('') }),
        ];
        await store.append(all);
        const again = await fresh.reopen();
        for (const each of all) assert.deepEqual(await again.find(each.id), each);
        assert.equal(await again.find(detail(4).id), undefined);
      }));

    it('shows the latest attempt', () =>
      withFresh(open, async (store) => {
        await store.append([detail(1, { input: payload('one') }), detail(1, { input: payload('two') })]);
        assert.equal((await store.find(detail(1).id))?.input?.body, 'two');
      }));

    it('lists the calls of one trace, the first to end first', () =>
      withFresh(open, async (store) => {
        const other = `${TRACE.slice(0, 31)}2`;
        await store.append([
          detail(1, { trace: TRACE, parent: SPAN }),
          detail(2, { trace: other, parent: SPAN }),
          detail(3, { trace: TRACE, parent: SPAN }),
          detail(4),
        ]);
        assert.deepEqual(await store.listTrace(TRACE, 10), [
          { id: detail(1).id, parent: SPAN },
          { id: detail(3).id, parent: SPAN },
        ]);
        assert.equal((await store.listTrace(TRACE, 1)).length, 1);
      }));

    it('prunes by age, by number and by size, the oldest first', () =>
      withFresh(open, async (store) => {
        const all = [1, 2, 3, 4, 5, 6].map((place) => detail(place, { input: payload('x'.repeat(1_000)) }));
        await store.append(all);
        const left = async () => {
          const found = await Promise.all(all.map(({ id }) => store.find(id)));
          return found.flatMap((each) => (each === undefined ? [] : [each.endedMs - 1_000]));
        };
        const none = { beforeMs: 0, rowsMax: 100, bytesMax: 1e9 };
        assert.equal(await store.prune(none), 0);
        assert.equal(await store.prune({ ...none, beforeMs: 1_002 }), 1);
        assert.deepEqual(await left(), [2, 3, 4, 5, 6]);
        assert.equal(await store.prune({ ...none, rowsMax: 4 }), 1);
        assert.equal(await store.prune({ ...none, bytesMax: 2_500 }), 2);
        assert.deepEqual(await left(), [5, 6]);
        assert.equal(await store.prune({ ...none, rowsMax: 0 }), 2);
        assert.equal(await store.prune({ ...none, rowsMax: 0 }), 0);
      }));
  });
}
