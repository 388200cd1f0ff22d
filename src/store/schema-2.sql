-- What was decided about a run, in columns. `verdict` says which of them applies: 'notified' (event), 'suppressed'
-- (suppressed, until), 'not-run', 'replaced', 'job-gone', or nothing. Rows of version 1 keep the whole decision in
-- `verdict` ('notified: failure', 'repeat-not-due'): to rewrite the history of a month would delay the start.

ALTER TABLE run ADD COLUMN event TEXT;
ALTER TABLE run ADD COLUMN suppressed TEXT;
