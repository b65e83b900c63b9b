import type { Changes } from '../ports/changes.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { JournalStore } from '../ports/journal-store.ts';

/*
 * Stores that note what was written to them, once it is durable. Nobody waits for the note, and a write that failed
 * changed nothing.
 */

export function noteExecutions(journal: JournalStore, changes: Changes): JournalStore {
  const noted = <Value>(written: Promise<Value>, id?: string): Promise<Value> => {
    written.then(
      () => changes.note('executions', id),
      () => {},
    );
    return written;
  };
  return {
    ...journal,
    create: (execution, nowMs) => noted(journal.create(execution, nowMs), execution.id),
    append: (transition) => noted(journal.append(transition), transition.id),
    release: (id, fence, dueMs, nowMs) => noted(journal.release(id, fence, dueMs, nowMs), id),
    deliver: (id, input, nowMs) => noted(journal.deliver(id, input, nowMs), id),
    settleAwaiting: (id, op, input, nowMs) => noted(journal.settleAwaiting(id, op, input, nowMs), id),
  };
}

export function noteEvents(events: EventStore, changes: Changes): EventStore {
  const noted = <Value>(written: Promise<Value>): Promise<Value> => {
    written.then(
      () => changes.note('events'),
      () => {},
    );
    return written;
  };
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
