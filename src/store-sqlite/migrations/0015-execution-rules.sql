-- By which rules an execution runs (`RULES` of src/model/execution.ts). Those of before began by the first.
ALTER TABLE executions ADD COLUMN rules INTEGER NOT NULL DEFAULT 1;
