-- Who dropped a message, and when, as JSON: what was dropped is kept as long as a dead letter, for what is told of its run.
-- Its state is 3 until the daemon has heard of it, then 4.

ALTER TABLE message ADD COLUMN dropped TEXT;
