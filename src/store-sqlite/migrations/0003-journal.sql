-- Executions of workflows and their journals. A waiting execution is a row here and nothing anywhere else.

CREATE TABLE executions (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  app TEXT NOT NULL,
  workflow TEXT NOT NULL,
  kind TEXT NOT NULL,
  version TEXT NOT NULL,
  deployment INTEGER NOT NULL,
  -- Shape of its journal's entries.
  format INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN
    ('queued', 'ready', 'running', 'waiting', 'succeeded', 'failed', 'cancelled', 'timedOut', 'continued')),
  priority INTEGER NOT NULL,
  parent TEXT,
  parent_op INTEGER,
  created_ms REAL NOT NULL,
  ended_ms REAL,
  -- ready: since when. waiting: when it goes on by itself.
  due_ms REAL,
  expires_ms REAL,
  node TEXT,
  fence INTEGER NOT NULL DEFAULT 0,
  entries INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  -- Key and limit of those that may be under way at once.
  slot TEXT,
  slot_limit INTEGER,
  -- What replaces it as long as it has not begun.
  debounce TEXT
) STRICT;

CREATE INDEX executions_ready ON executions (priority DESC, due_ms, key) WHERE status = 'ready';
CREATE INDEX executions_due ON executions (due_ms, key) WHERE status = 'waiting' AND due_ms IS NOT NULL;
CREATE INDEX executions_held ON executions (node) WHERE status = 'running';
CREATE INDEX executions_queued ON executions (slot, priority DESC, key) WHERE status = 'queued';
CREATE INDEX executions_debounced ON executions (debounce) WHERE debounce IS NOT NULL;
CREATE INDEX executions_by_workflow ON executions (app, workflow, key);
CREATE INDEX executions_by_parent ON executions (parent, key) WHERE parent IS NOT NULL;
CREATE INDEX executions_ended ON executions (ended_ms, key) WHERE ended_ms IS NOT NULL;

-- One row a transition.
CREATE TABLE journal (
  execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
  -- Place of its first entry, from 0.
  seq INTEGER NOT NULL,
  -- How many entries.
  count INTEGER NOT NULL,
  -- JSON: an array of entries.
  entries TEXT NOT NULL,
  PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE execution_inbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
  -- JSON.
  input TEXT NOT NULL
) STRICT;

CREATE INDEX execution_inbox_by_execution ON execution_inbox (execution, position);

-- Operations that wait for something known by a key: a token, a type of event.
CREATE TABLE execution_awaits (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
  op INTEGER NOT NULL,
  await_key TEXT NOT NULL,
  -- JSON.
  detail TEXT,
  UNIQUE (execution, op)
) STRICT;

CREATE INDEX execution_awaits_by_key ON execution_awaits (await_key, position);

CREATE TABLE execution_keys (
  app TEXT NOT NULL,
  workflow TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
  PRIMARY KEY (app, workflow, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX execution_keys_by_execution ON execution_keys (execution);

-- How many executions are under way by concurrency key.
CREATE TABLE execution_slots (
  slot TEXT PRIMARY KEY,
  used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When the next start with this key would be on time (the generic cell rate algorithm).
CREATE TABLE execution_rates (
  rate TEXT PRIMARY KEY,
  next_ms REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE execution_counts (
  status TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO execution_counts VALUES ('queued', 0), ('ready', 0), ('running', 0), ('waiting', 0), ('succeeded', 0),
  ('failed', 0), ('cancelled', 0), ('timedOut', 0), ('continued', 0);

CREATE TRIGGER execution_counts_insert AFTER INSERT ON executions BEGIN
  UPDATE execution_counts SET count = count + 1 WHERE status = new.status;
END;
CREATE TRIGGER execution_counts_update AFTER UPDATE OF status ON executions WHEN old.status <> new.status BEGIN
  UPDATE execution_counts SET count = count - 1 WHERE status = old.status;
  UPDATE execution_counts SET count = count + 1 WHERE status = new.status;
END;
CREATE TRIGGER execution_counts_delete AFTER DELETE ON executions BEGIN
  UPDATE execution_counts SET count = count - 1 WHERE status = old.status;
END;
