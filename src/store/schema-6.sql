-- The first message of a run, as it was handed to the outbox: a page shows it beside the run, long after Slack took it.
CREATE TABLE run_message (
    run  INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TRIGGER run_message_gone AFTER DELETE ON run BEGIN
    DELETE FROM run_message WHERE run = OLD.id;
END;
