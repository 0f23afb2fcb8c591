"""Reports: what they add up, what they can be cut by, and the times that people say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from ai_cost_calc import ConfigError
from ai_cost_calc.client.reports import instant
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.testing import FakeClock
from tests.client.bodies import chat_completion, ten_cents
from tests.conftest import MakeCalc

NOON = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)


def _at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * MICROS  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("said", "timezone", "expected"),
    [
        ("90m", "UTC", _at(2026, 11, 23, 11, 4, 56)),
        ("24h", "UTC", _at(2026, 11, 22, 12, 34, 56)),
        ("30d", "UTC", _at(2026, 10, 24, 12)),
        ("2W", "UTC", _at(2026, 11, 9, 12)),
        ("today", "UTC", _at(2026, 11, 23)),
        ("today", "Asia/Tokyo", _at(2026, 11, 22, 15)),
        ("week", "UTC", _at(2026, 11, 23)),
        ("month", "Europe/Berlin", _at(2026, 10, 31, 23)),
        ("year", "UTC", _at(2026, 1, 1)),
        ("2026-11-01", "Europe/Berlin", _at(2026, 10, 31, 23)),
        ("2026-11-01T06:00:00+02:00", "UTC", _at(2026, 11, 1, 4)),
        (date(2026, 11, 1), "UTC", _at(2026, 11, 1)),
        (datetime(2026, 11, 1, 6, tzinfo=UTC), "Asia/Tokyo", _at(2026, 11, 1, 6)),
        (timedelta(minutes=1), "UTC", _at(2026, 11, 23, 12, 33, 56)),
        (None, "UTC", None),
    ],
)
def test_times_are_understood_as_people_say_them(said: object, timezone: str, expected: int | None) -> None:
    """Spans, names, dates and times, in the timezone of the report."""
    assert instant(said, NOON.timestamp(), timezone) == expected  # type: ignore[arg-type]


def test_a_report_adds_up_cost_revenue_and_margin(make_calc: MakeCalc) -> None:
    """Margin is revenue less cost; its percentage has two places, and none without revenue."""
    calc = make_calc()
    for customer, cents in (("acme", 30), ("globex", None)):
        with calc.attribute(customer_id=customer):
            calc.record(ten_cents())
        if cents is not None:
            calc.track(customer_id=customer, revenue_amount_in_cents=cents)
    report = calc.report("customer")
    rows = {row.customer: row for row in report}
    assert (rows["acme"].margin, rows["acme"].margin_percent) == (Decimal("0.2"), Decimal("66.67"))
    assert (rows["globex"].margin, rows["globex"].margin_percent) == (Decimal("-0.1"), None)
    assert (report.total.cost, report.total.revenue, report.total.calls) == (Decimal("0.2"), Decimal("0.3"), 2)
    assert len(report) == 2
    assert report[0] in list(report)
    assert report.as_dict()["total"]["cost"] == "0.2"


def test_a_report_can_be_narrowed(make_calc: MakeCalc) -> None:
    """`where`, `since` and `until` choose the calls; `until` is the first moment that no longer counts."""
    clock = FakeClock(datetime(2026, 11, 20, tzinfo=UTC))
    calc = make_calc(clock=clock)
    for customer in ("acme", "globex", "acme"):
        with calc.attribute(customer_id=customer):
            calc.record(chat_completion(1, 0))
        clock.advance(86_400)
    assert calc.report(where={"customer": "acme"}).total.calls == 2
    assert [row.day for row in sorted(calc.report("day"), key=lambda row: row.day or "")] == [
        "2026-11-20", "2026-11-21", "2026-11-22"
    ]  # fmt: skip
    assert calc.report(since="2026-11-21", until="2026-11-22").total.calls == 1


def test_a_row_names_only_what_it_was_grouped_by(make_calc: MakeCalc) -> None:
    """Asking for another dimension is an error that says what there is."""
    calc = make_calc()
    calc.record(ten_cents())
    (row,) = calc.report("model")
    assert row.model == "gpt-4o"
    with pytest.raises(AttributeError, match="model"):
        _ = row.customer


def test_promise_5_an_unknown_price_is_counted_and_never_zero(make_calc: MakeCalc) -> None:
    """A call without a price adds nothing to the cost and one to what is unpriced."""
    calc = make_calc()
    calc.record({**ten_cents(), "model": "house-model-1"}, provider="openai")
    calc.record(ten_cents())
    total = calc.report().total
    assert (total.cost, total.calls, total.unpriced_calls) == (Decimal("0.1"), 2, 1)
    assert calc.stats().unpriced == {"openai/house-model-1": 1}


@pytest.mark.parametrize(
    "bad",
    [
        {"by": "planet"},
        {"where": {"planet": "earth"}},
        {"since": "yesteryear"},
        {"since": "99999999999d"},
        {"since": timedelta.max},
        {"until": 1_780_000_000},
        {"timezone": "Mars/Phobos"},
        {"by": "day", "timezone": None},
        {"since": "2026-11-01", "timezone": ""},
    ],
)
def test_what_a_report_does_not_understand_is_a_config_error(make_calc: MakeCalc, bad: dict[str, object]) -> None:
    """The message lists what is possible."""
    with pytest.raises(ConfigError):
        make_calc().report(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("edge", [date.min, date.max, "0001-01-01", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("timezone", ["Asia/Tokyo", "America/New_York"])
def test_the_first_and_the_last_date_are_bounds_like_others(make_calc: MakeCalc, edge: date, timezone: str) -> None:
    """A report from the year 1, or to the year 9999, has everything in it or nothing."""
    calc = make_calc()
    calc.record(ten_cents())
    found = [calc.report(since=edge, timezone=timezone), calc.report(until=edge, timezone=timezone)]
    assert sorted(report.total.calls for report in found) == [0, 1]
