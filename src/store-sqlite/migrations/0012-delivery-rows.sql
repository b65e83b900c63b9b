-- Deliveries of one trigger whose events follow on one another and are owed alike are one row, until something happens to
-- one of them: at tens of thousands a second, a row for each was half of all that was written.

-- The next key that a delivery gets, for good: a row takes as many as it has deliveries.
ALTER TABLE event_totals ADD COLUMN next_key INTEGER NOT NULL DEFAULT 1;
UPDATE event_totals SET next_key = 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'), 0);

CREATE TABLE delivery_rows (
  -- Of the first: the others have the next ones.
  key INTEGER PRIMARY KEY,
  trigger INTEGER NOT NULL,
  -- Of the first: the others are of the next ones.
  event INTEGER NOT NULL,
  count INTEGER NOT NULL,
  -- Since when they are owed.
  owed_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  -- Attempts that failed. One that failed has a row of its own; so has one that is parked or was edited.
  attempts INTEGER NOT NULL DEFAULT 0,
  -- Who holds them; NULL: nobody.
  session INTEGER,
  -- Deliveries of one trigger with the same value are made in the order of their keys.
  ordering TEXT,
  -- 1: the value of each is its event's subject, and `ordering` is NULL.
  by_subject INTEGER NOT NULL DEFAULT 0,
  -- 1: behind one of the same ordering that failed; not to be claimed.
  parked INTEGER NOT NULL DEFAULT 0,
  -- Instead of the event's own, where a person edited it.
  body BLOB
) STRICT;

INSERT INTO delivery_rows (key, trigger, event, count, owed_ms, due_ms, attempts, session, ordering, parked, body)
SELECT key, trigger, event, 1, owed_ms, due_ms, attempts, session, ordering, parked, body FROM deliveries;

DROP TABLE deliveries;
ALTER TABLE delivery_rows RENAME TO deliveries;

CREATE INDEX deliveries_waiting ON deliveries (trigger, due_ms, key) WHERE session IS NULL AND parked = 0;
CREATE INDEX deliveries_parked ON deliveries (trigger, ordering) WHERE parked = 1;
CREATE INDEX deliveries_failed ON deliveries (trigger, ordering) WHERE ordering IS NOT NULL AND attempts > 0;
CREATE INDEX deliveries_by_event ON deliveries (event, count);
