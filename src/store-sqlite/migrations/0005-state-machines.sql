-- What the Step Functions API keeps beside the journal: state machines, versions, aliases, activities, tags, names of
-- executions. Small JSON objects of a kind, by key.
CREATE TABLE state_machine_objects (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
