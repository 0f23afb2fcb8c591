"""How SQLite finds what a query asks for: by the index made for it, never by reading a whole table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc.ledgers import _statements, sqlite
from ai_cost_calc.ledgers._records import ADJUSTMENT_COLUMNS
from ai_cost_calc.ledgers._sources import ADJUSTMENTS, EVENTS, REVENUE, ROLLUPS, Source, Span
from ai_cost_calc.ledgers._statements import Statement
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import SpendQuery

BY_TABLE = {source.table: source for source in (*ROLLUPS, EVENTS, ADJUSTMENTS, REVENUE)}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    """An empty ledger: its planner knows no statistics, as in files that were never analysed."""
    opened = SqliteLedger(tmp_path / "spend.db")
    yield opened
    opened.close()


def plan(ledger: SqliteLedger, statement: Statement) -> str:
    """What SQLite says it would do."""
    with ledger._connections.reading() as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters).fetchall()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("query", "table", "way"),
    [
        ({"by": ("session",)}, "event_facts", "events_at (organization=? AND at>? AND at<?)"),
        ({"where": {"session": "a"}}, "event_facts", "events_session (organization=? AND session=? AND at>? AND at<?)"),
        ({"where": {"tag:plan": "a"}}, "event_facts", "name=? AND value=? AND at>? AND at<?"),
        (
            {"by": ("session",)},
            "adjustment_facts",
            "adjustments_event_at (organization=? AND event_at>? AND event_at<?)",
        ),
        ({"where": {"session": "a"}}, "adjustment_facts", "events USING INTEGER PRIMARY KEY (rowid=?)"),
        ({"by": ("customer",)}, "revenue_facts", "revenue_at (organization=? AND at>? AND at<?)"),
        ({"by": ("customer",)}, "rollup_day_customer", "(organization=? AND day>? AND day<?)"),
        ({"where": {"customer": "a"}}, "rollup_day_customer", "(organization=? AND day=? AND customer=?)"),
        ({"where": {"customer": "a"}}, "rollup_hour", "(organization=? AND hour=? AND customer=?)"),
        ({"by": ("model", "hour")}, "rollup_hour_feature_model", "(organization=? AND hour>? AND hour<?)"),
        ({"where": {"feature": "a"}}, "rollup_day_feature_model", "(organization=? AND day=? AND feature=?)"),
    ],
)
def test_sums_read_only_their_span(ledger: SqliteLedger, query: dict[str, Any], table: str, way: str) -> None:
    """Measures and finer counts are found by key, in the span and for the label asked for."""
    span = Span(BY_TABLE[table], 0, 10)
    for statement in (_statements.sums(SpendQuery(**query), span), _statements.counts(SpendQuery(**query), span)):
        if statement is not None:
            assert way in plan(ledger, statement)


@pytest.mark.parametrize(
    ("query", "way"),
    [
        ({}, "events_at (organization=? AND at>? AND at<?)"),
        ({"where": {"customer": "a"}}, "events_at (organization=? AND at>? AND at<?)"),
        ({"where": {"session": "a"}}, "events_session (organization=? AND session=? AND at>? AND at<?)"),
        ({"where": {"tag:plan": "a"}}, "name=? AND value=? AND at>? AND at<?"),
    ],
)
def test_the_newest_events_are_read_from_the_end(ledger: SqliteLedger, query: dict[str, Any], way: str) -> None:
    """Events come in the order of an index, so that a limit stops the reading."""
    assert way in plan(ledger, _statements.newest_events(SpendQuery(**query), 10))


@pytest.mark.parametrize("query", [{}, {"where": {"customer": "a"}, "since": 5}])
def test_following_reads_only_what_is_new(ledger: SqliteLedger, query: dict[str, Any]) -> None:
    """Later events are read by their key, with no sorting."""
    said = plan(ledger, _statements.later_events(SpendQuery(**query), 10, 5))
    assert "INTEGER PRIMARY KEY (rowid>?)" in said
    assert "TEMP B-TREE" not in said


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.table)
def test_rolling_up_reads_only_the_new_rows(ledger: SqliteLedger, rollup: Source) -> None:
    """An append costs the same however many events are kept already."""
    for statement in (
        sqlite._roll_up(rollup, EVENTS),
        sqlite._roll_up(rollup, ADJUSTMENTS),
        sqlite._roll_up(rollup, REVENUE),
        sqlite._roll_up_counts(rollup),
    ):
        assert "INTEGER PRIMARY KEY (rowid>?)" in plan(ledger, Statement(statement, {"last": 5}))


@pytest.mark.parametrize("query", [{}, {"where": {"customer": "a"}, "since": 5}])
def test_standings_are_read_in_the_order_of_their_keys(ledger: SqliteLedger, query: dict[str, Any]) -> None:
    """A page begins behind the last one, and finds the last adjustment of each event by its index."""
    said = plan(ledger, _statements.standings(SpendQuery(**query), 10, 5, unpriced=True))
    assert "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)" in said
    assert "adjustments_event (event=? AND number=?)" in said
    assert "ORDER BY" not in said
    assert "SCAN" not in said


def test_an_adjustment_finds_its_event_by_id(ledger: SqliteLedger) -> None:
    """However many events there are."""
    names = ("organization", "event_id", *ADJUSTMENT_COLUMNS)
    said = plan(ledger, Statement(sqlite._ADJUST, dict.fromkeys(names, "")))
    assert "events_id (organization=? AND id=?)" in said
    assert "SCAN" not in said
