"""The installed price data in the form that genai-prices publishes it in: JSON of its v2 schema."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, time
from typing import Any

from genai_prices import types
from genai_prices.data import providers

MODELS = sum(len(provider.models) for provider in providers)
"""How many models genai-prices has."""

_MARK = "~decimal~"
_NAMES = {"or_": "or", "and_": "and"}


def published() -> list[dict[str, Any]]:
    """Providers as plain values; change them at will."""
    return [_plain(provider) for provider in providers]


def as_json(data: object) -> bytes:
    """What a server would send; rates are JSON numbers, digit for digit."""
    return json.dumps(data, default=lambda amount: f"{_MARK}{amount}{_MARK}").replace(f'"{_MARK}', "").replace(
        f'{_MARK}"', ""
    ).encode()  # fmt: skip


def models_in(data: list[dict[str, Any]], provider: str) -> list[dict[str, Any]]:
    """The models of one provider."""
    (found,) = (one["models"] for one in data if one["id"] == provider)
    assert isinstance(found, list)
    return found


def model_in(data: list[dict[str, Any]], provider: str, model: str) -> dict[str, Any]:
    """One model."""
    (found,) = (one for one in models_in(data, provider) if one["id"] == model)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, types.ModelPrice):
        return {name: _plain(rate) for name, rate in vars(value).items() if rate is not None}
    if dataclasses.is_dataclass(value):
        fields = (item for item in dataclasses.fields(value) if item.init)
        named = {_NAMES.get(item.name, item.name): getattr(value, item.name) for item in fields}
        return {name: _plain(part) for name, part in named.items() if part is not None and name != "extractors"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, (date, time)) else value
