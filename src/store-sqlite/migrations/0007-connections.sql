-- Outside services that an app names: where they are, and the names of the secrets to log in with.
ALTER TABLE deployments ADD COLUMN connections TEXT NOT NULL DEFAULT '[]';
