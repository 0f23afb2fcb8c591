"""An immutable, versioned set of prices: finds a model by its name, and prices what was used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import msgspec

from ai_cost_calc.core.matching import Clause, with_dashed_date, without_version
from ai_cost_calc.core.pricing import Cost, Match, ModelPrice
from ai_cost_calc.core.recent import Recent
from ai_cost_calc.core.timetable import DAY, Context, ModelData, Timetable
from ai_cost_calc.core.units import Unit
from ai_cost_calc.core.usage import Usage

NAMES_REMEMBERED: Final = 2_048
"""How many names of models are looked up only once."""

Candidate = tuple[str | None, str]
"""A provider, if one is named, and a model."""
Spellings = Callable[[str | None, str], Iterable[Candidate]]
"""The ways to read a provider and a model, in the order in which they are tried."""


def as_it_stands(provider: str | None, model: str) -> Iterable[Candidate]:
    """Read names as they are written, and no other way."""
    return ((provider, model),)


class ProviderData(msgspec.Struct, frozen=True, array_like=True):
    """One provider as it is kept.

    Attributes:
        fallbacks: providers whose models it serves too, tried in this order.
        names: which names mean this provider, besides its id.
        families: which names of models mean this provider when none is named.
        models: its `ModelData`s, encoded: most providers are never asked for, so they are decoded when first used.
    """

    id: str
    fallbacks: tuple[str, ...]
    names: Clause | None
    families: Clause | None
    models: msgspec.Raw


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """Everything a price book knows, as it is kept."""

    version: str
    units: tuple[Unit, ...]
    providers: tuple[ProviderData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedModel:
    """A model that a price book knows.

    Attributes:
        provider: whose price it is; for Claude on Azure this is `anthropic`.
        id: the model's id in the price book.
        name: what people call it.
        context_window: how many input tokens it takes at most.
        match: how the name that was asked for led here (see `Match`).
    """

    provider: str
    id: str
    name: str | None
    context_window: int | None
    match: Match


class _Entry:
    """What one name led to."""

    __slots__ = ("found", "reason", "timetable")

    def __init__(self, found: PricedModel | None, timetable: Timetable | None, reason: str | None = None) -> None:
        self.found = found
        self.timetable = timetable
        self.reason = reason


class PriceBook:
    """Prices of models at any time. Immutable; threads may share it.

    Args:
        snapshot: the prices.
        spellings: how names are read.
    """

    def __init__(self, snapshot: Snapshot, spellings: Spellings = as_it_stands) -> None:
        self.version = snapshot.version
        units = {unit.name: unit for unit in snapshot.units}
        self._units = units
        self._providers = {provider.id: _Provider(provider, units) for provider in snapshot.providers}
        self._spellings = spellings
        self._entries: Recent[tuple[str | None, str | None], _Entry] = Recent(NAMES_REMEMBERED)
        self._dearest: Recent[tuple[str, int], Fraction | None] = Recent(NAMES_REMEMBERED)

    def price(
        self, usage: Usage, *, provider: str | None, model: str | None, at: float, context: Context | None = None
    ) -> Cost:
        """What a usage costs. Never raises: an unknown model gives a cost of `None`, with the reason.

        Args:
            usage: what was used.
            provider: such as `openai`; `None` where the model's name says it.
            model: as the provider names it, or a slug such as `openai/gpt-4o`.
            at: when the call was made, in unix seconds.
            context: what the rate depends on, in the words of genai-prices: `service_tier`, `processing`, `speed`, ….
        """
        entry = self._entries.get((provider, model)) or self._enter(provider, model)
        found, timetable = entry.found, entry.timetable
        if found is None or timetable is None:
            return Cost(nanos=None, price_version=self.version, reason=entry.reason, usage=usage)
        price = timetable.at(at, context)
        nanos, unpriced = price.priced(usage)
        return Cost(
            nanos=nanos,
            price_version=self.version,
            provider=found.provider,
            model=found.id,
            match=found.match,
            unpriced=unpriced,
            price=price,
            usage=usage,
        )

    def find(self, provider: str | None, model: str | None) -> PricedModel | None:
        """The model that this name means, or `None`."""
        return (self._entries.get((provider, model)) or self._enter(provider, model)).found

    def rates(
        self, provider: str | None, model: str | None, at: float, context: Context | None = None
    ) -> ModelPrice | None:
        """The rates of a model at this time (unix seconds) and in this context, or `None` when it is unknown."""
        entry = self._entries.get((provider, model)) or self._enter(provider, model)
        return None if entry.timetable is None else entry.timetable.at(at, context)

    def dearest_rate(self, provider: str | None, at: float) -> Fraction | None:
        """The most that any model of this provider, or one it serves for another, charges for a token that day.

        In US dollars, at standard rates; `None` when the provider is unknown. It bounds what a model without a price
        may cost.
        """
        known = None if provider is None else self._provider(provider)
        if known is None:
            return None
        key = (known.data.id, int(at // DAY))
        rate = self._dearest.get(key)
        if rate is None:
            rate = max((served.dearest(at) for served in self._serving(known)), default=Fraction(0)) or None
            self._dearest.put(key, rate)
        return rate

    def models(self) -> Iterator[PricedModel]:
        """Every model of the book."""
        for provider in self._providers.values():
            for timetable in provider.timetables:
                yield _described(provider.data.id, timetable.data, "exact")

    def _enter(self, provider: str | None, model: str | None) -> _Entry:
        entry = self._look_up(provider, model)
        self._entries.put((provider, model), entry)
        return entry

    def _look_up(self, provider: str | None, model: str | None) -> _Entry:
        if not model:
            return _Entry(None, None, "no model was named")
        for candidate in self._spellings(provider, model):
            hit = self._match(*candidate)
            if hit is not None:
                served, timetable, match = hit
                respelled = match == "exact" and candidate != (provider, model)
                return _Entry(_described(served, timetable.data, "alias" if respelled else match), timetable)
        return _Entry(None, None, self._reason(provider, model))

    def _match(self, provider: str | None, model: str) -> tuple[str, Timetable, Match] | None:
        name = model.lower()
        known = self._family(name) if provider is None else self._provider(provider)
        if known is None:
            return None
        for spelled in dict.fromkeys((name, with_dashed_date(name))):
            for served in self._serving(known):
                timetable = served.match(spelled)
                if timetable is not None:
                    return served.data.id, timetable, _grade(timetable.data, spelled)
        return None

    def _provider(self, name: str) -> _Provider | None:
        name = name.lower().strip()
        found = self._providers.get(name)
        if found is not None:
            return found
        return next((known for known in self._providers.values() if known.is_called(name)), None)

    def _family(self, model: str) -> _Provider | None:
        return next((known for known in self._providers.values() if known.has_family_of(model)), None)

    def _serving(self, provider: _Provider) -> Iterator[_Provider]:
        """A provider and those whose models it serves too; theirs are not followed further."""
        yield provider
        for other in provider.data.fallbacks:
            if other in self._providers:
                yield self._providers[other]

    def _reason(self, provider: str | None, model: str) -> str:
        if provider is not None and self._provider(provider) is None:
            return f"{self.version} does not know the provider {provider!r}"
        said, name = next(iter(self._spellings(provider, model)))
        known = self._family(name.lower()) if said is None else self._provider(said)
        if known is None:
            return f"{self.version} does not know {model!r}, nor whose model it is: give a provider"
        return f"{self.version} knows {known.data.id} but has no price for {model!r}"


class _Provider:
    """One provider; its models are decoded when first asked for."""

    __slots__ = ("_timetables", "_units", "data")

    def __init__(self, data: ProviderData, units: Mapping[str, Unit]) -> None:
        self.data = data
        self._units = units
        self._timetables: tuple[Timetable, ...] | None = None

    @property
    def timetables(self) -> tuple[Timetable, ...]:
        if self._timetables is None:
            models = _MODELS.decode(self.data.models)
            self._timetables = tuple(Timetable(model, self._units) for model in models)
        return self._timetables

    def is_called(self, name: str) -> bool:
        return self.data.names is not None and self.data.names.matches(name)

    def has_family_of(self, model: str) -> bool:
        return self.data.families is not None and self.data.families.matches(model)

    def match(self, model: str) -> Timetable | None:
        return next((timetable for timetable in self.timetables if timetable.data.match.matches(model)), None)

    def dearest(self, at: float) -> Fraction:
        prices = [
            rate.highest() / self._units[name].per
            for timetable in self.timetables
            for price in timetable.data.prices_of_day(at)
            for name, rate in price.rates.items()
            if self._units[name].dimensions["family"] == "tokens"
        ]
        return Fraction(max(prices, default=0))


_MODELS: Final = msgspec.msgpack.Decoder(tuple[ModelData, ...])


def _described(provider: str, data: ModelData, match: Match) -> PricedModel:
    return PricedModel(provider=provider, id=data.id, name=data.name, context_window=data.context_window, match=match)


def _grade(data: ModelData, name: str) -> Match:
    """How surely a name means this model: its id, a name it is known by (also with a date or a version), its family."""
    if name == data.id.lower():
        return "exact"
    known = {without_version(text) for text in (data.id.lower(), *data.match.texts())}
    return "alias" if without_version(name) in known else "prefix"
