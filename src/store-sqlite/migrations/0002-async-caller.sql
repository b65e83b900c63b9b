-- Which function made an asynchronous call, as JSON {app, function, invocation, depth}; NULL: no function did.
ALTER TABLE async_invocations ADD COLUMN caller TEXT CHECK (caller IS NULL OR json_valid(caller));
