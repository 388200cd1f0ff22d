-- What people have asked for of jobs. kind: 'pause', 'silence', 'ack'. `until_ok`: it ends as soon as the jobs, having failed
-- (`failed`), are ok. `told`: its beginning was told in the channels that it concerns. `incident`: of an acknowledgement.
CREATE TABLE hold (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    pattern  TEXT NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    until_ok INTEGER NOT NULL,
    by_uid   INTEGER,
    by_name  TEXT NOT NULL,
    via      TEXT NOT NULL,
    note     TEXT,
    incident INTEGER,
    failed   INTEGER NOT NULL,
    told     INTEGER NOT NULL
) STRICT;

-- The line of a run's output that tells most; who asked for the run, and why. Of due times that passed because of a pause
-- (verdict 'paused'): how many, and of which hold.
ALTER TABLE run ADD COLUMN line TEXT;
ALTER TABLE run ADD COLUMN by_uid INTEGER;
ALTER TABLE run ADD COLUMN by_name TEXT;
ALTER TABLE run ADD COLUMN note TEXT;
ALTER TABLE run ADD COLUMN passed INTEGER;
ALTER TABLE run ADD COLUMN hold INTEGER;

CREATE INDEX run_of_hold ON run (hold) WHERE hold IS NOT NULL;
