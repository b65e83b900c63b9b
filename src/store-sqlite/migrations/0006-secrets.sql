-- Values that functions are given and nobody else may read. `sealed` is encrypted with a key that is not in here.
CREATE TABLE secrets (
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  sealed BLOB NOT NULL,
  updated_ms INTEGER NOT NULL,
  PRIMARY KEY (app, name)
) STRICT, WITHOUT ROWID;
