-- The process of a run in progress, as JSON: it is found by this when the daemon has died.

ALTER TABLE running ADD COLUMN process TEXT;
