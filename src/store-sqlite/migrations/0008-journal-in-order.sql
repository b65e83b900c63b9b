-- Transitions lie in the order in which they came, found by an index. When each execution's lay together, those that many
-- executions made at once went to a page each: a commit of fifty wrote fifty pages to the log instead of about ten.

CREATE TABLE journal_in_order (
  execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
  -- Place of its first entry, from 0.
  seq INTEGER NOT NULL,
  -- How many entries.
  count INTEGER NOT NULL,
  -- JSON: an array of entries.
  entries TEXT NOT NULL
) STRICT;

INSERT INTO journal_in_order (execution, seq, count, entries)
  SELECT execution, seq, count, entries FROM journal ORDER BY execution, seq;

DROP TABLE journal;
ALTER TABLE journal_in_order RENAME TO journal;

CREATE UNIQUE INDEX journal_by_execution ON journal (execution, seq);
