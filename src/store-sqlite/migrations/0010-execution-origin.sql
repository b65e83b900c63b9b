-- How executions came about: how many calls and events led to them, and the trace that they belong to.
ALTER TABLE executions ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
-- W3C Trace Context.
ALTER TABLE executions ADD COLUMN traceparent TEXT;
