import type { DatabaseSync } from 'node:sqlite';
import type { Append, EventStore } from '../ports/event-store.ts';
import { createDeliveryKeys } from './delivery-rows.ts';
import { createDeliveryWrites } from './event-deliveries.ts';
import { createEventLogWrites } from './event-log.ts';
import { createEventPrune } from './event-prune.ts';
import type { EventReads } from './event-reads.ts';
import type { CallCost, Caller } from './operation.ts';
import { type PackedAppend, packAppend, unpackAppended } from './packed-append.ts';

export type EventWrites = ReturnType<typeof createEventWrites>;

export function createEventStore(write: Caller<EventWrites>, read: Caller<EventReads>): EventStore {
  return {
    openSession: (node) => write('openSession', [node]),
    registerTriggers: (ids) => write('registerTriggers', [ids]),
    async append(append) {
      const packed = packAppend(append);
      return unpackAppended(await write('append', [packed], costOf(packed)), append);
    },
    claim: (session, trigger, nowMs, limit) => write('claim', [session, trigger, nowMs, limit]),
    nextDueMs: (trigger) => read('nextDueMs', [trigger]),
    async settle(settlements, append: Append) {
      const packed = packAppend(append);
      return unpackAppended(await write('settle', [settlements, packed], costOf(packed)), append);
    },
    unpark: (trigger, ordering) => write('unpark', [trigger, ordering]),
    setPaused: (trigger, paused) => write('setPaused', [trigger, paused]),
    findPosition: (source) => read('findPosition', [source]),
    listPositions: (after, limit) => read('listPositions', [after, limit]),
    totals: () => read('totals', []),
    triggerTotals: () => read('triggerTotals', []),
    listEvents: (filter, limit, before) => read('listEvents', [filter, limit, before]),
    findEvent: (seq) => read('findEvent', [seq]),
    readEvents: (filter, limit, after) => read('readEvents', [filter, limit, after]),
    replay: (items, nowMs) => write('replay', [items, nowMs]),
    listAttempts: (trigger, limit, cursor) => read('listAttempts', [trigger, limit, cursor]),
    listDead: (filter, limit) => read('listDead', [filter, limit]),
    findDead: (key) => read('findDead', [key]),
    editDead: (key, event) => write('editDead', [key, event]),
    redriveDead: (keys, nowMs) => write('redriveDead', [keys, nowMs]),
    removeDead: (keys) => write('removeDead', [keys]),
    prune: (limits) => write('prune', [limits]),
  };
}

export function createEventWrites(db: DatabaseSync) {
  const keys = createDeliveryKeys(db);
  return { ...createEventLogWrites(db, keys), ...createDeliveryWrites(db, keys), ...createEventPrune(db) };
}

/** The texts were copied for the message, so they can be handed over. */
function costOf({ texts }: PackedAppend): CallCost {
  return { bytes: texts.byteLength, transfer: texts.byteLength === 0 ? [] : [texts.buffer] };
}
