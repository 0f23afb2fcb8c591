"""What a response says about how it was served, in the words that prices depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ai_cost_calc.core.reading import Reading

_TIERS: Final[Mapping[str, Mapping[str, str]]] = {
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
"""Tiers with rates of their own in genai-prices 0.2.3; all others (`default`, `on_demand`, …) pay standard ones."""

_FAST: Final[Mapping[str, str]] = {"speed": "fast"}
_STANDARD: Final[Mapping[str, str]] = {}


def price_context(reading: Reading) -> Mapping[str, str] | None:
    """The price context of a response, or `None` where it was served at standard rates.

    A model without rates for a context is priced at its standard rates, as genai-prices does.
    """
    tier, speed = reading.service_tier, reading.speed
    if tier is None and speed is None:
        return None
    found = _STANDARD if tier is None else _TIERS.get(tier.lower(), _STANDARD)
    if speed is not None and speed.lower() == "fast":
        return {**found, **_FAST}
    return found or None
