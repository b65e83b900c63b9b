-- The first shape of the store. Times are epoch milliseconds unless a name says otherwise.

PRAGMA application_id = 1279348034;

-- Which steps this database has had.
CREATE TABLE migrations (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  applied_ms INTEGER NOT NULL
) STRICT;

-- Numbers that only grow: fences of claims, sequences of invocation records.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Apps and deployments ------------------------------------------------------------------------------------------

CREATE TABLE apps (
  name TEXT PRIMARY KEY,
  generation INTEGER NOT NULL DEFAULT 0,
  next_number INTEGER NOT NULL DEFAULT 1,
  -- Order in which apps came into being: the older one keeps a route that two claim.
  position INTEGER NOT NULL,
  -- JSON: [{ "number", "weight" }].
  traffic TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;

CREATE TABLE deployments (
  app TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  note TEXT NOT NULL,
  function_count INTEGER NOT NULL,
  -- Shape of `routes`, and of the versions' `body`.
  format INTEGER NOT NULL,
  -- JSON. Often long, so this table has rowids: within an index every comparison would read it whole.
  routes TEXT NOT NULL,
  PRIMARY KEY (app, number)
) STRICT;

-- What functions are built of, without their app and name. Named by a digest of id and body, and shared: ten
-- thousand functions that are alike, or the same ones deployed over and over, are stored once.
CREATE TABLE versions (
  key INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  id TEXT NOT NULL,
  code TEXT NOT NULL,
  -- JSON.
  body TEXT NOT NULL
) STRICT;

CREATE TABLE deployment_functions (
  app TEXT NOT NULL,
  number INTEGER NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL REFERENCES versions (key),
  PRIMARY KEY (app, number, position),
  FOREIGN KEY (app, number) REFERENCES deployments (app, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX deployment_functions_by_version ON deployment_functions (version);

-- Access --------------------------------------------------------------------------------------------------------

CREATE TABLE access_tokens (
  name TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX access_tokens_by_hash ON access_tokens (hash);

-- Asynchronous invocations --------------------------------------------------------------------------------------

CREATE TABLE async_invocations (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'claimed', 'dead')),
  app TEXT NOT NULL,
  function TEXT NOT NULL,
  traceparent TEXT,
  accepted_ms REAL NOT NULL,
  due_ms REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  node TEXT,
  fence INTEGER NOT NULL DEFAULT 0,
  -- JSON.
  error TEXT,
  died_ms REAL
) STRICT;

-- Apart, because a change of state would write a large payload again.
CREATE TABLE async_payloads (
  key INTEGER PRIMARY KEY REFERENCES async_invocations (key) ON DELETE CASCADE,
  payload BLOB NOT NULL
) STRICT;

CREATE INDEX async_invocations_waiting ON async_invocations (due_ms, key) WHERE state = 'waiting';
CREATE INDEX async_invocations_claimed ON async_invocations (node) WHERE state = 'claimed';
CREATE INDEX async_invocations_dead ON async_invocations (died_ms, key) WHERE state = 'dead';

-- How many are in each state: kept by the triggers, so that limits and lists need no count.
CREATE TABLE async_counts (
  state TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO async_counts VALUES ('waiting', 0), ('claimed', 0), ('dead', 0);

CREATE TRIGGER async_counts_insert AFTER INSERT ON async_invocations BEGIN
  UPDATE async_counts SET count = count + 1 WHERE state = new.state;
END;
CREATE TRIGGER async_counts_update AFTER UPDATE OF state ON async_invocations WHEN old.state <> new.state BEGIN
  UPDATE async_counts SET count = count - 1 WHERE state = old.state;
  UPDATE async_counts SET count = count + 1 WHERE state = new.state;
END;
CREATE TRIGGER async_counts_delete AFTER DELETE ON async_invocations BEGIN
  UPDATE async_counts SET count = count - 1 WHERE state = old.state;
END;

-- Telemetry -----------------------------------------------------------------------------------------------------

-- Names that repeat in every row, as small numbers.
CREATE TABLE telemetry_functions (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (app, name)
) STRICT;

-- Blocks of some thousand invocations each, in columns (invocation-block.ts). This row says what a block can hold,
-- so that a search passes over those that cannot match.
CREATE TABLE invocation_blocks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  format INTEGER NOT NULL,
  count INTEGER NOT NULL,
  -- 2: large enough to stay. Below: to be merged with others of its level.
  level INTEGER NOT NULL,
  first_ms REAL NOT NULL,
  last_ms REAL NOT NULL,
  -- Times inside the ids.
  id_first_ms INTEGER NOT NULL,
  id_last_ms INTEGER NOT NULL,
  -- Bit n: status n occurs (order of INVOCATION_STATUSES).
  status_mask INTEGER NOT NULL,
  run_us_max REAL NOT NULL,
  -- The apps, and lines of app/function, with a newline before and after each; NULL: too many to list.
  apps TEXT,
  functions TEXT
) STRICT;

CREATE INDEX invocation_blocks_by_last ON invocation_blocks (last_ms, id);
CREATE INDEX invocation_blocks_by_level ON invocation_blocks (level, last_ms) WHERE level < 2;

-- The columns themselves, apart by use: id is the block's times 4 plus 0 filter keys, 1 texts, 2 ids, 3 the rest.
CREATE TABLE invocation_parts (
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

-- Sums by minute and by hour of arrival, written with the invocations.
CREATE TABLE usage_minutes (
  start_ms INTEGER NOT NULL,
  function INTEGER NOT NULL,
  memory_mb REAL NOT NULL,
  invocations INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  cold_starts INTEGER NOT NULL,
  billed_ms REAL NOT NULL,
  billed_mb_ms REAL NOT NULL,
  PRIMARY KEY (start_ms, function, memory_mb)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_hours (
  start_ms INTEGER NOT NULL,
  function INTEGER NOT NULL,
  memory_mb REAL NOT NULL,
  invocations INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  cold_starts INTEGER NOT NULL,
  billed_ms REAL NOT NULL,
  billed_mb_ms REAL NOT NULL,
  PRIMARY KEY (start_ms, function, memory_mb)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_lines (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  function INTEGER NOT NULL,
  time_ms REAL NOT NULL,
  -- Places in LOG_SEVERITIES and LOG_STREAMS.
  severity INTEGER NOT NULL,
  stream INTEGER NOT NULL,
  version TEXT NOT NULL,
  instance TEXT,
  invocation TEXT,
  text TEXT NOT NULL
) STRICT;

CREATE INDEX log_lines_by_function ON log_lines (function, sequence);
CREATE INDEX log_lines_by_invocation ON log_lines (invocation, sequence) WHERE invocation IS NOT NULL;
CREATE INDEX log_lines_by_time ON log_lines (time_ms);
