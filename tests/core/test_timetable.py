"""Which rates a model has when, and in which context: dates, times of day, contexts and their order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.matching import Clause
from ai_cost_calc.core.timetable import DAY, ModelData, PriceData, RateData, Timetable
from ai_cost_calc.core.units import Unit

UNITS = {
    "input_tokens": Unit("input_tokens", 1, {"family": "tokens", "direction": "input"}),
    "output_tokens": Unit("output_tokens", 1, {"family": "tokens", "direction": "output"}),
}
MONDAY = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp())
HOUR = 3_600


def rates(input_rate: int, output_rate: int | None = None) -> dict[str, RateData]:
    """Rates in dollars a token."""
    found = {"input_tokens": RateData(str(input_rate))}
    if output_rate is not None:
        found["output_tokens"] = RateData(str(output_rate))
    return found


def timetable(*prices: PriceData, variants: tuple[PriceData, ...] = ()) -> Timetable:
    """A model with these prices."""
    return Timetable(ModelData("m", Clause("equals", "m"), prices, variants), UNITS)


def rate_at(table: Timetable, at: float, context: dict[str, str] | None = None, name: str = "input_tokens") -> int:
    """The rate in force."""
    return int(table.at(at, context).rates[name].base)


def test_the_last_price_that_applies_is_in_force() -> None:
    """A dated price replaces those listed before it from the first second of its day."""
    table = timetable(PriceData(rates(1)), PriceData(rates(2), MONDAY), PriceData(rates(3), MONDAY + DAY))
    assert rate_at(table, MONDAY - 0.001) == 1
    assert rate_at(table, MONDAY) == 2
    assert rate_at(table, MONDAY + DAY - 0.001) == 2
    assert rate_at(table, MONDAY + DAY) == 3


def test_before_every_date_the_first_price_is_in_force() -> None:
    """A call made before prices are known pays the oldest one."""
    table = timetable(PriceData(rates(1), MONDAY), PriceData(rates(2), MONDAY + DAY))
    assert rate_at(table, MONDAY - 100 * DAY) == 1
    assert [price.rates for price in table.data.prices_of_day(MONDAY - DAY)] == [rates(1)]


@pytest.mark.parametrize(("hour", "rate"), [(0, 2), (3.999, 2), (4, 1), (12, 1), (21.999, 1), (22, 2), (23.999, 2)])
def test_a_daily_window_may_span_midnight(hour: float, rate: int) -> None:
    """From 22:00 to 04:00 UTC the other price holds, on both sides of midnight."""
    table = timetable(PriceData(rates(1)), PriceData(rates(2), daily=(22 * HOUR, 4 * HOUR)))
    assert rate_at(table, MONDAY + hour * HOUR) == rate


def test_a_daily_window_without_length_never_holds() -> None:
    """A window that ends when it starts is empty, not the whole day."""
    table = timetable(PriceData(rates(1)), PriceData(rates(2), daily=(HOUR, HOUR)))
    assert {rate_at(table, MONDAY + hour * HOUR) for hour in range(24)} == {1}


def test_the_first_variant_that_gives_a_rate_wins() -> None:
    """Rates of a context replace standard ones name by name; the others stay."""
    table = timetable(
        PriceData(rates(1, 10)),
        variants=(
            PriceData(rates(2), MONDAY, context={"tier": "flex"}),
            PriceData(rates(3, 30), context={"tier": "flex"}),
            PriceData(rates(4, 40), context={"tier": "flex", "processing": "batch"}),
        ),
    )
    flex = {"tier": "flex"}
    assert (rate_at(table, MONDAY, flex), rate_at(table, MONDAY, flex, "output_tokens")) == (2, 30)
    assert (rate_at(table, MONDAY - 1, flex), rate_at(table, MONDAY - 1, flex, "output_tokens")) == (3, 30)
    assert rate_at(table, MONDAY - 1, {"processing": "batch"}) == 1
    assert rate_at(table, MONDAY - 1, {"tier": "FLEX"}) == 1
    assert rate_at(table, MONDAY - 1, {"processing": "batch", "tier": "flex"}) == 3


DAILY = st.tuples(st.integers(0, DAY - 1), st.integers(0, DAY - 1))
PRICES = st.builds(
    PriceData,
    rates=st.integers(1, 9).map(rates),
    start=st.none() | st.integers(MONDAY - 3 * DAY, MONDAY + 3 * DAY),
    daily=st.none() | DAILY,
    context=st.sampled_from([{}, {"tier": "flex"}]),
)


@given(
    st.lists(PRICES, min_size=1, max_size=4),
    st.lists(PRICES, max_size=3),
    st.lists(st.integers(MONDAY - 4 * DAY, MONDAY + 4 * DAY), min_size=1, max_size=8),
)
def test_what_is_remembered_is_what_would_be_computed(
    prices: list[PriceData], variants: list[PriceData], moments: list[int]
) -> None:
    """A timetable asked at many times in any order answers as one that is asked for the first time."""
    table = timetable(*prices, variants=tuple(variants))
    for at in (*moments, *reversed(moments)):
        for context in (None, {"tier": "flex"}):
            assert rate_at(table, at, context) == rate_at(timetable(*prices, variants=tuple(variants)), at, context)


@pytest.mark.parametrize("at", [float("nan"), float("inf"), float("-inf"), -1e18, 0])
def test_no_time_is_an_error(at: float) -> None:
    """A clock that tells nonsense still gets a price."""
    table = timetable(PriceData(rates(1)), PriceData(rates(2), MONDAY), PriceData(rates(3), daily=(HOUR, 2 * HOUR)))
    assert rate_at(table, at) in {1, 2, 3}
