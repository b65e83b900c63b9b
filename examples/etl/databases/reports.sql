-- MariaDB. A region that is not listed has no reports.
CREATE TABLE regions (name varchar(64) PRIMARY KEY);

CREATE TABLE reports (
  id varchar(64) PRIMARY KEY,
  region varchar(64) NOT NULL REFERENCES regions (name),
  orders integer NOT NULL,
  cents bigint NOT NULL,
  best varchar(64)
);

-- The steps that wrote here, and how often each ran.
CREATE TABLE steps (id varchar(128) PRIMARY KEY, runs integer NOT NULL);

INSERT INTO regions VALUES ('north'), ('south');
