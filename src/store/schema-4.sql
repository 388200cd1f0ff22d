-- What the first message of an incident's thread says: an edit changes its headline, and keeps the rest.

ALTER TABLE thread ADD COLUMN first TEXT;
