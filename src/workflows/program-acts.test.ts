import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPlainSubmission } from './plain-acts.ts';
import { codeMessageSchema, parseCodeMessage } from './program-acts.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const STEP = {
  ...{ kind: 'step', name: 'add' },
  retry: { attemptsMax: 5, firstMs: 1_000, factor: 2, maxMs: 60_000, jitter: true },
};
const MESSAGE = {
  kind: 'submit',
  acts: [
    { kind: 'took', offer: 3 },
    { kind: 'complete', op: 1, output: { json: { sum: [1, null] } }, atMs: 1_700_000_000_000 },
    { kind: 'open', op: 2, task: STEP, at: 'workflows/ten.ts:5' },
    { kind: 'end', outcome: { status: 'succeeded', output: { json: 55 } } },
  ],
};

/** What stands in for each value in turn. */
const ODD: readonly Json[] = [
  ...[null, true, 0, 1, -1, 0.5, 2, 1e7, 10_000_001, 8.64e15, 1e16, 2 ** 53, 1e300],
  ...[
    '',
    'x',
    'step',
    'submit',
    'took',
    'complete',
    'open',
    'end',
    'succeeded',
    'x'.repeat(257),
    'x'.repeat(513),
  ],
  ...[[], [1], {}, { json: 1 }, { json: null }, { kind: 'step' }],
];

/** The message with one value replaced, left out, or joined by another, in all places. */
function* variants(value: Json): Generator<Json> {
  yield* ODD;
  if (value === null || typeof value !== 'object') return;
  if (Array.isArray(value)) {
    for (const [place, each] of value.entries())
      for (const other of variants(each)) yield value.toSpliced(place, 1, other);
    yield [...value, ...value];
    return;
  }
  for (const [key, each] of Object.entries(value)) {
    for (const other of variants(each)) yield { ...value, [key]: other };
    yield Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
    yield Object.fromEntries(
      Object.entries(value).map(([name, own]) => [name === key ? `${name}_` : name, own]),
    );
  }
  for (const key of ['scope', 'timeoutMs', 'dueMs', 'json', 'blob', '__proto__'])
    yield { ...value, ...(JSON.parse(`{"${key}":1}`) as { [key: string]: Json }) };
}

describe('what the code of a workflow says', () => {
  it('is told by a look where it is as usual', () => {
    assert.equal(isPlainSubmission(MESSAGE, 10), true);
    assert.equal(isPlainSubmission(MESSAGE, 3), false, 'too many acts');
    assert.deepEqual(parseCodeMessage(JSON.stringify(MESSAGE)), MESSAGE);
  });

  it('is never taken at a look where the schemas refuse it, or take it as something else', () => {
    let [plain, others] = [0, 0];
    for (const each of variants(MESSAGE)) {
      // As it arrives.
      const message: unknown = JSON.parse(JSON.stringify(each));
      if (!isPlainSubmission(message, 20_000)) {
        others += 1;
        continue;
      }
      plain += 1;
      const parsed = codeMessageSchema.safeParse(message);
      assert.ok(parsed.success, JSON.stringify(message));
      assert.deepEqual(parsed.data, message);
    }
    assert.ok(plain > 50 && others > 500, `${plain} plain, ${others} others`);
  });

  it('is left to the schemas where it is not', () => {
    const failed = { kind: 'submit', acts: [{ kind: 'open', op: 1, task: { kind: 'sleep' }, dueMs: 5 }] };
    assert.equal(isPlainSubmission(failed, 10), false);
    assert.deepEqual(parseCodeMessage(JSON.stringify(failed)), failed);
    assert.equal(parseCodeMessage('{"kind":"submit","acts":[{"kind":"open"}]}'), undefined);
    assert.equal(parseCodeMessage('{"kind":"submit","acts":[{"kind":"took","offer":1e999}]}'), undefined);
    assert.equal(parseCodeMessage('{"kind'), undefined);
  });
});
