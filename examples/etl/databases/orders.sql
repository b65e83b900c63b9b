-- PostgreSQL. An order is part of one report at most.
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  region text NOT NULL,
  product text NOT NULL,
  cents integer NOT NULL,
  report text
);

-- The steps that wrote here, and how often each ran.
CREATE TABLE steps (id text PRIMARY KEY, runs integer NOT NULL);

INSERT INTO orders (region, product, cents) VALUES
  ('north', 'lamp', 2000),
  ('north', 'desk', 9900),
  ('north', 'lamp', 2200),
  ('south', 'desk', 9900),
  ('atlantis', 'lamp', 1);
