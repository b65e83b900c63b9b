-- The latest attempts of one trigger, in pages.
CREATE INDEX delivery_attempts_by_trigger ON delivery_attempts (trigger, started_ms);
