-- Times are microseconds since 1970 (UTC); lengths of time are microseconds.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    cadence TEXT,
    health  TEXT
) STRICT;

-- Runs in progress: what is here at the start was interrupted.
CREATE TABLE running (
    id        INTEGER PRIMARY KEY,
    job       TEXT NOT NULL,
    number    INTEGER NOT NULL,
    trigger   TEXT NOT NULL,
    scheduled INTEGER NOT NULL,
    started   INTEGER NOT NULL
) STRICT;

CREATE TABLE run (
    id             INTEGER PRIMARY KEY,
    job            INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    trigger        TEXT NOT NULL,
    scheduled      INTEGER NOT NULL,
    started        INTEGER NOT NULL,
    finished       INTEGER NOT NULL,
    took           INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    status         TEXT NOT NULL,
    reason         TEXT NOT NULL,
    ending         TEXT NOT NULL,
    verdict        TEXT NOT NULL,
    until          INTEGER,
    stdout         BLOB,
    stdout_tail    BLOB,
    stdout_dropped INTEGER,
    stderr         BLOB,
    stderr_tail    BLOB,
    stderr_dropped INTEGER
) STRICT;

CREATE INDEX run_of_job ON run (job, id);

-- The outbox. state: 0 waiting, 1 late (expired, its channel not yet told), 2 dead letter. A delivered message is no
-- longer here. AUTOINCREMENT: a number is never used twice.
CREATE TABLE message (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    channel  TEXT NOT NULL,
    state    INTEGER NOT NULL,
    edit     INTEGER NOT NULL,
    queued   INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    why      TEXT,
    job      TEXT,
    incident INTEGER,
    body     TEXT NOT NULL
) STRICT;

CREATE INDEX message_open ON message (channel, state, edit, id) WHERE state < 2;
CREATE INDEX message_age ON message (queued) WHERE state = 0 AND edit = 0;
CREATE INDEX message_dead ON message (queued) WHERE state = 2;

-- Files that go with messages, apart: a digest reads many messages and none of these.
CREATE TABLE attachment (
    message INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;

-- The first message of an incident's thread, by channel.
CREATE TABLE thread (
    incident INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    place    TEXT NOT NULL,
    ts       TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (incident, channel)
) STRICT, WITHOUT ROWID;

-- When a channel was last written to, so that a restart keeps the rate.
CREATE TABLE lane (
    channel TEXT PRIMARY KEY,
    sent    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
