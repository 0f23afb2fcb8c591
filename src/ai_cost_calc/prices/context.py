"""What a response says about how it was served, in the words that prices depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ai_cost_calc.core.reading import Reading

STANDARD: Final[Mapping[str, frozenset[str]]] = {
    "service_tier": frozenset({"", "auto", "default", "on_demand", "standard", "unspecified"}),
    "speed": frozenset({"", "standard"}),
    "region": frozenset({"", "global"}),
}
"""What costs nothing extra anywhere. `auto` is what was asked for, not what was served: it says nothing."""

CONTEXT_NAMES: Final = frozenset({*STANDARD, "processing", "search"})
"""Everything that `price_context` can say something of."""

_PLAIN: Final = STANDARD["service_tier"]
_BATCH: Final = "batch"


def price_context(reading: Reading) -> Mapping[str, str] | None:
    """The price context of a response, or `None` where it was served at standard rates.

    Nothing that may matter is left out: what no rate is known for comes back in `Cost.unpriced`.
    """
    tier, speed, region = reading.service_tier, reading.speed, reading.region
    if (tier is None or tier in _PLAIN) and speed is None and region is None and not reading.context:
        return None
    said = {"service_tier": tier or "", "speed": speed or "", "region": region or "", **reading.context}
    context = {
        name: value
        for name, value in ((name, value.lower()) for name, value in said.items())
        if value not in STANDARD.get(name, ())
    }
    if context.get("service_tier") == _BATCH:
        del context["service_tier"]
        context["processing"] = _BATCH
    return context or None
