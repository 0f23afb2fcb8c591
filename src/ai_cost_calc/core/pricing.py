"""Prices as exact integer arithmetic: a model's rates, and what a usage costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import lcm
from operator import attrgetter, mul
from typing import Any, Final, Literal

import msgspec

from ai_cost_calc.core.money import NANOS_PER_USD, usd
from ai_cost_calc.core.units import Share
from ai_cost_calc.core.usage import TOTALS, Usage

Match = Literal["exact", "prefix", "alias", "none"]
"""How a model's name was found: its id; another of its names; only the family it begins with; not at all."""

REQUESTS: Final = "requests"
"""The one rate that is not per count of a usage: a fee per call."""

_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostItem:
    """One line of a cost: so many of one thing, at one rate."""

    name: str
    count: int | Decimal
    usd_per_unit: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one count of a usage costs, in US dollars per single token, search, page or second.

    `tiers` are cliffs: when `input_tokens` is greater than a start, *every* token pays that tier's rate. With a tier at
    200,000: 200,000 input tokens pay `base`, 200,001 pay the tier's rate for all 200,001. Starts ascend.
    """

    base: Fraction
    tiers: tuple[tuple[int, Fraction], ...] = ()

    def at(self, input_tokens: int) -> Fraction:
        """The rate for a request with this many input tokens."""
        reached = [rate for start, rate in self.tiers if input_tokens > start]
        return reached[-1] if reached else self.base

    def times(self, factor: Fraction) -> Rate:
        """This rate multiplied, in every tier."""
        return Rate(base=self.base * factor, tiers=tuple((start, rate * factor) for start, rate in self.tiers))


_COMMON: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_SECONDS: Final = "audio_seconds"


class _Table:
    """Rates at one tier, folded into whole-number weights per count.

    Parts are priced at their own rate *instead of* their total's, so a part's weight is its rate less what its total
    already charges for it; the sum of count x weight is then exact without ever splitting the usage. Weights are
    multiplied by one common scale, which makes them whole.
    """

    __slots__ = ("_common", "_fee", "_other", "_parts", "_scale", "_seconds", "rates")

    def __init__(self, rates: Mapping[str, Fraction], shares: Mapping[str, Share]) -> None:
        self.rates = rates
        nanos = {name: rate * NANOS_PER_USD for name, rate in rates.items()}
        weights = _weights(nanos, shares)
        fee = nanos.get(REQUESTS, Fraction(0))
        self._scale = lcm(fee.denominator, *(weight.denominator for weight in weights.values()))
        whole = {name: int(weight * self._scale) for name, weight in weights.items() if weight}
        self._fee = int(fee * self._scale)
        self._common = tuple(whole.pop(name, 0) for name in _COMMON)
        self._seconds = whole.pop(_SECONDS, 0)
        self._other = _Weighted({name: whole.pop(name) for name in BEYOND_TOKENS if name in whole})
        self._parts = _Weighted(whole) if whole else None

    def nanos(self, usage: Usage, calls: int, *, beyond: bool, seconds: float) -> int:
        """The cost, rounded once, half to even, to whole nano-dollars.

        Args:
            usage: what was used.
            calls: how many requests it is the sum of.
            beyond: whether that is more than tokens.
            seconds: of audio, as billed.
        """
        per_input, per_output, per_read, per_write = self._common
        total = (
            self._fee * calls
            + usage.input_tokens * per_input
            + usage.output_tokens * per_output
            + usage.cache_read_tokens * per_read
            + usage.cache_write_tokens * per_write
        )
        if self._parts is not None:
            total += self._parts.sum(usage)
        if beyond:
            total += self._other.sum(usage)
            if seconds and self._seconds:
                return round((total + _exact(seconds) * self._seconds) / self._scale)
        return total if self._scale == 1 else _half_even(total, self._scale)


class _Weighted:
    """Some counts and the weight of each."""

    __slots__ = ("_counts", "_weights")

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._counts = _getter(tuple(weights))
        self._weights = tuple(weights.values())

    def sum(self, usage: Usage) -> int:
        return sum(map(mul, self._counts(usage), self._weights))


def _weights(nanos: Mapping[str, Fraction], shares: Mapping[str, Share]) -> dict[str, Fraction]:
    weights: dict[str, Fraction] = {}
    for unit, rate in nanos.items():
        for name, sign in shares.get(unit, {}).items():
            weights[name] = weights.get(name, Fraction(0)) + sign * rate
    return weights


def _half_even(total: int, scale: int) -> int:
    whole, rest = divmod(total, scale)
    twice = rest + rest
    return whole + (twice > scale or (twice == scale and whole & 1))


def _getter(names: tuple[str, ...]) -> Callable[[Usage], Sequence[Any]]:
    """Several counts of a usage at once; `attrgetter` alone gives one name's value bare."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda usage: [getattr(usage, name) for name in names]


class ModelPrice:
    """The rates of one model at one time and in one context, compiled for fast exact pricing.

    Args:
        rates: by name of a count, or `requests`.
        shares: for each of these names, the counts that pay this rate (see `core.units.shares`).
        minimum_seconds: audio shorter than this is billed as this long.
        unknown: what the context says that these rates do not answer to, as `service_tier:scale`.
    """

    __slots__ = (
        "_base",
        "_minimum_seconds",
        "_shares",
        "_tiers",
        "_tokens_priced",
        "_unpaid",
        "_unpaid_names",
        "rates",
        "unknown",
    )

    def __init__(
        self,
        rates: Mapping[str, Rate],
        shares: Mapping[str, Share],
        minimum_seconds: int = 0,
        unknown: tuple[str, ...] = (),
    ) -> None:
        self.rates = rates
        self.unknown = unknown
        self._shares = shares
        self._minimum_seconds = minimum_seconds
        starts = sorted({start for rate in rates.values() for start, _ in rate.tiers}, reverse=True)
        self._base = self._table(0)
        self._tiers = tuple((start, self._table(start + 1)) for start in starts)
        self._unpaid_names = tuple(name for name in BILLABLE if name not in rates)
        self._unpaid = _getter(self._unpaid_names)
        self._tokens_priced = "input_tokens" in rates and "output_tokens" in rates

    def _table(self, input_tokens: int) -> _Table:
        return _Table({name: rate.at(input_tokens) for name, rate in self.rates.items()}, self._shares)

    def _table_for(self, usage: Usage, calls: int) -> _Table:
        for start, table in self._tiers:
            if usage.input_tokens > start * calls:
                return table
        return self._base

    def nanos(self, usage: Usage) -> int:
        """What the priced part of this usage costs, in whole nano-dollars."""
        return self.priced(usage)[0]

    def unpriced(self, usage: Usage) -> tuple[str, ...]:
        """What no rate pays for: counts of this usage, and what the context says that has no rate."""
        return self.priced(usage)[1]

    def priced(self, usage: Usage, calls: int = 1) -> tuple[int, tuple[str, ...]]:
        """What this usage costs in whole nano-dollars, and what of it no rate pays for.

        Args:
            usage: what was used.
            calls: how many requests it is the sum of; tiers go by their average, so with a tier at 200,000 two requests
                of 150,000 input tokens each pay the base rate, as they did one by one.
        """
        table = self._table_for(usage, calls) if self._tiers else self._base
        beyond = _beyond_tokens(usage)
        seconds = self._billed(usage.audio_seconds) if beyond else 0
        nanos = table.nanos(usage, calls, beyond=beyond, seconds=seconds)
        return nanos, self._left(usage) if beyond or not self._tokens_priced else self.unknown

    def _billed(self, seconds: float) -> float:
        return max(seconds, self._minimum_seconds) if seconds else seconds

    def _left(self, usage: Usage) -> tuple[str, ...]:
        counts = self._unpaid(usage)
        if not any(counts):
            return self.unknown
        left = [name for name, count in zip(self._unpaid_names, counts, strict=True) if count]
        return (*(name for name in left if not (name in _PAID_AS_TOKENS and usage.total_tokens)), *self.unknown)

    def items(self, usage: Usage, calls: int = 1) -> tuple[CostItem, ...]:
        """The cost line by line: each count at its own rate, parts taken out of their totals."""
        rates = self._table_for(usage, calls).rates
        lines = [_line(name, self._own(name, usage, calls), rate) for name, rate in rates.items()]
        return tuple(line for line in lines if line.count)

    def _own(self, name: str, usage: Usage, calls: int) -> Fraction:
        if name == REQUESTS:
            return Fraction(calls)
        counts = {part: getattr(usage, part) for part in self._shares[name]}
        if _SECONDS in counts:
            counts[_SECONDS] = self._billed(counts[_SECONDS])
        return sum((sign * _exact(counts[part]) for part, sign in self._shares[name].items()), Fraction(0))


def _exact(count: float) -> Fraction:
    """A float as the decimal it is written as: 0.1 seconds are a tenth of a second."""
    return Fraction(count) if isinstance(count, int) else Fraction(repr(count))


def _decimal(value: Fraction) -> Decimal:
    return _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))


def _line(name: str, count: Fraction, rate: Fraction) -> CostItem:
    whole = count.numerator if count.denominator == 1 else _decimal(count)
    return CostItem(name=name, count=whole, usd_per_unit=_decimal(rate), usd=_decimal(count * rate))


_FREE: Final = {"web_fetches"}
"""Counted but never charged: Anthropic's web fetch costs nothing beyond its tokens (its pricing page, 2026-11)."""

_PAID_AS_TOKENS: Final = {"images"}
"""Charged by themselves only where a response reports no tokens: OpenAI's image models bill images as output tokens."""

BILLABLE: Final = tuple(
    name
    for name in Usage.__struct_fields__
    if name not in _FREE and name not in {part for groups in TOTALS.values() for parts in groups for part in parts}
)
"""Counts that stand alone: what no rate covers among these is reported as unpriced."""

BEYOND_TOKENS: Final = tuple(name for name in BILLABLE if not name.endswith("_tokens"))


def _beyond_tokens(usage: Usage) -> bool:
    """Whether anything but tokens was used; `BEYOND_TOKENS` written out, because a getter takes three times as long."""
    return bool(
        usage.web_searches
        or usage.social_searches
        or usage.storage_searches
        or usage.code_executions
        or usage.rerank_searches
        or usage.input_document_pages
        or usage.images
        or usage.audio_seconds
    )


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a usage costs.

    Attributes:
        nanos: whole nano-dollars, rounded once; `None` when the price is unknown (never zero for that reason), also
            where a model is known but no rate of it is for anything that was used.
        unpriced: what no rate pays for: names of counts, and what was said of the request that no price is known for,
            such as `service_tier:scale` (the tokens then count at standard rates).
        price_version: the price book that was used.
        provider: whose price it is; for Claude on Azure this is `anthropic`.
        model: id of the model in the price book, `None` when it is unknown.
        match: how the model's name was found; `prefix` says that only the family matched.
        reason: why the price is unknown.
        computed_nanos: our own figure, where the provider stated the cost and that one won.
        also: costs of what was billed on top, each at its own model's rates; `nanos` includes them.
        calls: how many requests the usage is the sum of.
    """

    nanos: int | None
    price_version: str
    provider: str | None = None
    model: str | None = None
    match: Match = "none"
    unpriced: tuple[str, ...] = ()
    reason: str | None = None
    computed_nanos: int | None = None
    price: ModelPrice | None = None
    usage: Usage | None = None
    also: tuple[Cost, ...] = ()
    calls: int = 1

    def __repr__(self) -> str:
        """Show the amount and whose price it is, or why there is none."""
        shown = {"total": self.total, "provider": self.provider, "model": self.model, "unpriced": self.unpriced,
                 "reason": self.reason, "price_version": self.price_version}  # fmt: skip
        return f"Cost({', '.join(f'{name}={value!r}' for name, value in shown.items() if value or name == 'total')})"

    def plus(self, others: tuple[Cost, ...]) -> Cost:
        """This cost with what was billed on top; unknown as soon as one of them is."""
        parts = [self.nanos, *(other.nanos for other in others)]
        computed = [self.computed_nanos, *(other.computed_nanos for other in others)]
        unpriced = dict.fromkeys([*self.unpriced, *(name for other in others for name in other.unpriced)])
        reason = next((cost.reason for cost in (self, *others) if cost.nanos is None), None)
        return msgspec.structs.replace(
            self,
            nanos=None if None in parts else sum(nanos or 0 for nanos in parts),
            computed_nanos=None if None in computed else sum(nanos or 0 for nanos in computed),
            unpriced=tuple(unpriced),
            reason=reason,
            also=others,
        )

    @property
    def total(self) -> Decimal | None:
        """US dollars, or `None` when the price is unknown."""
        return None if self.nanos is None else usd(self.nanos)

    @property
    def difference(self) -> Decimal | None:
        """What the provider stated above (or, negative, below) our own figure, in US dollars; `None` without both."""
        if self.nanos is None or self.computed_nanos is None:
            return None
        return usd(self.nanos - self.computed_nanos)

    @property
    def items(self) -> tuple[CostItem, ...]:
        """The cost line by line, before the one rounding; our own figure's lines where the provider stated the cost."""
        own = self.price.items(self.usage, self.calls) if self.price is not None and self.usage is not None else ()
        return own + tuple(item for other in self.also for item in other.items)
