-- Whether a run's sum is exact: 0 where 256 bits cannot hold it and it is cut to 30 decimals.
ALTER TABLE run_total ADD COLUMN is_exact INTEGER NOT NULL DEFAULT 1;
