import type { Changes } from '../ports/changes.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { JournalStore } from '../ports/journal-store.ts';

/*
 * Stores that note what was written to them, once it is durable. Nobody waits for the note, and a write that failed
 * changed nothing.
 */

function after<Value>(written: Promise<Value>, note: () => void): Promise<Value> {
  written.then(note, () => {});
  return written;
}

export function noteExecutions(journal: JournalStore, changes: Changes): JournalStore {
  const noted = <Value>(id: string, written: Promise<Value>): Promise<Value> =>
    after(written, () => changes.note('executions', id));
  return {
    ...journal,
    create: (execution, nowMs) => noted(execution.id, journal.create(execution, nowMs)),
    append: (transition) => noted(transition.id, journal.append(transition)),
    release: (id, fence, dueMs, nowMs) => noted(id, journal.release(id, fence, dueMs, nowMs)),
    deliver: (id, input, nowMs) => noted(id, journal.deliver(id, input, nowMs)),
    settleAwaiting: (id, op, input, nowMs) => noted(id, journal.settleAwaiting(id, op, input, nowMs)),
  };
}

export function noteEvents(events: EventStore, changes: Changes): EventStore {
  const noted = <Value>(written: Promise<Value>): Promise<Value> =>
    after(written, () => changes.note('events'));
  return {
    ...events,
    append: (append) => noted(events.append(append)),
    settle: (settlements, append) => noted(events.settle(settlements, append)),
    setPaused: (trigger, paused) => noted(events.setPaused(trigger, paused)),
    replay: (items, nowMs) => noted(events.replay(items, nowMs)),
    editDead: (key, event) => noted(events.editDead(key, event)),
    redriveDead: (keys, nowMs) => noted(events.redriveDead(keys, nowMs)),
    removeDead: (keys) => noted(events.removeDead(keys)),
  };
}
