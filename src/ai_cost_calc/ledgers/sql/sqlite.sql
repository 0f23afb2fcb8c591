-- Queries of SQLite alone.

-- name: last_key
SELECT coalesce(max(key), 0) FROM {table};

-- name: insert
INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING;

-- name: insert_tags
INSERT INTO event_tags (organization, name, value, at, event)
SELECT events.organization, tag.key, tag.value, events.at, events.key
FROM events, json_each(events.tags) AS tag
WHERE events.key > :last AND events.tags IS NOT NULL;

-- name: roll_up
-- Adds what the rows behind `:last` sum up to: only rows that were really inserted, so duplicates do not count.
-- The plus keeps the planner from reading a whole index in the order of the groups.
INSERT INTO {rollup} (organization, {grain}, {labels}, {measures})
SELECT organization, {grain}, {labels}, {sums}
FROM {facts} WHERE key > :last
GROUP BY +organization, {grain}, {labels}
ON CONFLICT (organization, {grain}, {labels}) DO UPDATE SET {additions};

-- name: roll_up_counts
INSERT INTO {rollup} (organization, {grain}, {labels}, name, count)
SELECT organization, {grain}, {labels}, name, sum(count)
FROM event_counts WHERE key > :last
GROUP BY +organization, {grain}, {labels}, name
ON CONFLICT (organization, {grain}, {labels}, name) DO UPDATE SET count = count + excluded.count;

-- name: tag_value
coalesce((SELECT value FROM json_each(tags) AS tag WHERE tag.key = {name}), '');

-- name: later_events
-- By key alone: any index would be read whole and sorted.
SELECT {columns} FROM {tagged} events NOT INDEXED WHERE key > :after AND at >= :first AND at < :last AND {conditions}
ORDER BY key LIMIT :limit;

-- name: adjust
-- An adjustment that starts from what the event costs now, and changes it.
INSERT INTO adjustments (organization, event, event_at, number, {columns})
SELECT organization, key, at, coalesce(last_number, 0) + 1, {values}
FROM standings
WHERE key = (SELECT key FROM events WHERE organization = :organization AND id = :event_id)
    AND now_nanos IS :old_nanos AND now_unpriced IS :old_unpriced AND now_price_version = :old_price_version
    AND NOT (:new_nanos IS :old_nanos AND :new_unpriced IS :old_unpriced AND :new_price_version = :old_price_version);
