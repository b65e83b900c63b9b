-- Each filter of the list of executions is a range of an index, newest first. A workflow's name alone as well.
CREATE INDEX executions_by_app ON executions (app, key);
CREATE INDEX executions_by_status ON executions (status, key);
CREATE INDEX executions_by_app_status ON executions (app, status, key);
CREATE INDEX executions_by_name ON executions (workflow, key);
CREATE INDEX executions_by_workflow_status ON executions (app, workflow, status, key);

-- Bit n: trigger n occurs (order of TRIGGER_KINDS). NULL: a block of before.
ALTER TABLE invocation_blocks ADD COLUMN trigger_mask INTEGER;
