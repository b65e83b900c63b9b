-- Events, what is owed of them to triggers, and what could not be delivered.

-- JSON.
ALTER TABLE deployments ADD COLUMN triggers TEXT NOT NULL DEFAULT '[]';

-- The log. `event` is the CloudEvent as JSON text: what a function gets, byte for byte.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT,
  received_ms INTEGER NOT NULL,
  -- How many deliveries led to it, one from another.
  depth INTEGER NOT NULL,
  event BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_by_identity ON events (source, id);

-- One row: kept with each write, so that limits need no count.
CREATE TABLE event_totals (
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  owed INTEGER NOT NULL,
  dead INTEGER NOT NULL
) STRICT;

INSERT INTO event_totals VALUES (0, 0, 0, 0);

-- Triggers by number. They outlive deployments, so that a trigger keeps its place.
CREATE TABLE event_triggers (
  key INTEGER PRIMARY KEY,
  -- `app/trigger`.
  id TEXT NOT NULL UNIQUE,
  paused INTEGER NOT NULL DEFAULT 0,
  owed INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0,
  dead INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One run of a platform. Its number is the fence of every claim it makes.
CREATE TABLE event_sessions (
  session INTEGER PRIMARY KEY AUTOINCREMENT,
  node TEXT NOT NULL
) STRICT;

-- What is owed. A delivery that was made is deleted.
CREATE TABLE deliveries (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  trigger INTEGER NOT NULL,
  event INTEGER NOT NULL,
  -- Since when it is owed.
  owed_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  -- Attempts that failed.
  attempts INTEGER NOT NULL DEFAULT 0,
  -- Who holds it; NULL: nobody.
  session INTEGER,
  -- Deliveries of one trigger with the same value are made in the order of their keys.
  ordering TEXT,
  -- 1: behind one of the same ordering that failed; not to be claimed.
  parked INTEGER NOT NULL DEFAULT 0,
  -- Instead of the event's own, where a person edited it.
  body BLOB
) STRICT;

CREATE INDEX deliveries_waiting ON deliveries (trigger, due_ms, key) WHERE session IS NULL AND parked = 0;
CREATE INDEX deliveries_parked ON deliveries (trigger, ordering) WHERE parked = 1;
CREATE INDEX deliveries_failed ON deliveries (trigger, ordering) WHERE ordering IS NOT NULL AND attempts > 0;
CREATE INDEX deliveries_by_event ON deliveries (event);

CREATE TABLE dead_letters (
  -- The key that the delivery had.
  key INTEGER PRIMARY KEY,
  trigger INTEGER NOT NULL,
  event INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  ordering TEXT,
  body BLOB,
  -- JSON.
  error TEXT NOT NULL,
  died_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_trigger ON dead_letters (trigger, key);
CREATE INDEX dead_letters_by_event ON dead_letters (event);

-- Values that make a later event a repetition for one trigger, for a time.
CREATE TABLE event_repetitions (
  trigger INTEGER NOT NULL,
  value TEXT NOT NULL,
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (trigger, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_repetitions_by_end ON event_repetitions (until_ms);

-- How far each source has read, moved in the same transaction as the events it gave.
CREATE TABLE source_positions (
  -- `app/trigger`.
  source TEXT PRIMARY KEY,
  position TEXT NOT NULL,
  moved_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
