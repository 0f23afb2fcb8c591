"""Reads price data as genai-prices publishes it, and refuses what cannot be prices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec
from genai_prices import types
from pydantic import ValidationError

from ai_cost_calc.core.matching import Clause
from ai_cost_calc.core.price_book import ProviderData, Snapshot
from ai_cost_calc.core.timetable import ModelData
from ai_cost_calc.errors import PriceDataError
from ai_cost_calc.prices.compile import compile_snapshot

_MOST_USD: Final = 10**7
_MOST_DIGITS: Final = 40
_LONGEST_PATTERN: Final = 500
_REPEATED_REPEAT: Final = re.compile(r"\([^()]*[*+}][^()]*\)[*+{]")
"""`(a+)+` and its like, which can take for ever on a long name."""
_MODELS: Final = msgspec.msgpack.Decoder(list[ModelData])


def read_fetched(body: bytes, version: str) -> Snapshot:
    """Compile price data.

    The parsing is genai-prices' own: `types._providers_from_raw`, which its `UpdatePrices.fetch` uses and which has no
    public name. `fetch` itself does not do, since it goes to the network unbounded and reads rates as floats.

    Raises:
        PriceDataError: it is no price data, or there is something in it that cannot be a price.
    """
    raw = _decoded(body)
    for provider in raw:
        if isinstance(provider, dict):
            provider.pop("extractors", None)  # how usage is read: ours is read otherwise
    try:
        providers = types._providers_from_raw(raw)  # noqa: SLF001 - see above
        snapshot = compile_snapshot(version, providers)
    except ValidationError as exc:
        raise PriceDataError(f"this is no price data of genai-prices: {_first(exc)}") from exc
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as exc:
        raise PriceDataError(f"this is no price data of genai-prices: {exc}") from exc
    _check(snapshot)
    return snapshot


def _decoded(body: bytes) -> list[Any]:
    try:
        raw = json.loads(body, parse_float=_exact, parse_constant=_refused)
    except (ValueError, RecursionError, UnicodeDecodeError) as exc:
        start = body[:40].decode("utf-8", "replace").strip()
        raise PriceDataError(f"this is no JSON ({exc}); it begins with {start!r}") from exc
    if not isinstance(raw, list):
        raise PriceDataError("this is no price data: a list of providers was expected")
    return raw


def _exact(text: str) -> Decimal:
    """Numbers never become floats, and none that would take all memory gets in."""
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if len(text) > _MOST_DIGITS or not isinstance(exponent, int) or abs(exponent) > _MOST_DIGITS:
        raise ValueError(f"{text[:_MOST_DIGITS]!r} is no amount of money")
    return number


def _refused(text: str) -> Decimal:
    raise ValueError(f"{text} is no number")


def _first(error: ValidationError) -> str:
    """The first thing that is wrong; text of the data itself is left out."""
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"


def _check(snapshot: Snapshot) -> None:
    """Refuse what the parser lets through."""
    names = [provider.id for provider in snapshot.providers]
    if len(set(names)) < len(names):
        raise PriceDataError("two providers have the same id")
    models = 0
    for provider in snapshot.providers:
        for rule in (provider.names, provider.families):
            _check_patterns(rule, provider.id)
        for model in _MODELS.decode(provider.models):
            models += 1
            _check_model(model, provider)
    if not models:
        raise PriceDataError("there is no model in it")


def _check_model(model: ModelData, provider: ProviderData) -> None:
    name = f"{provider.id}/{model.id}"
    _check_patterns(model.match, name)
    if not model.prices:
        raise PriceDataError(f"{name} has no prices")
    for amount in _amounts(model):
        if not amount.is_finite() or not 0 <= amount <= _MOST_USD or len(amount.as_tuple().digits) > _MOST_DIGITS:
            raise PriceDataError(f"{name} has a rate of {amount:.20g}")


def _amounts(model: ModelData) -> Iterator[Decimal]:
    for price in (*model.prices, *model.variants):
        for rate in price.rates.values():
            yield Decimal(rate.base)
            yield from (Decimal(tier) for _, tier in rate.tiers)


def _check_patterns(rule: Clause | None, name: str) -> None:
    if rule is None:
        return
    for part in rule.of:
        _check_patterns(part, name)
    if rule.op == "regex":
        try:
            re.compile(rule.text)
        except (re.error, RecursionError, OverflowError) as exc:
            raise PriceDataError(f"{name} has a pattern that is none: {exc}") from exc
        if len(rule.text) > _LONGEST_PATTERN or _REPEATED_REPEAT.search(rule.text):
            raise PriceDataError(f"{name} has a pattern that could take for ever: {rule.text[:80]!r}")
