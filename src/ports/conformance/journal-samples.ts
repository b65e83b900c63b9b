import assert from 'node:assert/strict';
import type { ExecutionId, NodeId } from '../../base/ids.ts';
import type { AppName } from '../../model/function.ts';
import type { JournalEntry, Outcome } from '../../model/journal.ts';
import type {
  ClaimedExecution,
  JournalStore,
  NewExecution,
  NextState,
  Transition,
} from '../journal-store.ts';

export const startMs = 1_800_000_000_000;
export const nodeA = '01a3d0b2-0000-7000-8000-00000000000a' as NodeId;
export const nodeB = '01a3d0b2-0000-7000-8000-00000000000b' as NodeId;

export function executionId(place: number): ExecutionId {
  return `01a3d0b2-2222-7000-8000-${place.toString(16).padStart(12, '0')}` as ExecutionId;
}

export function newExecution(place: number, more: Partial<NewExecution> = {}): NewExecution {
  return {
    id: executionId(place),
    app: 'shop' as AppName,
    workflow: 'order',
    kind: 'code',
    version: 'fv_1',
    deployment: 3,
    entries: [
      { kind: 'started', atMs: startMs, seed: '00'.repeat(16), input: { json: { place, text: 'grüße' } } },
    ],
    priority: 0,
    parent: undefined,
    expiresMs: undefined,
    ...more,
  };
}

export function noted(note: unknown): JournalEntry {
  return { kind: 'noted', atMs: startMs, note };
}

export function ended(outcome: Outcome = { status: 'succeeded', output: { json: 1 } }): JournalEntry {
  return { kind: 'ended', atMs: startMs, outcome };
}

export function transition(
  { record, fence }: Pick<ClaimedExecution, 'record' | 'fence'>,
  seq: number,
  entries: readonly JournalEntry[],
  next: NextState,
  more: Partial<Transition> = {},
): Transition {
  return {
    id: record.id,
    fence,
    seq,
    entries,
    next,
    consumed: [],
    awaits: [],
    awaitsNoMore: [],
    messages: [],
    starts: [],
    nowMs: startMs,
    ...more,
  };
}

export async function claimOne(
  store: JournalStore,
  nowMs = startMs,
  node = nodeA,
): Promise<ClaimedExecution> {
  const [claimed] = await store.claim(node, nowMs, 1);
  assert.ok(claimed !== undefined, 'something is to be claimed');
  return claimed;
}

export async function start(
  store: JournalStore,
  place: number,
  more: Partial<NewExecution> = {},
  nowMs = startMs,
): Promise<void> {
  const outcome = await store.create(newExecution(place, more), nowMs);
  assert.equal(outcome.status, 'created');
}

/** Claims the next execution and ends it. */
export async function endNext(store: JournalStore, nowMs = startMs): Promise<ExecutionId> {
  const claimed = await claimOne(store, nowMs);
  const done = transition(claimed, claimed.entries.length, [ended()], { status: 'ended' }, { nowMs });
  assert.equal(await store.append(done), true);
  return claimed.record.id;
}
