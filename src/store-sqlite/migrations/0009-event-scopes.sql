-- Whose an event is: '' is everybody's, which all events were so far; see src/model/event-scope.ts.
ALTER TABLE events ADD COLUMN scope TEXT NOT NULL DEFAULT '';

-- Within a scope, so that no app can take the place of another's events by naming their source and id.
DROP INDEX events_by_identity;
CREATE UNIQUE INDEX events_by_identity ON events (scope, source, id);

-- Which of an app's events other apps may hear. JSON.
ALTER TABLE deployments ADD COLUMN shares TEXT NOT NULL DEFAULT '[]';
