-- Of some invocations: the place in a trace, and what went in and came out. The oldest go first, by key.
CREATE TABLE call_details (
  key INTEGER PRIMARY KEY,
  -- UUID. An invocation that was tried again has several rows.
  id BLOB NOT NULL,
  app TEXT NOT NULL,
  ended_ms REAL NOT NULL,
  -- W3C Trace Context: the ids of the trace and of the span that called.
  trace BLOB,
  parent BLOB,
  -- JSON: CallPayload.
  input TEXT,
  output TEXT
) STRICT;

CREATE INDEX call_details_by_id ON call_details (id, key);
CREATE INDEX call_details_by_trace ON call_details (trace, key) WHERE trace IS NOT NULL;

-- One row: kept with each write, so that limits need no count.
CREATE TABLE call_detail_totals (
  rows INTEGER NOT NULL,
  chars INTEGER NOT NULL
) STRICT;

INSERT INTO call_detail_totals VALUES (0, 0);

-- Attempts of deliveries: all that failed, and as many of the others as there is time for. They go with their event.
CREATE TABLE delivery_attempts (
  event INTEGER NOT NULL,
  trigger INTEGER NOT NULL,
  -- The key of the delivery: a replay has another one.
  delivery INTEGER NOT NULL,
  -- From 1.
  attempt INTEGER NOT NULL,
  started_ms REAL NOT NULL,
  took_ms REAL NOT NULL,
  -- What it called, where that was a function.
  invocation TEXT,
  -- JSON; NULL: it went well.
  error TEXT,
  -- When the next one was to come; NULL: it was the last.
  next_ms REAL,
  PRIMARY KEY (event, delivery, attempt)
) STRICT, WITHOUT ROWID;

-- Events that people keep to test a function with, for everybody who uses the server.
CREATE TABLE saved_events (
  app TEXT NOT NULL,
  function TEXT NOT NULL,
  name TEXT NOT NULL,
  -- JSON, as it was written.
  event TEXT NOT NULL,
  saved_ms INTEGER NOT NULL,
  PRIMARY KEY (app, function, name)
) STRICT, WITHOUT ROWID;
