-- Adjustments of what events cost. Events stay as they are; the sums take in what each adjustment adds or takes away.

-- What else an event's price depends on, as JSON, or null for none; and how many requests it is the sum of.
ALTER TABLE events ADD COLUMN context TEXT;
ALTER TABLE events ADD COLUMN calls INTEGER NOT NULL DEFAULT 1;

CREATE TABLE adjustments (
    key INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    event INTEGER NOT NULL, -- the event's key
    event_at INTEGER NOT NULL, -- the event's time, in whose sums the adjustment counts
    number INTEGER NOT NULL, -- 1, 2, … of the event
    at INTEGER NOT NULL,
    run TEXT NOT NULL,
    reason TEXT NOT NULL,
    old_nanos INTEGER,
    new_nanos INTEGER,
    old_unpriced TEXT, -- JSON, or null for none
    new_unpriced TEXT,
    old_price_version TEXT NOT NULL,
    new_price_version TEXT NOT NULL
);
CREATE UNIQUE INDEX adjustments_event ON adjustments (event, number);
CREATE INDEX adjustments_event_at ON adjustments (organization, event_at);

-- What each adjustment adds to the sums. The cross join keeps the order: first the few adjustments, then their events.
CREATE VIEW adjustment_facts AS
SELECT
    adjustments.key AS key, events.key AS adjusted, adjustments.organization AS organization,
    event_at AS at, event_at / 3600000000 AS hour, event_at / 86400000000 AS day,
    customer, feature, session, provider, model, tags,
    0 AS calls,
    (new_nanos IS NULL OR new_unpriced IS NOT NULL) - (old_nanos IS NULL OR old_unpriced IS NOT NULL) AS unpriced_calls,
    coalesce(new_nanos, 0) - coalesce(old_nanos, 0) AS cost_nanos,
    CASE WHEN estimated THEN coalesce(new_nanos, 0) - coalesce(old_nanos, 0) ELSE 0 END AS estimated_nanos,
    coalesce(new_nanos, 0) - coalesce(old_nanos, 0) AS adjusted_nanos,
    0 AS revenue_nanos,
    0 AS unconverted_revenue,
    0 AS input_tokens, 0 AS output_tokens, 0 AS cache_read_tokens, 0 AS cache_write_tokens,
    0 AS output_reasoning_tokens,
    id, adjustments.at AS last_at, run AS last_run, reason AS last_reason,
    old_nanos AS last_old_nanos, new_nanos AS last_new_nanos,
    old_unpriced AS last_old_unpriced, new_unpriced AS last_new_unpriced,
    old_price_version AS last_old_price_version, new_price_version AS last_new_price_version
FROM adjustments CROSS JOIN events
WHERE events.key = adjustments.event;

-- Events with what they cost now. They are read in the order of their keys, for which no index is of use.
CREATE VIEW standings AS
SELECT
    events.*,
    last.number AS last_number, last.at AS last_at, last.run AS last_run, last.reason AS last_reason,
    last.old_nanos AS last_old_nanos, last.new_nanos AS last_new_nanos,
    last.old_unpriced AS last_old_unpriced, last.new_unpriced AS last_new_unpriced,
    last.old_price_version AS last_old_price_version, last.new_price_version AS last_new_price_version,
    CASE WHEN last.key IS NULL THEN events.cost_nanos ELSE last.new_nanos END AS now_nanos,
    CASE WHEN last.key IS NULL THEN events.unpriced ELSE last.new_unpriced END AS now_unpriced,
    CASE WHEN last.key IS NULL THEN events.price_version ELSE last.new_price_version END AS now_price_version
FROM events NOT INDEXED
LEFT JOIN adjustments AS last
    ON last.event = events.key
    AND last.number = (SELECT max(number) FROM adjustments WHERE adjustments.event = events.key);

-- How much of a sum of costs adjustments made. Only they add to it.

DROP VIEW event_facts;
CREATE VIEW event_facts AS
SELECT
    key, organization, at, at / 3600000000 AS hour, at / 86400000000 AS day,
    customer, feature, session, provider, model, tags,
    1 AS calls,
    cost_nanos IS NULL OR unpriced IS NOT NULL AS unpriced_calls,
    coalesce(cost_nanos, 0) AS cost_nanos,
    CASE WHEN estimated THEN coalesce(cost_nanos, 0) ELSE 0 END AS estimated_nanos,
    0 AS adjusted_nanos,
    0 AS revenue_nanos,
    0 AS unconverted_revenue,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, output_reasoning_tokens
FROM events;

DROP VIEW revenue_facts;
CREATE VIEW revenue_facts AS
SELECT
    key, organization, at, at / 3600000000 AS hour, at / 86400000000 AS day,
    customer, feature, '' AS session, '' AS provider, '' AS model, NULL AS tags,
    0 AS calls,
    0 AS unpriced_calls,
    0 AS cost_nanos,
    0 AS estimated_nanos,
    0 AS adjusted_nanos,
    CASE WHEN currency = 'USD' THEN amount_nanos ELSE 0 END AS revenue_nanos,
    currency <> 'USD' AS unconverted_revenue,
    0 AS input_tokens, 0 AS output_tokens, 0 AS cache_read_tokens, 0 AS cache_write_tokens,
    0 AS output_reasoning_tokens
FROM revenue;

ALTER TABLE rollup_hour ADD COLUMN adjusted_nanos INTEGER NOT NULL DEFAULT 0 CHECK (typeof(adjusted_nanos) = 'integer');
ALTER TABLE rollup_hour_feature_model ADD COLUMN adjusted_nanos INTEGER NOT NULL DEFAULT 0 CHECK (typeof(adjusted_nanos) = 'integer');
ALTER TABLE rollup_day_customer ADD COLUMN adjusted_nanos INTEGER NOT NULL DEFAULT 0 CHECK (typeof(adjusted_nanos) = 'integer');
ALTER TABLE rollup_day_feature_model ADD COLUMN adjusted_nanos INTEGER NOT NULL DEFAULT 0 CHECK (typeof(adjusted_nanos) = 'integer');
