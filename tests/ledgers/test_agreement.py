"""Every way to answer a query gives the same answer: rollups by day, by hour, events, and plain Python."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.event import MICROS, Record
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.ledgers._labels import DAY, HOUR
from ai_cost_calc.ledgers._sources import ROLLUPS, plan_spend
from ai_cost_calc.ledgers.memory import MemoryLedger
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import DIMENSIONS, SpendQuery
from ai_cost_calc.testing.adjustments import make_adjustment
from ai_cost_calc.testing.records import make_event, make_revenue, moment

FIRST: Final = moment("2026-03-27T00:00:00")
"""Two days before clocks change in Europe, and more than a week before they do in Lord Howe."""
LENGTH: Final = 10 * DAY
ZONES: Final = (
    "UTC",
    "Africa/Abidjan",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
)

labels = st.sampled_from([None, "", "a", "b", "ä|\\", "'; --"])
offsets = st.one_of(
    st.integers(0, LENGTH),
    st.integers(0, LENGTH // HOUR).map(lambda hours: hours * HOUR),
    st.integers(1, LENGTH // HOUR).map(lambda hours: hours * HOUR - 1),
    st.integers(0, LENGTH // DAY).map(lambda days: days * DAY),
)
moments = offsets.map(FIRST.__add__)
usages = st.builds(
    lambda tokens, cached, images, seconds: Usage(
        input_tokens=tokens + cached, cache_read_tokens=cached, images=images, audio_seconds=seconds / MICROS
    ),
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.integers(0, 3),
    st.just(0) | st.integers(0, 10**9),
)
usage_events = st.builds(
    make_event,
    cost=st.none(),
    cost_nanos=st.one_of(st.none(), st.integers(-(2**52), 2**52)),
    at=moments,
    organization=st.sampled_from(["default", "theirs"]),
    customer_id=labels,
    feature=labels,
    session_id=labels,
    provider=labels,
    model=labels,
    tags=st.dictionaries(st.sampled_from(["plan", 'p"q']), st.sampled_from(["", "a", "b"])),
    usage=usages,
    estimated=st.booleans(),
    unpriced=st.sampled_from([(), ("images",)]),
    token=st.sampled_from([None, "", "t", "u"]),
)
revenues = st.builds(
    make_revenue,
    amount_nanos=st.integers(-(2**52), 2**52),
    at=moments,
    customer_id=labels,
    feature=labels,
    currency=st.sampled_from(["USD", "usd", "EUR"]),
    external_id=st.sampled_from([None, "", "x"]),
)
dimensions = st.sampled_from([*DIMENSIONS, "tag:plan", 'tag:p"q'])
summed = st.sampled_from(["customer", "feature", "model", "day", "month", "hour"])
times = {"day": "2026-03-29", "hour": "2026-03-29T03", "month": "2026-03"}


def some(names: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[str]]:
    """A few of these names, each once."""
    return st.lists(names, max_size=most, unique=True)


def conditions(names: list[str]) -> st.SearchStrategy[dict[str, str | None]]:
    """A value for each name."""
    return st.fixed_dictionaries({name: st.just(times[name]) if name in times else labels for name in names})


queries = st.builds(
    SpendQuery,
    by=st.one_of(some(summed, 2), some(dimensions, 3)).map(tuple),
    since=st.none() | moments,
    until=st.none() | moments,
    where=st.one_of(st.just({}), some(summed, 1).flatmap(conditions), some(dimensions, 2).flatmap(conditions)),
    timezone=st.sampled_from(ZONES),
)
adjustments = st.lists(
    st.tuples(st.integers(0, 20), st.none() | st.integers(-(2**52), 2**52), st.sampled_from([(), ("images",)])),
    max_size=12,
)
"""Which event to adjust, and what it costs from then on."""
batches = st.lists(st.lists(st.one_of(usage_events, revenues), max_size=20), max_size=3)


@settings(max_examples=100, deadline=None)
@given(batches=batches, adjustments=adjustments, asked=st.lists(queries, min_size=10, max_size=30))
def test_every_source_gives_the_same_sums(
    batches: list[list[Record]], adjustments: list[tuple[int, int | None, tuple[str, ...]]], asked: list[SpendQuery]
) -> None:
    """Random records and queries: memory, SQLite's rollups by day, by hour only, and its events agree exactly."""
    plain = MemoryLedger()
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqliteLedger(Path(folder) / "spend.db")
        for batch in batches:
            again = [*batch, *batch[:2]]
            assert ledger.append(again) == plain.append(again)
        for number, (place, nanos, unpriced) in enumerate(adjustments):
            if standings := plain.standings(SpendQuery())[place:]:
                adjustment = make_adjustment(
                    standings[0], None, new_nanos=nanos, new_unpriced=unpriced, run=f"{number}"
                )
                assert ledger.adjust([adjustment]) == plain.adjust([adjustment])
        hourly = [rollup for rollup in ROLLUPS if rollup.size == HOUR]
        for query in asked:
            expected = plain.spend(query)
            for rollups in (ROLLUPS, hourly, []):
                assert ledger._spend(query, rollups) == expected
            assert ledger.events(query) == plain.events(query)
            assert ledger.events(query, after="") == plain.events(query, after="")
            assert ledger.adjustments(query) == plain.adjustments(query)
            for unpriced_only in (False, True):
                expected_standings = plain.standings(query, unpriced=unpriced_only)
                assert ledger.standings(query, unpriced=unpriced_only) == expected_standings
        ledger.close()


def parts(**query: Any) -> list[tuple[str, int]]:
    """Which tables answer a query about a span of eleven days with odd ends, and for how many microseconds."""
    since, until = moment("2026-11-10T10:20:30"), moment("2026-11-21T05:06:07")
    spans = plan_spend(SpendQuery(**query), since, until)
    return [(span.source.table, (span.last - span.first) * span.source.size) for span in spans]


def seconds(text: str) -> int:
    """Microseconds of a time of day."""
    hours, minutes, rest = map(int, text.split(":"))
    return ((hours * 60 + minutes) * 60 + rest) * MICROS


@pytest.mark.parametrize(
    ("query", "daily", "hourly"),
    [
        ({}, "rollup_day_feature_model", "rollup_hour_feature_model"),
        ({"by": ("customer",)}, "rollup_day_customer", "rollup_hour"),
        ({"by": ("model", "day"), "where": {"feature": "a"}}, "rollup_day_feature_model", "rollup_hour_feature_model"),
        ({"by": ("month",), "timezone": "Africa/Abidjan"}, "rollup_day_feature_model", "rollup_hour_feature_model"),
    ],
    ids=["everything", "by-customer", "by-model", "by-month"],
)
def test_days_come_from_the_smallest_daily_rollup(query: dict[str, Any], daily: str, hourly: str) -> None:
    """Whole days are read by day, whole hours around them by hour, and only the minutes at the ends from events."""
    assert parts(**query) == [
        ("event_facts", seconds("00:39:30")),
        ("adjustment_facts", seconds("00:39:30")),
        ("revenue_facts", seconds("00:39:30")),
        (hourly, 13 * HOUR),
        (daily, 10 * DAY),
        (hourly, 5 * HOUR),
        ("event_facts", seconds("00:06:07")),
        ("adjustment_facts", seconds("00:06:07")),
        ("revenue_facts", seconds("00:06:07")),
    ]


@pytest.mark.parametrize(
    ("query", "hourly"),
    [
        ({"by": ("hour",)}, "rollup_hour_feature_model"),
        ({"by": ("day",), "timezone": "Europe/Berlin"}, "rollup_hour_feature_model"),
        ({"by": ("customer", "day"), "timezone": "Europe/Berlin"}, "rollup_hour"),
        ({"by": ("customer", "model")}, "rollup_hour"),
    ],
    ids=["by-hour", "by-local-day", "by-customer-and-local-day", "by-customer-and-model"],
)
def test_hours_come_from_the_smallest_hourly_rollup(query: dict[str, Any], hourly: str) -> None:
    """Where days of UTC do not tell the groups apart, hours do."""
    assert [part for part in parts(**query) if part[0].startswith("rollup")] == [(hourly, 10 * DAY + 18 * HOUR)]


@pytest.mark.parametrize(
    "query",
    [
        {"by": ("session",)},
        {"by": ("customer",), "where": {"tag:plan": None}},
        {"by": ("day",), "timezone": "Asia/Kolkata"},
    ],
    ids=["by-session", "by-tag", "by-day-at-half-past"],
)
def test_what_no_rollup_knows_comes_from_events(query: dict[str, Any]) -> None:
    """Sessions, tags, and days that begin at half past an hour of UTC are summed from the events themselves."""
    length = moment("2026-11-21T05:06:07") - moment("2026-11-10T10:20:30")
    tables = ("event_facts", "adjustment_facts", "revenue_facts")
    assert parts(**query) == [(table, length) for table in tables]


def test_revenue_is_not_read_where_it_cannot_match() -> None:
    """Revenue has no model, session or tag, so asking for one leaves its table alone."""
    for where in ({"tag:plan": "pro"}, {"session": "run-1"}):
        assert {table for table, _ in parts(where=where)} == {"event_facts", "adjustment_facts"}
