"""Turns the data of genai-prices into a `Snapshot`; importing it takes long, so only where no snapshot is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

import msgspec
from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_units import unit_data

from ai_cost_calc.core.matching import Clause, Op
from ai_cost_calc.core.price_book import ProviderData, Snapshot
from ai_cost_calc.core.timetable import DAY, ModelData, PriceData, RateData, rate_text
from ai_cost_calc.core.units import Unit

_MINIMUM_SECONDS: Final = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}
"""Groq bills at least ten seconds a request (console.groq.com/docs/speech-to-text); genai-prices has it in its code."""

_FREE: Final = ":free"
"""How OpenRouter's models end that are "without cost" (openrouter.ai/docs, "Free variant", 2026-11); genai-prices lists
them without a rate."""

_UNITS: Final = {
    raw.get("price_key", name): Unit(name, raw["per"], dict(raw["dimensions"])) for name, raw in unit_data.items()
}
_ENCODER: Final = msgspec.msgpack.Encoder()


def compile_snapshot(version: str, data: Iterable[types.Provider] = providers) -> Snapshot:
    """Compile the prices of the installed genai-prices, or others that it has read."""
    return Snapshot(version, tuple(_UNITS.values()), tuple(_provider(provider) for provider in data))


def _provider(provider: types.Provider) -> ProviderData:
    models = [_model(provider.id, model) for model in provider.models]
    return ProviderData(
        id=provider.id,
        fallbacks=tuple(provider.fallback_model_providers or ()),
        names=_clause(provider.provider_match),
        families=_clause(provider.model_match),
        models=msgspec.Raw(_ENCODER.encode(models)),
    )


def _model(provider: str, model: types.ModelInfo) -> ModelData:
    standard = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    variants = [_price(variant.prices, variant.constraint, variant.when) for variant in model.price_variants or ()]
    prices = [_price(price.prices, price.constraint) for price in standard]
    if model.id.endswith(_FREE):
        prices = [msgspec.structs.replace(price, rates=price.rates or _NOTHING) for price in prices]
    return ModelData(
        id=model.id,
        match=_clause(model.match) or Clause("or"),
        prices=tuple(prices),
        variants=tuple(variants),
        name=model.name,
        context_window=model.context_window,
        minimum_seconds=_MINIMUM_SECONDS.get((provider, model.id), 0),
    )


_NOTHING: Final = {"input_tokens": RateData("0"), "output_tokens": RateData("0")}


def _price(prices: types.ModelPrice, constraint: Any, context: Mapping[str, str] | None = None) -> PriceData:
    given = {key: value for key, value in vars(prices).items() if value is not None and key in _UNITS}
    rates = {_UNITS[key].name: _rate(value) for key, value in given.items()}
    start, daily = _times(constraint)
    return PriceData(rates, start, daily, dict(context or {}))


def _rate(value: Decimal | types.TieredPrices) -> RateData:
    if isinstance(value, types.TieredPrices):
        return RateData(rate_text(value.base), tuple((tier.start, rate_text(tier.price)) for tier in value.tiers))
    return RateData(rate_text(value))


def _times(constraint: Any) -> tuple[int | None, tuple[int, int] | None]:
    if isinstance(constraint, types.StartDateConstraint):
        return _midnight(constraint.start_date), None
    if isinstance(constraint, types.TimeOfDateConstraint):
        return None, (_second(constraint.start_time), _second(constraint.end_time))
    if constraint is not None:
        msg = f"genai-prices has a new kind of constraint: {type(constraint).__name__}"
        raise TypeError(msg)
    return None, None


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _second(value: time) -> int:
    """Seconds after midnight UTC; a time without a timezone is UTC."""
    offset = value.utcoffset()
    local = value.hour * 3_600 + value.minute * 60 + value.second
    return int(local - (offset.total_seconds() if offset else 0)) % DAY


def _clause(rule: Any) -> Clause | None:
    """A matching rule of genai-prices; texts are compared in lower case, patterns as they stand."""
    if rule is None:
        return None
    op: Op = _OPS[type(rule)]
    if op in {"or", "and"}:
        joined = [_clause(clause) for clause in getattr(rule, f"{op}_")]
        return Clause(op, of=tuple(clause for clause in joined if clause is not None))
    text = getattr(rule, op)
    return Clause(op, text if op == "regex" else text.lower())


_OPS: Final[dict[type, Op]] = {
    types.ClauseEquals: "equals",
    types.ClauseStartsWith: "starts_with",
    types.ClauseEndsWith: "ends_with",
    types.ClauseContains: "contains",
    types.ClauseRegex: "regex",
    types.ClauseOr: "or",
    types.ClauseAnd: "and",
}
