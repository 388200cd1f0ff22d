-- What a message that failed has behind it, so that a restart neither hurries nor forgets it. `not_before` is when it may be
-- tried again by itself (0: at once), `timeouts` how often Slack may have taken it without saying so, `refusals` how often
-- Slack refused it, `forwarded` whether the default channel was told in its place.
-- `edit` is now a kind: 0 a message, 1 an edit, 2 a file that goes into a thread, 3 a detail of what was told already.

ALTER TABLE message ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN timeouts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN forwarded INTEGER NOT NULL DEFAULT 0;
