"""Prices as people look at them: rates in force, everything that is scheduled, and how two versions differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from ai_cost_calc.core.price_book import PriceBook, Snapshot
from ai_cost_calc.core.terms import Terms
from ai_cost_calc.core.timetable import ModelData, RateData

STANDARD: Final = "standard"

Key = tuple[str, str]
"""A provider and a model, by their ids."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One rate that differs between two versions; `None` where one of them has no such rate."""

    provider: str
    model: str
    context: str
    rate: str
    old: RateData | None
    new: RateData | None

    def widest(self) -> tuple[Decimal, Decimal] | None:
        """Old and new rate at the size of request where they differ most; `None` where one of them is not there."""
        if self.old is None or self.new is None:
            return None
        sizes = [0, *(above + 1 for above, _ in (*self.old.tiers, *self.new.tiers))]
        return max(((self.old.price(size), self.new.price(size)) for size in sizes), key=_distance)

    @property
    def factor(self) -> Decimal | None:
        """How many times as much the new rate is where they differ most; `None` from zero, or where one is missing."""
        pair = self.widest()
        return None if pair is None or not pair[0] else pair[1] / pair[0]

    @property
    def times(self) -> str:
        """The factor for people, to three digits; empty where there is none."""
        factor = self.factor
        return "" if factor is None else f"{Decimal(f'{factor:.3g}'):f}"


def _distance(pair: tuple[Decimal, Decimal]) -> Decimal:
    """How many times the lesser of two rates the greater one is."""
    least, most = sorted(pair)
    if least == most:
        return Decimal(1)
    return most / least if least else Decimal("Infinity")


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """How one version differs from another.

    Attributes:
        rates: rates that differ today, or from a day on that the new version knows of.
        scheduled: models of which only past or future prices differ.
    """

    added: tuple[Key, ...]
    removed: tuple[Key, ...]
    rates: tuple[Change, ...]
    scheduled: tuple[Key, ...]

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed or self.rates or self.scheduled)


def models_of(snapshot: Snapshot, terms: Terms | None = None) -> dict[Key, ModelData]:
    """Every model of a snapshot, and of terms, at its own provider; of two with one id the first."""
    found: dict[Key, ModelData] = {}
    for provider, model in PriceBook(snapshot, terms=terms).catalogue():
        found.setdefault((provider, model.id), model)
    return found


def rates_in_force(model: ModelData, at: float) -> dict[str, dict[str, RateData]]:
    """Rates by name, for calls at standard rates and for each context that has rates of its own."""
    contexts: dict[str, Mapping[str, str]] = {STANDARD: {}}
    contexts |= {context_name(variant.context): variant.context for variant in model.variants}
    return {name: model.rates(model.chosen(at, context)) for name, context in contexts.items()}


def context_name(context: Mapping[str, str]) -> str:
    """`processing=batch`, or `standard`."""
    return " ".join(f"{key}={value}" for key, value in context.items()) or STANDARD


def differences(old: Snapshot, new: Snapshot, at: float) -> Differences:
    """How a new version differs from an old one, as seen at this time (unix seconds)."""
    before, after = models_of(old), models_of(new)
    rates: list[Change] = []
    scheduled: list[Key] = []
    for key in before.keys() & after.keys():
        one, two = before[key], after[key]
        if (one.prices, one.variants) == (two.prices, two.variants):
            continue
        found = list(_changes(key, one, two, at))
        rates += found
        if not found:
            scheduled.append(key)
    return Differences(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        rates=tuple(sorted(rates, key=lambda change: (change.provider, change.model, change.context, change.rate))),
        scheduled=tuple(sorted(scheduled)),
    )


def _changes(key: Key, one: ModelData, two: ModelData, at: float) -> Iterator[Change]:
    """Rates that differ now, or at a later time from which something new holds; each is told once."""
    told: set[tuple[str, str]] = set()
    edges = {edge for price in (*two.prices, *two.variants) for edge in (price.start, price.until) if edge}
    for moment in (at, *sorted(edge for edge in edges if edge > at)):
        before, after = rates_in_force(one, moment), rates_in_force(two, moment)
        for context in (*before, *(name for name in after if name not in before)):
            old = before.get(context, before[STANDARD])
            new = after.get(context, after[STANDARD])
            for rate in (*old, *(name for name in new if name not in old)):
                pair = (old.get(rate), new.get(rate))
                standard = (before[STANDARD].get(rate), after[STANDARD].get(rate))
                if pair[0] != pair[1] and (context == STANDARD or pair != standard) and (context, rate) not in told:
                    told.add((context, rate))
                    yield Change(provider=key[0], model=key[1], context=context, rate=rate, old=pair[0], new=pair[1])
