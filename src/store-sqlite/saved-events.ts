import type { DatabaseSync } from 'node:sqlite';
import type { AppName, FunctionName } from '../model/function.ts';
import { SAVED_EVENTS_MAX, type SavedEvent, type SavedEventStore } from '../ports/saved-events.ts';
import type { Caller } from './operation.ts';
import { numberOf, textOf } from './row.ts';

export type SavedEventWrites = ReturnType<typeof createSavedEventWrites>;
export type SavedEventReads = ReturnType<typeof createSavedEventReads>;

export function createSavedEventStore(
  write: Caller<SavedEventWrites>,
  read: Caller<SavedEventReads>,
): SavedEventStore {
  return {
    list: (app, name) => read('list', [app, name]),
    put: (app, name, saved) => write('put', [app, name, saved]),
    remove: (app, name, saved) => write('remove', [app, name, saved]),
    removeApp: (app) => write('removeApp', [app]),
  };
}

export function createSavedEventWrites(db: DatabaseSync) {
  const put = db.prepare(`
    INSERT INTO saved_events (app, function, name, event, saved_ms)
    SELECT ?1, ?2, ?3, ?4, ?5
    WHERE (SELECT count(*) FROM saved_events WHERE app = ?1 AND function = ?2 AND name <> ?3) < ${SAVED_EVENTS_MAX}
    ON CONFLICT DO UPDATE SET event = excluded.event, saved_ms = excluded.saved_ms`);
  const remove = db.prepare('DELETE FROM saved_events WHERE app = ? AND function = ? AND name = ?');
  const removeApp = db.prepare('DELETE FROM saved_events WHERE app = ?');
  return {
    put: (app: AppName, name: FunctionName, { name: own, event, savedMs }: SavedEvent): boolean =>
      put.run(app, name, own, event, savedMs).changes === 1,
    remove: (app: AppName, name: FunctionName, own: string): boolean =>
      remove.run(app, name, own).changes === 1,
    removeApp(app: AppName): void {
      removeApp.run(app);
    },
  };
}

export function createSavedEventReads(db: DatabaseSync) {
  const list = db.prepare(
    'SELECT name, event, saved_ms FROM saved_events WHERE app = ? AND function = ? ORDER BY name',
  );
  return {
    list: (app: AppName, name: FunctionName): SavedEvent[] =>
      list.all(app, name).map((row) => ({
        name: textOf(row, 'name'),
        event: textOf(row, 'event'),
        savedMs: numberOf(row, 'saved_ms'),
      })),
  };
}
