-- Which part of what is told of its incident a message is: 1 the first message, which opens the thread, 2 the end, 0 any other.

ALTER TABLE message ADD COLUMN part INTEGER NOT NULL DEFAULT 0;

-- `body` is JSON as this program writes it; one that is damaged is no part of anything.
UPDATE message SET part = CASE
    WHEN instr(body, '"event":"recovery"') > 0 THEN 2
    WHEN instr(body, '"thread":"open"') > 0
        AND (instr(body, '"event":"failure"') > 0 OR instr(body, '"event":"missing"') > 0) THEN 1
    ELSE 0 END
WHERE edit = 0 AND state < 2;
