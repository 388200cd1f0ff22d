-- What else waits of an incident is asked for each message of it that is next: without an index, of ten thousand messages each
-- looked through all others.

CREATE INDEX message_of_incident ON message (incident, channel) WHERE incident IS NOT NULL;
