-- Large payloads are files; what executions refer to is kept. With an execution its references go.

CREATE TABLE execution_payloads (
  execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
  -- SHA-256, hexadecimal.
  blob TEXT NOT NULL,
  PRIMARY KEY (execution, blob)
) STRICT, WITHOUT ROWID;

CREATE INDEX execution_payloads_by_blob ON execution_payloads (blob);
