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
from ai_cost_calc.core.units import Unit, shares

DAY: Final = 86_400


class RateData(msgspec.Struct, frozen=True, array_like=True):
    """A rate as it is kept: US dollars per `Unit.per`, as decimal text; `tiers` as in `Rate`."""

    base: str
    tiers: tuple[tuple[int, str], ...] = ()

    def rate(self, per: int) -> Rate:
        """The exact rate for one of what it prices."""
        return Rate(
            base=Fraction(self.base) / per, tiers=tuple((start, Fraction(price) / per) for start, price in self.tiers)
        )

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
    """

    rates: dict[str, RateData]
    start: int | None = None
    daily: tuple[int, int] | None = None
    context: dict[str, str] = {}

    def applies(self, at: float) -> bool:
        """Whether these rates apply at this time."""
        if self.start is not None and at < self.start:
            return False
        if self.daily is None:
            return True
        first, last = self.daily
        second = at % DAY
        return first <= second < last if first <= last else second >= first or second < last

    def edges(self, at: float) -> Iterable[float]:
        """Times around `at` between which the answer of `applies` does not change."""
        if self.start is not None:
            yield self.start
        for second in self.daily or ():
            before = (at - second) // DAY * DAY + second
            yield before
            yield before + DAY


class ModelData(msgspec.Struct, frozen=True, array_like=True):
    """One model as it is kept.

    Attributes:
        match: which names mean it.
        prices: standard rates; the last that applies is in force, the first where none applies.
        variants: rates for some contexts, replacing standard ones name by name; the first that gives a name wins.
        minimum_seconds: audio shorter than this is billed as this long.
    """

    id: str
    match: Clause
    prices: tuple[PriceData, ...]
    variants: tuple[PriceData, ...] = ()
    name: str | None = None
    context_window: int | None = None
    minimum_seconds: int = 0

    def prices_of_day(self, at: float) -> Iterable[PriceData]:
        """The standard rates in force at some time of the day of `at`."""
        started = [price for price in self.prices if price.start is None or at >= price.start]
        for price in reversed(started):
            yield price
            if price.daily is None:
                return
        yield self.prices[0]


Context = Mapping[str, str]
_Span = tuple[float, float, ModelPrice]

_CONTEXTS: Final = 64
"""How many contexts of a model are remembered; what they say comes from responses, so it has no natural end."""


class Timetable:
    """The rates of one model at any time and in any context, compiled when first asked for and then remembered."""

    __slots__ = ("_compiled", "_spans", "_units", "data")

    def __init__(self, data: ModelData, units: Mapping[str, Unit]) -> None:
        self.data = data
        self._units = units
        self._compiled: dict[tuple[int, ...], ModelPrice] = {}
        self._spans: dict[tuple[tuple[str, str], ...], _Span] = {}

    def at(self, at: float, context: Context | None = None) -> ModelPrice:
        """The rates in force at this time (unix seconds); a context that the model has no rates for changes nothing."""
        key = tuple(context.items()) if context and self.data.variants else ()
        span = self._spans.get(key)
        if span is not None and span[0] <= at < span[1]:
            return span[2]
        span = self._span(at, dict(key))
        if len(self._spans) >= _CONTEXTS:
            self._spans.clear()
        self._spans[key] = span
        return span[2]

    def _span(self, at: float, context: Context) -> _Span:
        data = self.data
        edges = [edge for price in (*data.prices, *data.variants) for edge in price.edges(at)]
        start = max((edge for edge in edges if edge <= at), default=-inf)
        until = min((edge for edge in edges if edge > at), default=inf)
        return start, until, self._price(at, context)

    def _price(self, at: float, context: Context) -> ModelPrice:
        data = self.data
        standard = next((i for i in reversed(range(len(data.prices))) if data.prices[i].applies(at)), 0)
        variants = [
            number
            for number, variant in enumerate(data.variants)
            if variant.applies(at) and context.items() >= variant.context.items()
        ]
        key = (standard, *variants)
        price = self._compiled.get(key)
        if price is None:
            price = self._compiled[key] = self._compile(data.prices[standard], [data.variants[i] for i in variants])
        return price

    def _compile(self, standard: PriceData, variants: list[PriceData]) -> ModelPrice:
        rates = dict(standard.rates)
        for variant in reversed(variants):
            rates |= variant.rates
        units = [self._units[name] for name in rates]
        return ModelPrice(
            {unit.name: rates[unit.name].rate(unit.per) for unit in units}, shares(units), self.data.minimum_seconds
        )
