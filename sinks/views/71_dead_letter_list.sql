-- The dead letters, without their bytes: what was wrong, and what became of them.
--
-- id: topic/partition/offset; partition -1 counts positions of the embedded stack's journal
-- topic: where it was read
-- partition: where it was read
-- offset: where it was read
-- received_at: timestamp of its record
-- reason: the code
-- message: what is wrong, naming the member
-- source: of the event, as far as the bytes tell it, else empty
-- event_id: of the event, as far as the bytes tell it, else empty
-- event_type: of the event, as far as the bytes tell it, else empty
-- bytes: how many there are
-- state: open, replayed or dropped
-- settled_at: when it was last replayed or dropped, NULL while it is open
SELECT
    concat_ws('/', letters.topic, toString(letters.partition), toString(letters.offset)) AS id,
    letters.topic AS topic, letters.partition AS partition, letters.offset AS offset, received_at, reason, message,
    if(whole, JSONExtractString(value, 'source'), extract(value, '"source"\\s*:\\s*"([^"\\\\]{1,256})"')) AS source,
    if(whole, JSONExtractString(value, 'id'), extract(value, '"id"\\s*:\\s*"([^"\\\\]{1,256})"')) AS event_id,
    if(whole, JSONExtractString(value, 'type'), extract(value, '"type"\\s*:\\s*"([^"\\\\]{1,256})"')) AS event_type,
    length(value) AS bytes, if(settled.last.2 = '', 'open', settled.last.2) AS state,
    if(settled.last.2 = '', NULL, settled.last.1) AS settled_at
FROM (
    SELECT topic, partition, offset, received_at, reason, message, value, isValidJSON(value) AS whole
    FROM dead_letters FINAL) AS letters
LEFT ANY JOIN (
    SELECT topic, partition, offset, max((settled_at, toString(outcome))) AS last
    FROM dead_letters_settled
    GROUP BY topic, partition, offset) AS settled
    ON settled.topic = letters.topic AND settled.partition = letters.partition AND settled.offset = letters.offset
SETTINGS join_use_nulls = 0
