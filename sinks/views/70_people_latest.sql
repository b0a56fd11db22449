-- The personal data as they are now: the latest value of each field, and none of those that were erased.
--
-- entity: whose, a key like lead:ID or opportunity:ID with the id percent-encoded
-- field: name, email, company, contact or subject
-- value: the value, empty once it was cleared
-- time: when it was written at the source
SELECT entity, field, argMax(value, (people.time, sequence, source, id, value)) AS value, max(people.time) AS time
FROM people
WHERE entity NOT IN (SELECT entity FROM erased)
GROUP BY entity, field
