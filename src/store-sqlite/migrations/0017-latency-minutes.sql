-- How long calls took, by the minute of arrival and the function: how many fell into each bucket of
-- model/latency-buckets.ts, as 32-bit numbers, the least significant byte first. Written with the invocations.
CREATE TABLE latency_minutes (
  start_ms INTEGER NOT NULL,
  function INTEGER NOT NULL,
  counts BLOB NOT NULL,
  PRIMARY KEY (start_ms, function)
) STRICT, WITHOUT ROWID;
