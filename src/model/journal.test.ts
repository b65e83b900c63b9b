import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { JOURNAL_FORMAT, journalEntrySchema } from './journal.ts';

/*
 * Journals out there are replayed for ever. Whoever changes the shape of an entry decides here: what older programs
 * can still read (a new optional field, a new kind that they never meet) gets a new hash; anything else gets the
 * next format number as well, and code that reads both.
 */
const SHAPES: Record<number, string> = {
  1: 'cedfc49963b18814e833505fb784b31c4ebf1a3f350d45d4cd81ccc34f0ede79',
};

describe('journal', () => {
  it('has the shape that this format stands for', () => {
    const shape = JSON.stringify(z.toJSONSchema(journalEntrySchema));
    assert.equal(createHash('sha256').update(shape).digest('hex'), SHAPES[JOURNAL_FORMAT]);
  });

  it('takes entries as they are written, and no others', () => {
    const entry = { kind: 'opened', atMs: 5, op: 1, task: { kind: 'sleep', name: 'nap' }, dueMs: 9 };
    assert.deepEqual(journalEntrySchema.parse(entry), entry);
    for (const wrong of [
      { ...entry, op: 0 },
      { ...entry, extra: 1 },
      { ...entry, task: { kind: 'sleep', name: '' } },
      { kind: 'completed', atMs: 5, op: 1 },
      { kind: 'unheard of', atMs: 5 },
    ])
      assert.equal(journalEntrySchema.safeParse(wrong).success, false, JSON.stringify(wrong));
  });
});
