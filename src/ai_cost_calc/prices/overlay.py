"""Lays the user's own prices over a snapshot: what they state wins, and everything else stays as it is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, Inexact
from fnmatch import fnmatchcase
from itertools import combinations, islice
from typing import Final

import msgspec

from ai_cost_calc.core.matching import Clause
from ai_cost_calc.core.price_book import PriceBook, ProviderData, Snapshot
from ai_cost_calc.core.timetable import ModelData, PriceData, RateData, rate_text
from ai_cost_calc.core.units import Unit
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices.context import CONTEXT_NAMES
from ai_cost_calc.prices.slugs import read_with
from ai_cost_calc.prices.terms import TERMS

_EXACT: Final = Context(prec=200, traps=[Inexact])
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[ModelData])
_COUNTED: Final = frozenset({*Usage.__struct_fields__, "requests"})


class OwnPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Rates that the user states for one model: a contract, or a model that nobody else knows.

    Attributes:
        rates: by name; those that are not named stay as they are listed.
        start, until: the first second (unix) from which they apply, and at which they no longer do.
        when: the context that a call must have; rates without one apply to calls at standard rates.
        place: file, line and field, for errors.
    """

    provider: str
    model: str
    rates: dict[str, RateData]
    start: int | None = None
    until: int | None = None
    when: dict[str, str] = {}
    name: str | None = None
    context_window: int | None = None
    place: str = ""


class Discount(msgspec.Struct, frozen=True, kw_only=True):
    """A percentage off listed rates.

    Attributes:
        provider: whose models; anybody's when `None`.
        model: a name, or a pattern with `*`; all models when `None`.
        percent: off; below zero it is a surcharge.
        only: names of the rates it is on; all when empty.
    """

    percent: Decimal
    provider: str | None = None
    model: str | None = None
    only: tuple[str, ...] = ()
    start: int | None = None
    until: int | None = None
    place: str = ""

    @property
    def rank(self) -> int:
        """How closely it says what it is for: of two that meet, the closer one counts."""
        if self.model is None:
            return 0
        return (1 if _is_pattern(self.model) else 2) * 2 + (self.provider is not None)

    def of(self, price: PriceData) -> PriceData | None:
        """Listed rates as they are with this discount, while both apply; `None` where they never do together."""
        start = max((edge for edge in (self.start, price.start) if edge is not None), default=None)
        until = min((edge for edge in (self.until, price.until) if edge is not None), default=None)
        if start is not None and until is not None and start >= until:
            return None
        rates = {
            name: self._off(rate) if not self.only or name in self.only else rate for name, rate in price.rates.items()
        }
        return msgspec.structs.replace(price, rates=rates, start=start, until=until)

    def _off(self, rate: RateData) -> RateData:
        return RateData(self._less(rate.base), tuple((above, self._less(price)) for above, price in rate.tiers))

    def _less(self, amount: str) -> str:
        share = _EXACT.scaleb(_EXACT.subtract(Decimal(100), self.percent), -2)
        return rate_text(_EXACT.multiply(Decimal(amount), share))


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a file of own prices states."""

    prices: tuple[OwnPrice, ...] = ()
    discounts: tuple[Discount, ...] = ()
    names: dict[str, str] = {}


class _Model:
    """One model of a provider while its prices are being put together."""

    def __init__(self, data: ModelData, origin: str) -> None:
        self.data = data
        self.origin = origin
        self.own: list[OwnPrice] = []
        self.discounts: list[Discount] = []

    def result(self, provider: str, units: Mapping[str, Unit]) -> ModelData:
        """The model, with its discounts and the user's rates, as this provider sells it."""
        if not self.own and not self.discounts:
            listed_by = None if self.origin == provider else self.origin
            return msgspec.structs.replace(self.data, listed_by=listed_by)
        data = self._discounted(_fees(provider, self.data.id)) if self.discounts else self.data
        special = [_variant(price) for price in reversed(self.own) if price.when]
        standard = [_variant(price) for price in reversed(self.own) if not price.when]
        known = {name for price in (*data.prices, *data.variants) for name in price.rates}
        known.update(name for price in self.own for name in price.rates)
        for price in self.own:
            _check_parts(price, known, units)
        newest = self.own[-1:]
        return msgspec.structs.replace(
            data,
            variants=(*special, *data.variants, *standard),
            name=next((price.name for price in newest if price.name), data.name),
            context_window=next(
                (price.context_window for price in newest if price.context_window), data.context_window
            ),
        )

    def _discounted(self, fees: Mapping[str, RateData]) -> ModelData:
        """Discounted rates stand behind the listed ones, and before listed variants: so they win while they apply."""
        listed = [msgspec.structs.replace(price, rates={**fees, **price.rates}) for price in self.data.prices]
        prices, variants = list(self.data.prices), list(self.data.variants)
        for discount in sorted(self.discounts, key=lambda discount: discount.rank):
            first, *others = listed
            whatever = PriceData(first.rates)  # the first price also applies where no other does
            prices += filter(None, map(discount.of, [whatever, *others]))
            variants = [*filter(None, map(discount.of, self.data.variants)), *variants]
        return msgspec.structs.replace(self.data, prices=tuple(prices), variants=tuple(variants))


def _fees(provider: str, model: str) -> dict[str, RateData]:
    """What the provider charges for every call of a model beside its rates, such as web searches."""
    return {fee.count: RateData(fee.usd_per_1000) for fee in TERMS.of(provider, model).fees if not fee.context}


def rate_names(snapshot: Snapshot) -> list[str]:
    """What a rate can be for: everything that a usage counts and that has a unit."""
    return [unit.name for unit in snapshot.units if unit.name in _COUNTED]


def overlaid(base: Snapshot, overlay: Overlay, version: str) -> Snapshot:
    """A snapshot with the user's own prices in it.

    Raises:
        ConfigError: a rate is for a part of something that has no rate itself; the message says where.
    """
    composed = _Composition(base, overlay)
    return composed.snapshot(version)


class _Composition:
    """Puts a snapshot and an overlay together."""

    def __init__(self, base: Snapshot, overlay: Overlay) -> None:
        self._base = base
        self._overlay = overlay
        self._book = PriceBook(base, read_with({}), TERMS)
        self._listed = {provider.id: provider for provider in base.providers}
        self._notes: list[str] = []
        self._changed = {self._provider_id(price.provider) for price in overlay.prices}
        for discount in overlay.discounts:
            self._changed |= {self._provider_id(discount.provider)} if discount.provider else self._listed.keys()
        self._models = {name: list(self._serving(name)) for name in self._changed | self._dependent()}

    def snapshot(self, version: str) -> Snapshot:
        for price in self._overlay.prices:
            self._model(price).own.append(price)
        for discount in self._overlay.discounts:
            self._apply(discount)
        units = {unit.name: unit for unit in self._base.units}
        new = [name for name in self._models if name not in self._listed and self._models[name]]
        providers = [*(ProviderData(name, (), None, None, msgspec.Raw(b"")) for name in new), *self._base.providers]
        made = Snapshot(
            version,
            self._base.units,
            tuple(self._provider(provider, units) for provider in providers),
            self._overlay.names,
        )
        return msgspec.structs.replace(made, notes=(*self._notes, *self._unknown_contexts(), *_unknown_names(made)))

    def _unknown_contexts(self) -> Iterator[str]:
        variants = [variant for model in self._book.catalogue() for variant in model[1].variants]
        known = CONTEXT_NAMES.union(*(variant.context for variant in variants))
        for price in self._overlay.prices:
            for name in price.when.keys() - known:
                yield f"{price.place}: no response says its {name!r}; known are {', '.join(sorted(known))}"

    def _provider_id(self, name: str) -> str:
        return self._book.provider_id(name) or name.lower()

    def _dependent(self) -> set[str]:
        """Providers that serve models of changed ones: they have contracts of their own, so listed prices stay."""
        return {provider.id for provider in self._base.providers if self._changed.intersection(provider.fallbacks)}

    def _serving(self, name: str) -> Iterator[_Model]:
        provider = self._listed.get(name)
        if provider is None:
            return
        for origin in (name, *provider.fallbacks):
            if origin in self._listed:
                data = [*_DECODER.decode(self._listed[origin].models), *TERMS.models.get(origin, ())]
                yield from (_Model(one, origin) for one in data)

    def _provider(self, provider: ProviderData, units: Mapping[str, Unit]) -> ProviderData:
        models = self._models.get(provider.id)
        if models is None:
            return provider
        encoded = msgspec.Raw(_ENCODER.encode([model.result(provider.id, units) for model in models]))
        own = [Clause("equals", model.data.id.lower()) for model in models if model.data.own]
        families = Clause("or", of=(*own, *filter(None, [provider.families]))) if own else provider.families
        return msgspec.structs.replace(provider, fallbacks=(), families=families, models=encoded)

    def _model(self, price: OwnPrice) -> _Model:
        """The model that rates are for; one that only the user knows is made, and found before all others."""
        provider = self._provider_id(price.provider)
        models = self._models[provider]
        own = next((model for model in models if model.data.own and _called(model.data, price.model)), None)
        if own is not None:
            return own
        found = self._book.find(provider, price.model)
        if found is not None and found.match != "prefix":
            meant = (found.provider, found.id)
            listed = next((model for model in models if (model.origin, model.data.id) == meant), None)
            if listed is not None:
                return listed
        made = ModelData(price.model, Clause("equals", price.model.lower()), (PriceData({}),), own=True)
        models.insert(0, _Model(made, provider))
        return models[0]

    def _apply(self, discount: Discount) -> None:
        names = [self._provider_id(discount.provider)] if discount.provider else list(self._listed)
        meant = [model for name in names for model in _meant(discount.model, self._models.get(name, ()))]
        for model in meant:
            model.discounts.append(discount)
        if not meant:
            what = "/".join(part for part in (discount.provider, discount.model) if part)
            self._notes.append(f"{discount.place}: no model is called {what}, so this discount is on nothing")


def _is_pattern(name: str) -> bool:
    return "*" in name


def _called(data: ModelData, name: str) -> bool:
    return data.id.lower() == name.lower()


def _meant(name: str | None, models: Sequence[_Model]) -> Iterator[_Model]:
    """The models of one provider that a discount is for."""
    if name is None:
        yield from models
    elif _is_pattern(name):
        yield from (model for model in models if fnmatchcase(model.data.id.lower(), name.lower()))
    else:
        named = (model for model in models if _called(model.data, name) or model.data.match.matches(name.lower()))
        yield from islice(named, 1)


def _variant(price: OwnPrice) -> PriceData:
    return PriceData(price.rates, price.start, None, price.when, price.until)


def _check_parts(price: OwnPrice, known: set[str], units: Mapping[str, Unit]) -> None:
    """A part is taken out of its total, so both need a rate; so does what two parts have in common."""
    for name in price.rates:
        missing = [other for other, unit in units.items() if other not in known and unit.includes(units[name])]
        if missing:
            raise ConfigError(f"{price.place}: {name} is a part of {missing[0]}, which has no rate; state it too")
    for one, other in combinations(sorted(known & units.keys()), 2):
        shared = _shared(units[one], units[other], units)
        if shared is not None and shared not in known and {one, other} & price.rates.keys():
            raise ConfigError(f"{price.place}: {one} and {other} have {shared} in common; state its rate too")


def _shared(one: Unit, other: Unit, units: Mapping[str, Unit]) -> str | None:
    """What counts as both of two units, where neither is a part of the other."""
    if one.includes(other) or other.includes(one):
        return None
    both = {**one.dimensions, **other.dimensions}
    if both != {**other.dimensions, **one.dimensions}:
        return None
    return next((name for name, unit in units.items() if unit.dimensions == both and name in _COUNTED), None)


def _unknown_names(snapshot: Snapshot) -> list[str]:
    book = PriceBook(snapshot, read_with({}), TERMS)
    return [
        f"the alias {name!r} means {target}, which has no price"
        for name, target in snapshot.names.items()
        if book.find(None, target) is None
    ]
