"""Which rates a model has when, and in which context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Final

import msgspec

from ai_cost_calc.core.matching import Clause
from ai_cost_calc.core.pricing import ModelPrice, Rate
from ai_cost_calc.core.terms import Applied, ModelTerms
from ai_cost_calc.core.units import Unit, shares

DAY: Final = 86_400

Context = Mapping[str, str]
"""What changes the rates of a request, in the words of genai-prices: `service_tier`, `processing`, `speed`, …."""

_MOST_DIGITS: Final = 40


def rate_text(amount: Decimal) -> str:
    """An amount in digits, without zeros at its end, so that `8`, `8.0` and `8E0` are the same rate.

    Raises:
        ValueError: written out it would be longer than any rate is.
    """
    if not amount.is_finite() or abs(amount.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"{amount} is no rate")
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class RateData(msgspec.Struct, frozen=True, array_like=True):
    """A rate as it is kept: US dollars per `Unit.per`, as decimal text; `tiers` as in `Rate`."""

    base: str
    tiers: tuple[tuple[int, str], ...] = ()

    def rate(self, per: int) -> Rate:
        """The exact rate for one of what it prices."""
        return Rate(
            base=Fraction(self.base) / per, tiers=tuple((start, Fraction(price) / per) for start, price in self.tiers)
        )

    def price(self, input_tokens: int) -> Decimal:
        """The rate for a request with this many input tokens, in dollars per `Unit.per`."""
        reached = [price for start, price in self.tiers if input_tokens > start]
        return Decimal(reached[-1] if reached else self.base)

    def highest(self) -> Decimal:
        """The dearest of its tiers, in dollars per `Unit.per`."""
        return max(Decimal(self.base), *(Decimal(price) for _, price in self.tiers), Decimal(0))


class PriceData(msgspec.Struct, frozen=True, array_like=True):
    """Rates and when they apply.

    Attributes:
        rates: by name of a unit.
        start: the first second (unix) from which they apply, or `None`.
        daily: seconds after midnight UTC between which they apply, the second one excluded; a window may span midnight.
        context: what the context of a request must say, for rates that replace the standard ones.
        until: the first second at which they no longer apply, or `None`.
    """

    rates: dict[str, RateData]
    start: int | None = None
    daily: tuple[int, int] | None = None
    context: dict[str, str] = {}
    until: int | None = None

    def in_dates(self, at: float) -> bool:
        """Whether these rates apply at some time of the day of `at`."""
        return (self.start is None or at >= self.start) and (self.until is None or at < self.until)

    def applies(self, at: float) -> bool:
        """Whether these rates apply at this time."""
        if not self.in_dates(at):
            return False
        if self.daily is None:
            return True
        first, last = self.daily
        second = at % DAY
        return first <= second < last if first <= last else second >= first or second < last

    def edges(self, at: float) -> Iterable[float]:
        """Times around `at` between which the answer of `applies` does not change."""
        yield from (edge for edge in (self.start, self.until) if edge is not None)
        for second in self.daily or ():
            before = (at - second) // DAY * DAY + second
            yield before
            yield before + DAY


class ModelData(msgspec.Struct, frozen=True, array_like=True):
    """One model as it is kept.

    Attributes:
        match: which names mean it.
        prices: standard rates; the last that applies is in force, the first where none applies.
        variants: rates for some contexts, replacing standard ones name by name; the first that gives a name wins. One
            without rates says that its context costs nothing extra.
        minimum_seconds: audio shorter than this is billed as this long.
        own: whether only the user's own prices know it; while none of them is in force, its price is unknown.
        listed_by: whose price it is, where its provider sells another's models at the prices that one lists.
    """

    id: str
    match: Clause
    prices: tuple[PriceData, ...]
    variants: tuple[PriceData, ...] = ()
    name: str | None = None
    context_window: int | None = None
    minimum_seconds: int = 0
    own: bool = False
    listed_by: str | None = None

    def chosen(self, at: float, context: Context) -> tuple[int, ...]:
        """What is in force: the index of a standard price, then those of the variants that apply on top of it."""
        standard = next((i for i in reversed(range(len(self.prices))) if self.prices[i].applies(at)), 0)
        variants = [
            number
            for number, variant in enumerate(self.variants)
            if variant.applies(at) and context.items() >= variant.context.items()
        ]
        return standard, *variants

    def rates(self, chosen: tuple[int, ...]) -> dict[str, RateData]:
        """The rates of what was chosen."""
        standard, *variants = chosen
        rates = dict(self.prices[standard].rates)
        for number in reversed(variants):
            rates |= self.variants[number].rates
        return rates

    def prices_of_day(self, at: float) -> Iterable[PriceData]:
        """The rates in force at some time of the day of `at`, whatever the context."""
        yield from (variant for variant in self.variants if not variant.context and variant.in_dates(at))
        started = [price for price in self.prices if price.in_dates(at)]
        for price in reversed(started):
            yield price
            if price.daily is None:
                return
        yield self.prices[0]


_Span = tuple[float, float, ModelPrice]

_CONTEXTS: Final = 64
"""How many contexts of a model are remembered; what they say comes from responses, so it has no natural end."""


class Timetable:
    """The rates of one model at any time and in any context, compiled when first asked for and then remembered.

    Args:
        data: the model.
        units: what prices are per, by name.
        terms: what its seller charges beyond `data`; without them a context that `data` has no rates for is ignored.
    """

    __slots__ = ("_compiled", "_spans", "_units", "data", "terms")

    def __init__(self, data: ModelData, units: Mapping[str, Unit], terms: ModelTerms | None = None) -> None:
        self.data = data
        self._units = units
        self.terms = terms
        self._compiled: dict[tuple[int | Applied, ...], ModelPrice] = {}
        self._spans: dict[tuple[tuple[str, str], ...], _Span] = {}

    def at(self, at: float, context: Context | None = None) -> ModelPrice:
        """The rates in force at this time (unix seconds) and in this context."""
        key = tuple(context.items()) if context else ()
        span = self._spans.get(key)
        if span is not None and span[0] <= at < span[1]:
            return span[2]
        span = self._span(at, dict(key))
        if len(self._spans) >= _CONTEXTS:
            self._spans.clear()
            self._compiled.clear()
        self._spans[key] = span
        return span[2]

    def _span(self, at: float, context: Context) -> _Span:
        data = self.data
        edges = [edge for price in (*data.prices, *data.variants) for edge in price.edges(at)]
        edges += self.terms.edges() if self.terms is not None else ()
        start = max((edge for edge in edges if edge <= at), default=-inf)
        until = min((edge for edge in edges if edge > at), default=inf)
        return start, until, self._price(at, context)

    def _price(self, at: float, context: Context) -> ModelPrice:
        chosen = self.data.chosen(at, context)
        applied = self._applied(at, context, chosen[1:])
        key: tuple[int | Applied, ...] = (*chosen, applied)
        price = self._compiled.get(key)
        if price is None:
            price = self._compiled[key] = self._compile(self.data.rates(chosen), applied)
        return price

    def _applied(self, at: float, context: Context, variants: Iterable[int]) -> Applied:
        if self.terms is None:
            return Applied()
        priced = {pair for number in variants for pair in self.data.variants[number].context.items()}
        return self.terms.applied(at, context, priced)

    def _compile(self, given: Mapping[str, RateData], applied: Applied) -> ModelPrice:
        rates = {name: rate.rate(self._units[name].per) for name, rate in given.items()}
        for fee in applied.fees:
            if fee.context or fee.count not in given:
                rates[fee.count] = Rate(base=fee.each)
        for term in applied.multipliers:
            tokens = [name for name in rates if self._units[name].dimensions["family"] == "tokens"]
            rates |= {name: rates[name].times(term.times(name)) for name in tokens}
        units = [self._units[name] for name in rates]
        return ModelPrice(rates, shares(units), self.data.minimum_seconds, applied.unknown)
