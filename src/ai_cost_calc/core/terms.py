"""What sellers charge beyond a model's rates: fees for tools, and what a context does to the rates.

Terms complete a snapshot of prices, they never overrule it: a rate that the snapshot has for a count, or for a context
at that time, stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from ai_cost_calc.core.timetable import ModelData

_MOST_OF_A_MARK: Final = 64
"""Characters of a mark; what a context says comes from responses, so it has no natural length."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """What every term says.

    Attributes:
        sellers: ids of providers that charge so, whoever made the model.
        models: pattern for the whole id of a model in the snapshot.
        context: what a request's context must say, as `name:pattern` (`processing:batch`); empty for every request.
        since: the first day (UTC) on which it is known to hold, as `2026-02-05`; empty where no beginning is known.
        source: the page that says so, and the month in which it was read.
    """

    sellers: tuple[str, ...]
    source: str
    models: str = ".*"
    context: str = ""
    since: str = ""

    @property
    def start(self) -> float | None:
        """The first second (unix) at which it holds, or `None`."""
        return datetime.fromisoformat(self.since).replace(tzinfo=UTC).timestamp() if self.since else None

    def is_for(self, seller: str, model: str) -> bool:
        """Whether it holds for this model (an id) at this seller."""
        return seller in self.sellers and re.fullmatch(self.models, model) is not None

    def holds(self, at: float) -> bool:
        """Whether it holds at this time (unix seconds)."""
        start = self.start
        return start is None or at >= start

    def answers(self, name: str, value: str) -> bool:
        """Whether it is about a context that says this."""
        own, _, pattern = self.context.partition(":")
        return own == name and re.fullmatch(pattern, value) is not None


class Fee(Term, frozen=True, kw_only=True):
    """US dollars for a thousand of one count, such as web searches.

    Without a context it fills in where the snapshot has no rate for the count; with one it replaces that rate.
    """

    count: str
    usd_per_1000: str

    @property
    def each(self) -> Fraction:
        """US dollars for one."""
        return Fraction(self.usd_per_1000) / 1_000


class Multiplier(Term, frozen=True, kw_only=True):
    """What a context does to the rates of tokens: all of them times `factor`; `1` says that it changes nothing.

    Attributes:
        factor: as decimal text.
        spares: beginnings of counts whose rates stay what they are.
    """

    factor: str
    spares: tuple[str, ...] = ()

    def times(self, count: str) -> Fraction:
        """What the rate of this count is multiplied by."""
        return Fraction(1) if self.spares and count.startswith(self.spares) else Fraction(self.factor)


class Applied(NamedTuple):
    """The terms of one request.

    Attributes:
        unknown: what the context says that nobody has told the price of, as `name:value`.
    """

    fees: tuple[Fee, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    unknown: tuple[str, ...] = ()


class ModelTerms:
    """The terms of one model at one seller."""

    __slots__ = ("_standard", "fees", "multipliers")

    def __init__(
        self, fees: Iterable[Fee], multipliers: Iterable[Multiplier], standard: Mapping[str, Collection[str]]
    ) -> None:
        self.fees = tuple(sorted(fees, key=lambda fee: fee.context != ""))  # those that replace come last
        self.multipliers = tuple(multipliers)
        self._standard = standard

    def edges(self) -> Iterator[float]:
        """Times at which a term begins to hold."""
        yield from (start for term in (*self.fees, *self.multipliers) if (start := term.start) is not None)

    def applied(self, at: float, context: Mapping[str, str], priced: Collection[tuple[str, str]]) -> Applied:
        """What holds for a request.

        Args:
            at: unix seconds.
            context: what the request's price depends on.
            priced: what of it the snapshot itself has rates for.
        """
        multipliers, unknown = [], []
        for name, value in context.items():
            if (name, value) in priced or value in self._standard.get(name, ()):
                continue
            answers = [term for term in self.multipliers if term.holds(at) and term.answers(name, value)]
            multipliers += answers[-1:]
            if not answers and not any(fee.answers(name, value) for fee in self.fees):
                unknown.append(f"{name}:{value}"[:_MOST_OF_A_MARK])
        fees = [fee for fee in self.fees if fee.holds(at) and _asked_for(fee, context)]
        return Applied(tuple(fees), tuple(multipliers), tuple(unknown))


def _asked_for(fee: Fee, context: Mapping[str, str]) -> bool:
    return not fee.context or any(fee.answers(name, value) for name, value in context.items())


class Terms:
    """All terms.

    Args:
        fees: the last that holds wins.
        multipliers: of those about the same context the last that holds wins; those of different contexts multiply.
        standard: for each name in a context, the values that cost nothing extra anywhere.
        models: by provider, models that the snapshot does not have.
    """

    def __init__(
        self,
        fees: Iterable[Fee] = (),
        multipliers: Iterable[Multiplier] = (),
        standard: Mapping[str, Collection[str]] | None = None,
        models: Mapping[str, tuple[ModelData, ...]] | None = None,
    ) -> None:
        self._fees = tuple(fees)
        self._multipliers = tuple(multipliers)
        self._standard = standard or {}
        self.models = models or {}

    def of(self, seller: str, model: str) -> ModelTerms:
        """The terms of one model (an id) at one seller (an id)."""
        return ModelTerms(
            (fee for fee in self._fees if fee.is_for(seller, model)),
            (term for term in self._multipliers if term.is_for(seller, model)),
            self._standard,
        )

    @cached_property
    def edition(self) -> str:
        """A name for exactly these terms, for the version of prices computed with them."""
        standard = sorted((name, *sorted(values)) for name, values in self._standard.items())
        said = repr((self._fees, self._multipliers, standard, sorted(self.models.items())))
        return sha256(said.encode()).hexdigest()[:8]
