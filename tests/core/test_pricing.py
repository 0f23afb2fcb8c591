"""Costs are exact sums, rounded once: tiers, parts, fees, fractions of seconds, and what no rate pays for."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.pricing import BEYOND_TOKENS, REQUESTS, Cost, CostItem, ModelPrice, Rate
from ai_cost_calc.core.units import Unit, shares
from ai_cost_calc.core.usage import Usage

UNITS = {
    unit.name: unit
    for unit in (
        Unit("input_tokens", 1, {"family": "tokens", "direction": "input"}),
        Unit("output_tokens", 1, {"family": "tokens", "direction": "output"}),
        Unit("cache_read_tokens", 1, {"family": "tokens", "direction": "input", "token_type": "cache_read"}),
        Unit("cache_write_tokens", 1, {"family": "tokens", "direction": "input", "token_type": "cache_write"}),
        Unit(
            "cache_write_1h_tokens",
            1,
            {"family": "tokens", "direction": "input", "token_type": "cache_write", "cache_ttl": "1h"},
        ),
        Unit("input_audio_tokens", 1, {"family": "tokens", "direction": "input", "modality": "audio"}),
        Unit(
            "cache_audio_read_tokens",
            1,
            {"family": "tokens", "direction": "input", "modality": "audio", "token_type": "cache_read"},
        ),
        Unit("input_characters", 1, {"family": "characters", "direction": "input"}),
        Unit("web_searches", 1, {"family": "tool_calls", "tool_type": "web_search"}),
        Unit("audio_seconds", 1, {"family": "durations", "modality": "audio"}),
        Unit(REQUESTS, 1, {"family": "requests"}),
    )
}
MTOK = 1_000_000


def price(minimum_seconds: int = 0, /, **per_unit: str | Rate) -> ModelPrice:
    """A model whose rates are US dollars for one of each count."""
    rates = {name: rate if isinstance(rate, Rate) else Rate(base=Fraction(rate)) for name, rate in per_unit.items()}
    return ModelPrice(rates, shares([UNITS[name] for name in rates]), minimum_seconds)


def per_mtok(dollars: str, *tiers: tuple[int, str]) -> Rate:
    """A rate as price lists write it, with cliffs at numbers of input tokens."""
    return Rate(base=Fraction(dollars) / MTOK, tiers=tuple((start, Fraction(rate) / MTOK) for start, rate in tiers))


def test_each_token_pays_one_rate() -> None:
    """Cached tokens pay their rate instead of the input's; a cache that lives an hour instead of the other's."""
    model = price(
        input_tokens=per_mtok("3"),
        output_tokens=per_mtok("15"),
        cache_read_tokens=per_mtok("0.3"),
        cache_write_tokens=per_mtok("3.75"),
        cache_write_1h_tokens=per_mtok("6"),
    )
    usage = Usage(
        input_tokens=10_000,
        cache_read_tokens=4_000,
        cache_write_tokens=3_000,
        cache_write_1h_tokens=1_000,
        output_tokens=500,
    )
    # 3,000 at 3, 4,000 at 0.3, 2,000 at 3.75, 1,000 at 6, 500 at 15: 31,200 millionths of a dollar
    assert model.nanos(usage) == 31_200_000
    assert {item.name: (item.count, item.usd) for item in model.items(usage)} == {
        "input_tokens": (3_000, Decimal("0.009")),
        "output_tokens": (500, Decimal("0.0075")),
        "cache_read_tokens": (4_000, Decimal("0.0012")),
        "cache_write_tokens": (2_000, Decimal("0.0075")),
        "cache_write_1h_tokens": (1_000, Decimal("0.006")),
    }


def test_parts_of_parts_are_taken_out_once() -> None:
    """Cached audio is in the audio and in the cache, and pays neither of their rates."""
    model = price(input_tokens="1", cache_read_tokens="10", input_audio_tokens="100", cache_audio_read_tokens="1000")
    usage = Usage(input_tokens=10, cache_read_tokens=4, input_audio_tokens=5, cache_audio_read_tokens=2)
    assert model.nanos(usage) == (3 * 1 + 2 * 10 + 3 * 100 + 2 * 1000) * 10**9


@pytest.mark.parametrize(
    ("input_tokens", "nanos"), [(0, 0), (199_999, 249_998_750), (200_000, 250_000_000), (200_001, 500_002_500)]
)
def test_a_tier_is_a_cliff_just_above_its_start(input_tokens: int, nanos: int) -> None:
    """At $1.25 up to 200,000 tokens and $2.50 above, one token more than 200,000 makes all of them cost double."""
    model = price(input_tokens=per_mtok("1.25", (200_000, "2.5")))
    assert model.nanos(Usage(input_tokens=input_tokens)) == nanos


def test_the_highest_tier_reached_counts_for_every_rate_that_has_it() -> None:
    """Tiers are chosen by input tokens, for output as well; a rate without tiers stays what it is."""
    model = price(
        input_tokens=per_mtok("1", (100, "2"), (200, "3")),
        output_tokens=per_mtok("10", (100, "20")),
        web_searches="0.01",
    )
    assert model.nanos(Usage(input_tokens=100, output_tokens=10)) == 100 * 1_000 + 10 * 10_000
    assert model.nanos(Usage(input_tokens=101, output_tokens=10)) == 101 * 2_000 + 10 * 20_000
    assert model.nanos(Usage(input_tokens=201, output_tokens=10, web_searches=1)) == 201 * 3_000 + 10 * 20_000 + 10**7


@pytest.mark.parametrize(("calls", "nanos"), [(1, 1_000_005_000), (2, 1_000_005_000), (3, 500_002_500)])
def test_the_tier_of_many_requests_is_that_of_their_average(calls: int, nanos: int) -> None:
    """With a tier at 200,000, two requests of 200,001 tokens on average are above it, three of 133,334 are not."""
    model = price(input_tokens=per_mtok("1.25", (200_000, "2.5")))
    assert model.priced(Usage(input_tokens=400_002), calls)[0] == nanos
    assert sum(item.usd for item in model.items(Usage(input_tokens=400_002), calls)) * 10**9 == nanos


def test_a_fee_per_request_counts_for_each_of_many() -> None:
    """A fee of half a cent is charged three times for three requests."""
    model = price(input_tokens="0", requests="0.005")
    assert model.priced(Usage(input_tokens=9), 3)[0] == 15 * 10**6
    assert [item.count for item in model.items(Usage(), 3)] == [3]


@pytest.mark.parametrize(("count", "nanos"), [(1, 0), (3, 2), (5, 2), (7, 4), (2, 1)])
def test_a_cost_is_rounded_once_half_to_even(count: int, nanos: int) -> None:
    """At half a nano-dollar a token, 1 token costs 0, 3 cost 2, 5 cost 2, 7 cost 4."""
    assert price(input_tokens="5e-10").nanos(Usage(input_tokens=count)) == nanos


def test_parts_are_not_rounded_before_they_are_added() -> None:
    """Two halves of a nano-dollar are one, not none."""
    assert price(input_tokens="5e-10", output_tokens="5e-10").nanos(Usage(input_tokens=1, output_tokens=1)) == 1


AMOUNTS = st.integers(min_value=0, max_value=10**7)
RATES = st.fractions(min_value=0, max_value=1, max_denominator=10**12)


@given(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS), st.tuples(RATES, RATES, RATES, RATES))
def test_a_cost_is_the_exact_sum_rounded_half_to_even(counts: tuple[int, ...], rates: tuple[Fraction, ...]) -> None:
    """Whole-number weights give what fractions give, for any rates; the lines add up to it before rounding."""
    plain, cached, output = counts
    usage = Usage(input_tokens=plain + cached, cache_read_tokens=cached, output_tokens=output)
    names = ("input_tokens", "cache_read_tokens", "output_tokens", REQUESTS)
    model = price(**{name: Rate(base=rate) for name, rate in zip(names, rates, strict=True)})
    exact = sum((count * rate for count, rate in zip((*counts, 1), rates, strict=True)), Fraction(0))
    assert model.nanos(usage) == round(exact * 10**9)
    lines = sum((Fraction(item.usd) for item in model.items(usage)), Fraction(0))
    assert abs(lines - exact) <= Fraction(1, 10**40)


@given(AMOUNTS, st.integers(min_value=0, max_value=1_000))
def test_below_a_tier_cost_is_linear(input_tokens: int, times: int) -> None:
    """So many times the tokens at one rate cost so many times as much."""
    model = price(input_tokens=per_mtok("2.5"))
    assert model.nanos(Usage(input_tokens=input_tokens * times)) == times * model.nanos(
        Usage(input_tokens=input_tokens)
    )


@pytest.mark.parametrize(("seconds", "nanos"), [(0, 0), (0.1, 10_000_000), (7.5, 750_000_000), (12, 1_200_000_000)])
def test_seconds_are_the_decimals_they_are_written_as(seconds: float, nanos: int) -> None:
    """0.1 seconds are a tenth of a second, not the binary fraction nearest to it."""
    model = price(audio_seconds="0.1")
    assert model.nanos(Usage(audio_seconds=seconds)) == nanos


def test_a_third_of_a_nano_is_rounded_not_cut() -> None:
    """Rates per hour are not whole in any decimal: a second at $0.36 an hour is exactly $0.0001, a third rounds."""
    model = price(audio_seconds=Rate(base=Fraction("0.36") / 3600))
    assert model.nanos(Usage(audio_seconds=1)) == 100_000
    assert model.nanos(Usage(audio_seconds=0.333335)) == 33_334  # 33,333.5, to the even neighbour
    assert model.items(Usage(audio_seconds=0.5)) == (
        CostItem(name="audio_seconds", count=Decimal("0.5"), usd_per_unit=Decimal("0.0001"), usd=Decimal("0.00005")),
    )


@pytest.mark.parametrize(("seconds", "billed"), [(0, 0), (0.5, 10), (10, 10), (10.5, Decimal("10.5"))])
def test_short_audio_is_billed_as_the_minimum(seconds: float, billed: int | Decimal) -> None:
    """With a minimum of ten seconds, half a second costs ten and no audio costs nothing; the lines say so too."""
    model = price(10, audio_seconds="0.001")
    usage = Usage(audio_seconds=seconds)
    assert model.nanos(usage) == billed * 10**6
    assert [item.count for item in model.items(usage)] == ([billed] if billed else [])


def test_a_fee_is_charged_once_a_request() -> None:
    """A request costs its fee whether or not anything was used."""
    model = price(input_tokens="1", requests="0.012")
    assert model.nanos(Usage()) == 12_000_000
    assert model.items(Usage()) == (
        CostItem(name="requests", count=1, usd_per_unit=Decimal("0.012"), usd=Decimal("0.012")),
    )


def test_units_that_a_usage_does_not_count_cost_nothing() -> None:
    """A price per character changes nothing where characters are not counted."""
    model = price(input_tokens="1", input_characters="1")
    assert model.nanos(Usage(input_tokens=2)) == 2 * 10**9
    assert [item.name for item in model.items(Usage(input_tokens=2))] == ["input_tokens"]


@pytest.mark.parametrize(
    ("usage", "unpriced"),
    [
        (Usage(input_tokens=5), ()),
        (Usage(input_tokens=5, cache_read_tokens=5, input_audio_tokens=2), ()),
        (Usage(input_tokens=5, output_tokens=1), ("output_tokens",)),
        (Usage(input_tokens=5, web_searches=1, audio_seconds=0.5), ("web_searches", "audio_seconds")),
        (Usage(web_fetches=3), ()),
        (Usage(images=1), ("images",)),
        (Usage(input_tokens=5, images=1), ()),
    ],
)
def test_what_no_rate_pays_for_is_named(usage: Usage, unpriced: tuple[str, ...]) -> None:
    """A part is paid for by its total; a count that stands alone and has no rate is named, never silently free."""
    assert price(input_tokens="1").unpriced(usage) == unpriced


def test_a_model_without_rates_prices_nothing() -> None:
    """Known but without any rate: everything used is named as unpriced."""
    model = price()
    assert model.priced(Usage(input_tokens=1, output_tokens=2)) == (0, ("input_tokens", "output_tokens"))


@pytest.mark.parametrize("name", BEYOND_TOKENS)
def test_every_count_beyond_tokens_is_priced_or_named(name: str) -> None:
    """Whatever can be counted besides tokens is either paid for or named as unpriced."""
    usage = Usage(**{name: 3})
    assert ModelPrice({name: Rate(base=Fraction(2))}, {name: {name: 1}}).priced(usage) == (6 * 10**9, ())
    assert price(input_tokens="1", output_tokens="1").priced(usage) == (0, (name,))


def cost(nanos: int | None, *unpriced: str) -> Cost:
    """A cost of a call, or of something billed on top of it."""
    return Cost(nanos=nanos, price_version="v", unpriced=unpriced, reason="no price" if nanos is None else None)


def test_what_is_billed_on_top_is_added() -> None:
    """The total takes in every cost on top, and names what is unpriced in any of them once."""
    whole = cost(5, "images").plus((cost(7), cost(0, "images", "web_searches")))
    assert (whole.nanos, whole.total, whole.reason) == (12, Decimal("0.000000012"), None)
    assert whole.unpriced == ("images", "web_searches")


@pytest.mark.parametrize(("own", "other"), [(None, 7), (5, None), (None, None)])
def test_a_total_with_an_unknown_part_is_unknown(own: int | None, other: int | None) -> None:
    """A known part does not stand in for the whole; the reason is that of the part without a price."""
    whole = cost(own).plus((cost(other),))
    assert (whole.nanos, whole.total, whole.reason) == (None, None, "no price")
