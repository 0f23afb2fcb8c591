"""What terms do to rates: fees fill in or replace, contexts multiply, and what nobody told the price of is named."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from ai_cost_calc.core.matching import Clause
from ai_cost_calc.core.pricing import ModelPrice
from ai_cost_calc.core.terms import Fee, ModelTerms, Multiplier, Terms
from ai_cost_calc.core.timetable import ModelData, PriceData, RateData, Timetable
from ai_cost_calc.core.units import Unit
from ai_cost_calc.core.usage import Usage

UNITS = {
    unit.name: unit
    for unit in (
        Unit("input_tokens", 1, {"family": "tokens", "direction": "input"}),
        Unit("output_tokens", 1, {"family": "tokens", "direction": "output"}),
        Unit("cache_read_tokens", 1, {"family": "tokens", "direction": "input", "token_type": "cache_read"}),
        Unit("web_searches", 1, {"family": "tool_calls", "tool_type": "web_search"}),
        Unit("code_executions", 1, {"family": "tool_calls", "tool_type": "code_execution"}),
    )
}
RATES = {
    "input_tokens": RateData("8", ((100, "16"),)),
    "output_tokens": RateData("40"),
    "cache_read_tokens": RateData("2"),
    "web_searches": RateData("3"),
}
FAST = PriceData({"input_tokens": RateData("80")}, context={"speed": "fast"})
DAY = int(datetime(2026, 2, 5, tzinfo=UTC).timestamp())


def fee(count: str, usd_per_1000: str, context: str = "", since: str = "") -> Fee:
    """A fee of one seller."""
    return Fee(sellers=("acme",), source="a page", count=count, usd_per_1000=usd_per_1000, context=context, since=since)


def multiplier(context: str, factor: str, *, spares: tuple[str, ...] = (), since: str = "") -> Multiplier:
    """A multiplier of one seller."""
    return Multiplier(sellers=("acme",), source="a page", context=context, factor=factor, spares=spares, since=since)


def price(*terms: Fee | Multiplier, at: float = DAY, **context: str) -> ModelPrice:
    """The rates of a model on these terms."""
    fees = [term for term in terms if isinstance(term, Fee)]
    multipliers = [term for term in terms if isinstance(term, Multiplier)]
    data = ModelData("m", Clause("equals", "m"), (PriceData(RATES),), (FAST,))
    of_model = Terms(fees, multipliers, {"tier": {"default"}}).of("acme", "m")
    return Timetable(data, UNITS, of_model).at(at, context)


def rates(found: ModelPrice) -> dict[str, int | float]:
    """What one of each costs."""
    return {name: float(rate.base) for name, rate in found.rates.items()}


def test_a_fee_fills_in_what_has_no_rate() -> None:
    """A count without a rate gets the fee, one with a rate keeps it."""
    found = rates(price(fee("code_executions", "30"), fee("web_searches", "9000")))
    assert (found["code_executions"], found["web_searches"]) == (0.03, 3)


@pytest.mark.parametrize("order", [1, -1])
def test_a_fee_for_a_context_replaces(order: int) -> None:
    """Where the context asks for it, a fee goes before the model's own rate and before a fee for every request."""
    terms = [
        fee("code_executions", "30", "search:big"),
        fee("code_executions", "10"),
        fee("web_searches", "9000", "search:big"),
    ]
    big = rates(price(*terms[::order], search="big"))
    assert (big["code_executions"], big["web_searches"]) == (0.03, 9)
    assert price(*terms, search="big").unknown == ()
    small = rates(price(*terms[::order]))
    assert (small["code_executions"], small["web_searches"]) == (0.01, 3)


def test_a_context_multiplies_tokens_in_every_tier_and_nothing_else() -> None:
    """Half price halves tokens, below and above a tier; a search costs what it always costs."""
    found = price(multiplier("processing:batch", "0.5"), processing="batch")
    assert rates(found) == {"input_tokens": 4, "output_tokens": 20, "cache_read_tokens": 1, "web_searches": 3}
    assert [found.nanos(Usage(input_tokens=tokens)) for tokens in (100, 101)] == [400 * 10**9, 808 * 10**9]


def test_a_multiplier_may_spare_some_counts() -> None:
    """Cached tokens of a batch cost what they cost elsewhere."""
    found = rates(price(multiplier("processing:batch", "0.5", spares=("cache_",)), processing="batch"))
    assert (found["input_tokens"], found["cache_read_tokens"]) == (4, 2)


def test_contexts_multiply_each_other_exactly() -> None:
    """A batch in a region that costs 10 % more: 0.55 of the rate, without a float's error."""
    terms = (multiplier("processing:batch", "0.5"), multiplier("region:us|ca", "1.1"))
    assert price(*terms, processing="batch", region="ca").rates["input_tokens"].base == Fraction("4.4")


def test_the_last_of_several_about_one_context_wins() -> None:
    """A price that changed is one more term, with the day from which it holds."""
    terms = (multiplier("region:us", "1.2"), multiplier("region:us", "1.5", since="2026-02-05"))
    assert price(*terms, at=DAY - 1, region="us").rates["input_tokens"].base == Fraction("9.6")
    assert price(*terms, at=DAY, region="us").rates["input_tokens"].base == 12


def test_terms_begin_on_their_day() -> None:
    """The second before, there is no fee and the context is unknown; what was remembered of then is not used now."""
    data = ModelData("m", Clause("equals", "m"), (PriceData(RATES),))
    terms = ModelTerms(
        [fee("code_executions", "30", since="2026-02-05")], [multiplier("region:us", "2", since="2026-02-05")], {}
    )
    table = Timetable(data, UNITS, terms)
    for at, unknown, rate in ((DAY - 1, ("region:us",), 8), (DAY, (), 16), (DAY - 1, ("region:us",), 8)):
        found = table.at(at, {"region": "us"})
        assert found.unknown == unknown
        assert found.rates["input_tokens"].base == rate
        assert ("code_executions" in found.rates) is (at == DAY)


def test_rates_that_the_model_has_for_a_context_stand() -> None:
    """A multiplier completes the model's own rates, it never overrules them."""
    found = price(multiplier("speed:fast", "2"), speed="fast")
    assert (found.rates["input_tokens"].base, found.rates["output_tokens"].base) == (Fraction(80), Fraction(40))
    assert found.unknown == ()


def test_what_nobody_told_the_price_of_is_named() -> None:
    """The tokens count at standard rates, and the cost says what it does not know."""
    found = price(tier="scale", speed="fast", region="mars")
    assert found.unknown == ("tier:scale", "region:mars")
    assert found.priced(Usage(input_tokens=1, output_tokens=1)) == (120 * 10**9, found.unknown)
    assert found.unpriced(Usage(input_tokens=1, code_executions=2)) == ("code_executions", *found.unknown)
    assert price(tier="default").unknown == ()


def test_a_factor_of_one_says_that_it_is_known() -> None:
    """A context that is documented to cost nothing more is not named."""
    found = price(multiplier("tier:flex", "1"), tier="flex")
    assert (found.unknown, rates(found)["input_tokens"]) == ((), 8)


def test_what_is_named_has_bounds() -> None:
    """What a response says may be long; what is kept of it is not."""
    assert [len(mark) for mark in price(tier="x" * 10_000).unknown] == [64]


def test_terms_are_of_their_seller_and_models() -> None:
    """Another seller of the same model, or another model, has none of them."""
    term = Multiplier(sellers=("acme",), models="m|n.*", context="tier:flex", factor="0.5", source="a page")
    terms = Terms([], [term])
    context = {"tier": "flex"}
    known = [terms.of(seller, model).applied(DAY, context, ()).unknown == () for seller, model in
             (("acme", "m"), ("acme", "nano"), ("acme", "mm"), ("other", "m"))]  # fmt: skip
    assert known == [True, True, False, False]


def test_the_edition_changes_with_any_term() -> None:
    """Costs computed on other terms carry another version."""
    none = Terms()
    editions = {
        terms.edition
        for terms in (
            none,
            Terms([fee("web_searches", "1")]),
            Terms([fee("web_searches", "2")]),
            Terms([], [multiplier("tier:flex", "1")]),
            Terms(standard={"tier": {"flex"}}),
            Terms(models={"acme": (ModelData("m", Clause("equals", "m"), (PriceData(RATES),)),)}),
        )
    }
    assert len(editions) == 6
    assert Terms().edition == none.edition
