-- Queries that every SQL engine understands. Values come as parameters, `:name`; what stands in braces is filled in by
-- `_statements.py` from fixed sets of tables, columns and conditions.

-- name: extent
SELECT
    (SELECT min(at) FROM events WHERE organization = :organization) AS first_event,
    (SELECT max(at) FROM events WHERE organization = :organization) AS last_event,
    (SELECT min(at) FROM revenue WHERE organization = :organization) AS first_revenue,
    (SELECT max(at) FROM revenue WHERE organization = :organization) AS last_revenue;

-- name: sums
SELECT {columns} FROM {tagged} {source} WHERE {grain} >= :first AND {grain} < :last AND {conditions} {grouping};

-- name: sums_step_by_step
-- One look at the key for each hour or day, where the key's next column is known: few rows of many are read.
WITH RECURSIVE steps (step) AS (SELECT :first UNION ALL SELECT step + 1 FROM steps WHERE step + 1 < :last)
SELECT {columns} FROM steps CROSS JOIN {source} WHERE {grain} = step AND {conditions} {grouping};

-- name: tagged
-- The cross join keeps the order: first the few events with a tag, then what they sum up to.
(
    SELECT event FROM event_tags
    WHERE organization = :organization AND name = {name} AND value = {value} AND at >= :first AND at < :last
) AS tagged CROSS JOIN;

-- name: newest_events
SELECT {columns} FROM {tagged} events WHERE at >= :first AND at < :last AND {conditions}
ORDER BY at DESC, id DESC LIMIT :limit;

-- name: key_of_event
SELECT key FROM events WHERE organization = :organization AND id = :id;

-- name: standings
SELECT {columns}, {adjusted} FROM {tagged} standings
WHERE key > :after AND at >= :first AND at < :last AND {conditions} {extra}
ORDER BY key LIMIT :limit;

-- name: newest_adjustments
SELECT organization, id, {adjusted} FROM {tagged} adjustment_facts
WHERE at >= :first AND at < :last AND {conditions}
ORDER BY key DESC LIMIT :limit;

-- name: save_budget
INSERT INTO budgets (organization, id, definition) VALUES (:organization, :id, :definition)
ON CONFLICT (organization, id) DO UPDATE SET definition = excluded.definition;

-- name: budgets
SELECT id, definition FROM budgets WHERE organization = :organization ORDER BY id;

-- name: remove_budget
DELETE FROM budgets WHERE organization = :organization AND id = :id;
