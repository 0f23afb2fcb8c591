-- Usage events, revenue, budgets, and sums of events and revenue by hour and by day, all in UTC.
-- Labels without a value are '', so that they can be part of a key. Money is whole nano-dollars, times are unix
-- microseconds, seconds of audio are microseconds: sums are exact.

CREATE TABLE events (
    key INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    customer TEXT NOT NULL,
    feature TEXT NOT NULL,
    session TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    tags TEXT, -- JSON, or null for none; likewise counts and unpriced
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_reasoning_tokens INTEGER NOT NULL,
    counts TEXT, -- the finer counts of the usage by name
    cost_nanos INTEGER,
    price_version TEXT NOT NULL,
    unpriced TEXT,
    complete INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    status TEXT NOT NULL,
    latency_ms INTEGER,
    response_id TEXT,
    service_tier TEXT,
    speed TEXT,
    region TEXT,
    computed_nanos INTEGER,
    anomaly TEXT,
    token TEXT
);
CREATE UNIQUE INDEX events_id ON events (organization, id);
CREATE UNIQUE INDEX events_token ON events (organization, token) WHERE token IS NOT NULL;
CREATE INDEX events_at ON events (organization, at);
CREATE INDEX events_session ON events (organization, session, at) WHERE session <> '';

-- Finds the events that have a tag.
CREATE TABLE event_tags (
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    at INTEGER NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (organization, name, value, at, event)
) WITHOUT ROWID;

CREATE TABLE revenue (
    key INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    customer TEXT NOT NULL,
    feature TEXT NOT NULL,
    amount_nanos INTEGER NOT NULL,
    currency TEXT NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    period_start INTEGER,
    period_end INTEGER
);
CREATE UNIQUE INDEX revenue_id ON revenue (organization, id);
CREATE UNIQUE INDEX revenue_external_id ON revenue (organization, source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX revenue_at ON revenue (organization, at);

CREATE TABLE budgets (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (organization, id)
) WITHOUT ROWID;

-- What each event and each record of revenue adds to the sums.
CREATE VIEW event_facts AS
SELECT
    key, organization, at, at / 3600000000 AS hour, at / 86400000000 AS day,
    customer, feature, session, provider, model, tags,
    1 AS calls,
    cost_nanos IS NULL OR unpriced IS NOT NULL AS unpriced_calls,
    coalesce(cost_nanos, 0) AS cost_nanos,
    CASE WHEN estimated THEN coalesce(cost_nanos, 0) ELSE 0 END AS estimated_nanos,
    0 AS revenue_nanos,
    0 AS unconverted_revenue,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, output_reasoning_tokens
FROM events;

CREATE VIEW event_counts AS
SELECT
    events.key AS key, organization, at, at / 3600000000 AS hour, at / 86400000000 AS day,
    customer, feature, session, provider, model, tags,
    one.key AS name, one.value AS count
FROM events, json_each(counts) AS one
WHERE counts IS NOT NULL;

CREATE VIEW revenue_facts AS
SELECT
    key, organization, at, at / 3600000000 AS hour, at / 86400000000 AS day,
    customer, feature, '' AS session, '' AS provider, '' AS model, NULL AS tags,
    0 AS calls,
    0 AS unpriced_calls,
    0 AS cost_nanos,
    0 AS estimated_nanos,
    CASE WHEN currency = 'USD' THEN amount_nanos ELSE 0 END AS revenue_nanos,
    currency <> 'USD' AS unconverted_revenue,
    0 AS input_tokens, 0 AS output_tokens, 0 AS cache_read_tokens, 0 AS cache_write_tokens,
    0 AS output_reasoning_tokens
FROM revenue;

-- Sums, each with a table of the finer counts of the same rows beside it, by name.
-- An integer that overflows turns into a float; the checks refuse it, and with it the whole append.

CREATE TABLE rollup_hour (
    organization TEXT NOT NULL,
    hour INTEGER NOT NULL,
    customer TEXT NOT NULL,
    feature TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL,
    estimated_nanos INTEGER NOT NULL,
    revenue_nanos INTEGER NOT NULL,
    unconverted_revenue INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_reasoning_tokens INTEGER NOT NULL,
    PRIMARY KEY (organization, hour, customer, feature, provider, model),
    CHECK (typeof(cost_nanos + estimated_nanos + revenue_nanos) = 'integer')
) WITHOUT ROWID;
CREATE TABLE rollup_hour_counts (
    organization TEXT NOT NULL,
    hour INTEGER NOT NULL,
    customer TEXT NOT NULL,
    feature TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (organization, hour, customer, feature, provider, model, name)
) WITHOUT ROWID;

CREATE TABLE rollup_hour_feature_model (
    organization TEXT NOT NULL,
    hour INTEGER NOT NULL,
    feature TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL,
    estimated_nanos INTEGER NOT NULL,
    revenue_nanos INTEGER NOT NULL,
    unconverted_revenue INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_reasoning_tokens INTEGER NOT NULL,
    PRIMARY KEY (organization, hour, feature, provider, model),
    CHECK (typeof(cost_nanos + estimated_nanos + revenue_nanos) = 'integer')
) WITHOUT ROWID;
CREATE TABLE rollup_hour_feature_model_counts (
    organization TEXT NOT NULL,
    hour INTEGER NOT NULL,
    feature TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (organization, hour, feature, provider, model, name)
) WITHOUT ROWID;

CREATE TABLE rollup_day_customer (
    organization TEXT NOT NULL,
    day INTEGER NOT NULL,
    customer TEXT NOT NULL,
    calls INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL,
    estimated_nanos INTEGER NOT NULL,
    revenue_nanos INTEGER NOT NULL,
    unconverted_revenue INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_reasoning_tokens INTEGER NOT NULL,
    PRIMARY KEY (organization, day, customer),
    CHECK (typeof(cost_nanos + estimated_nanos + revenue_nanos) = 'integer')
) WITHOUT ROWID;
CREATE TABLE rollup_day_customer_counts (
    organization TEXT NOT NULL,
    day INTEGER NOT NULL,
    customer TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (organization, day, customer, name)
) WITHOUT ROWID;

CREATE TABLE rollup_day_feature_model (
    organization TEXT NOT NULL,
    day INTEGER NOT NULL,
    feature TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL,
    estimated_nanos INTEGER NOT NULL,
    revenue_nanos INTEGER NOT NULL,
    unconverted_revenue INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_reasoning_tokens INTEGER NOT NULL,
    PRIMARY KEY (organization, day, feature, provider, model),
    CHECK (typeof(cost_nanos + estimated_nanos + revenue_nanos) = 'integer')
) WITHOUT ROWID;
CREATE TABLE rollup_day_feature_model_counts (
    organization TEXT NOT NULL,
    day INTEGER NOT NULL,
    feature TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (organization, day, feature, provider, model, name)
) WITHOUT ROWID;
