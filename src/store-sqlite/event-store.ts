import type { DatabaseSync } from 'node:sqlite';
import type { Append, EventStore, NewEvent } from '../ports/event-store.ts';
import { createDeliveryWrites } from './event-deliveries.ts';
import { createEventLogWrites } from './event-log.ts';
import { createEventPrune } from './event-prune.ts';
import type { EventReads } from './event-reads.ts';
import type { CallCost, Caller } from './operation.ts';

export type EventWrites = ReturnType<typeof createEventWrites>;

export function createEventStore(write: Caller<EventWrites>, read: Caller<EventReads>): EventStore {
  return {
    openSession: (node) => write('openSession', [node]),
    registerTriggers: (ids) => write('registerTriggers', [ids]),
    append: (append) => write('append', [append], costOf(append)),
    claim: (session, trigger, nowMs, limit) => write('claim', [session, trigger, nowMs, limit]),
    nextDueMs: (trigger) => read('nextDueMs', [trigger]),
    settle: (settlements, append) => write('settle', [settlements, append], costOf(append)),
    unpark: (trigger, ordering) => write('unpark', [trigger, ordering]),
    setPaused: (trigger, paused) => write('setPaused', [trigger, paused]),
    findPosition: (source) => read('findPosition', [source]),
    totals: () => read('totals', []),
    triggerTotals: () => read('triggerTotals', []),
    listEvents: (filter, limit, before) => read('listEvents', [filter, limit, before]),
    findEvent: (seq) => read('findEvent', [seq]),
    readEvents: (filter, limit, after) => read('readEvents', [filter, limit, after]),
    replay: (items, nowMs) => write('replay', [items, nowMs]),
    listDead: (filter, limit) => read('listDead', [filter, limit]),
    findDead: (key) => read('findDead', [key]),
    editDead: (key, event) => write('editDead', [key, event]),
    redriveDead: (keys, nowMs) => write('redriveDead', [keys, nowMs]),
    removeDead: (keys) => write('removeDead', [keys]),
    prune: (limits) => write('prune', [limits]),
  };
}

export function createEventWrites(db: DatabaseSync) {
  return { ...createEventLogWrites(db), ...createDeliveryWrites(db), ...createEventPrune(db) };
}

function costOf({ events }: Append): CallCost {
  return { bytes: events.reduce((sum: number, { event }: NewEvent) => sum + event.byteLength, 0) };
}
