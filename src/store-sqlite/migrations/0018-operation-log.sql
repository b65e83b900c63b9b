-- Which records of the operation log the database does not have: those of this epoch (src/store-sqlite/operation-log.ts).
CREATE TABLE operation_log (epoch INTEGER NOT NULL) STRICT;
INSERT INTO operation_log VALUES (1);
