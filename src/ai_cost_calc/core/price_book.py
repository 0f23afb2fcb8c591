"""An immutable, versioned set of prices: finds a model by its name, and prices what was used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import msgspec

from ai_cost_calc.core.matching import (
    SEARCHING,
    Clause,
    is_customized,
    plain,
    with_dashed_date,
    without_variant,
)
from ai_cost_calc.core.pricing import Cost, Match, ModelPrice
from ai_cost_calc.core.recent import Recent
from ai_cost_calc.core.terms import ModelTerms, Terms
from ai_cost_calc.core.timetable import DAY, Context, ModelData, Timetable
from ai_cost_calc.core.units import Unit
from ai_cost_calc.core.usage import Usage

NAMES_REMEMBERED: Final = 8_192
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
    """Everything a price book knows, as it is kept.

    Attributes:
        names: the user's own names of models and what they stand for, such as `azure/prod-chat` and `azure/gpt-4o`.
        notes: what the user should know about their own prices, such as a discount on a model that nobody knows.
    """

    version: str
    units: tuple[Unit, ...]
    providers: tuple[ProviderData, ...]
    names: dict[str, str] = {}
    notes: tuple[str, ...] = ()


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

    __slots__ = ("found", "reason", "timetable", "unpriced")

    def __init__(
        self,
        found: PricedModel | None,
        timetable: Timetable | None,
        reason: str | None = None,
        unpriced: tuple[str, ...] = (),
    ) -> None:
        self.found = found
        self.timetable = timetable
        self.reason = reason
        self.unpriced = unpriced


class PriceBook:
    """Prices of models at any time. Immutable; threads may share it.

    Args:
        snapshot: the prices.
        spellings: how names are read.
        terms: what sellers charge beyond the snapshot; nothing when left out.
    """

    def __init__(self, snapshot: Snapshot, spellings: Spellings = as_it_stands, terms: Terms | None = None) -> None:
        self.version = snapshot.version if terms is None else f"{snapshot.version}.{terms.edition}"
        self.notes = snapshot.notes
        self._units = {unit.name: unit for unit in snapshot.units}
        self._terms = terms
        more = {} if terms is None else terms.models
        self._providers = {
            provider.id: _Provider(provider, self._units, more.get(provider.id, ())) for provider in snapshot.providers
        }
        self._spellings = spellings
        self._timetables: dict[tuple[str, str, str], Timetable] = {}
        self._entries: Recent[tuple[str | None, str | None], _Entry] = Recent(NAMES_REMEMBERED)
        self._dearest: Recent[tuple[str, int], Fraction | None] = Recent(NAMES_REMEMBERED)

    def price(
        self, usage: Usage, *, provider: str | None, model: str | None, at: float, context: Context | None = None,
        calls: int = 1,
    ) -> Cost:  # fmt: skip
        """What a usage costs. Never raises: an unknown model gives a cost of `None`, with the reason.

        Args:
            usage: what was used.
            provider: such as `openai`; `None` where the model's name says it.
            model: as the provider names it, or a slug such as `openai/gpt-4o`.
            at: when the call was made, in unix seconds.
            context: what the rate depends on, in the words of genai-prices: `service_tier`, `processing`, `speed`, ….
            calls: how many requests the usage is the sum of.
        """
        entry = self._entries.get((provider, model)) or self._enter(provider, model)
        found, timetable = entry.found, entry.timetable
        if found is None or timetable is None:
            return Cost(nanos=None, price_version=self.version, reason=entry.reason, usage=usage)
        price = timetable.at(at, context)
        if not price.rates and timetable.data.own:
            reason = f"no price of {found.id!r} is in force at this time"
            return Cost(nanos=None, price_version=self.version, reason=reason, usage=usage)
        nanos, unpriced = price.priced(usage, calls)
        nothing = unpriced and not nanos and bool(usage) and not price.items(usage, calls)
        if entry.unpriced:
            unpriced += entry.unpriced
        return Cost(
            nanos=None if nothing else nanos,
            reason=f"no rate of {found.id!r} is for {', '.join(unpriced)}" if nothing else None,
            price_version=self.version,
            provider=found.provider,
            model=found.id,
            match=found.match,
            unpriced=unpriced,
            price=price,
            usage=usage,
            calls=calls,
        )

    def find(self, provider: str | None, model: str | None) -> PricedModel | None:
        """The model that this name means, or `None`."""
        return (self._entries.get((provider, model)) or self._enter(provider, model)).found

    def rates(
        self, provider: str | None, model: str | None, at: float, context: Context | None = None
    ) -> ModelPrice | None:
        """The rates of a model at this time (unix seconds) and in this context, or `None` when it is unknown."""
        timetable = (self._entries.get((provider, model)) or self._enter(provider, model)).timetable
        if timetable is None:
            return None
        price = timetable.at(at, context)
        return price if price.rates or not timetable.data.own else None

    def data_of(self, provider: str | None, model: str | None) -> ModelData | None:
        """Everything that is kept of the model that this name means, or `None`."""
        timetable = (self._entries.get((provider, model)) or self._enter(provider, model)).timetable
        return None if timetable is None else timetable.data

    def provider_id(self, name: str) -> str | None:
        """The id of the provider that goes by this name, or `None`."""
        found = self._provider(name)
        return None if found is None else found.data.id

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
        yield from (_described(provider, data, "exact") for provider, data in self.catalogue())

    def catalogue(self) -> Iterator[tuple[str, ModelData]]:
        """Everything that is kept of every model, with the id of its provider."""
        for provider in self._providers.values():
            yield from ((provider.data.id, data) for data in provider.models if data.listed_by is None)

    def terms_of(self, provider: str | None, model: str | None) -> ModelTerms | None:
        """What the seller of this model charges beyond its rates; `None` where nothing is known of either."""
        timetable = (self._entries.get((provider, model)) or self._enter(provider, model)).timetable
        return None if timetable is None else timetable.terms

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
                seller, owner, data, match = hit
                found = _described(owner, data, _less_sure(match, model, candidate[1]))
                unpriced = ("web_searches",) if model.lower().endswith(SEARCHING) else ()
                return _Entry(found, self._timetable(seller, owner, data), unpriced=unpriced)
        return _Entry(None, None, self._reason(provider, model))

    def _match(self, provider: str | None, model: str) -> tuple[str, str, ModelData, Match] | None:
        """Who sells what this name means, whose price it is, its rates, and how sure that is."""
        name = model.lower()
        known = self._family(name) if provider is None else self._provider(provider)
        if known is None:
            return None
        for spelled in dict.fromkeys((name, with_dashed_date(name))):
            for served in self._serving(known):
                data = served.match(spelled)
                if data is not None and is_customized(data.id) >= is_customized(spelled):
                    return known.data.id, data.listed_by or served.data.id, data, _grade(data, spelled)
        return None

    def _timetable(self, seller: str, owner: str, data: ModelData) -> Timetable:
        """The rates of a model on its seller's terms; one for all the names that lead to it."""
        key = (seller, owner, data.id)
        timetable = self._timetables.get(key)
        if timetable is None:
            terms = None if self._terms is None else self._terms.of(seller, data.id)
            timetable = self._timetables.setdefault(key, Timetable(data, self._units, terms))
        return timetable

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
        if is_customized(model.lower()):
            return (
                f"{self.version} has no rates for {model!r}: it is fine-tuned or customized, and what its base model "
                "costs may not hold for it"
            )
        if provider is not None and self._provider(provider) is None:
            return f"{self.version} does not know the provider {provider!r}"
        said, name = next(iter(self._spellings(provider, model)))
        known = self._family(name.lower()) if said is None else self._provider(said)
        if known is None:
            return f"{self.version} does not know {model!r}, nor whose model it is: give a provider"
        return (
            f"{self.version} knows {known.data.id} but has no price for {model!r}; if that is a name of your own, "
            "say with model_map which model it stands for"
        )


class _Provider:
    """One provider; its models are decoded when first asked for.

    Args:
        more: models that it has besides those of the snapshot.
    """

    __slots__ = ("_models", "_more", "_units", "data")

    def __init__(self, data: ProviderData, units: Mapping[str, Unit], more: tuple[ModelData, ...]) -> None:
        self.data = data
        self._units = units
        self._more = more
        self._models: tuple[ModelData, ...] | None = None

    @property
    def models(self) -> tuple[ModelData, ...]:
        if self._models is None:
            models = _MODELS.decode(self.data.models)
            known = {model.id for model in models}
            self._models = (*models, *(model for model in self._more if model.id not in known))
        return self._models

    def is_called(self, name: str) -> bool:
        return self.data.names is not None and self.data.names.matches(name)

    def has_family_of(self, model: str) -> bool:
        return self.data.families is not None and self.data.families.matches(model)

    def match(self, name: str) -> ModelData | None:
        """The model that a name means; its id means it too, although genai-prices' rules do not always say so."""
        by_rule = next((model for model in self.models if model.match.matches(name)), None)
        return by_rule or next((model for model in self.models if model.id.lower() == name), None)

    def dearest(self, at: float) -> Fraction:
        prices = [
            rate.highest() / self._units[name].per
            for model in self.models
            for price in model.prices_of_day(at)
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
    if is_customized(name):
        return "alias"  # rates of fine-tuned models are given by what their names begin with
    known = {plain(text) for text in (data.id.lower(), *data.match.texts())}
    return "alias" if plain(name) in known else "prefix"


def _less_sure(match: Match, asked: str, spelled: str) -> Match:
    """A name that had to be spelled otherwise is another name; without its variant it is only the family's."""
    if without_variant(asked) != asked and without_variant(spelled) == spelled:
        return "prefix"
    return "alias" if match == "exact" and spelled != asked else match
