"""openai-cost-calculator: `calculate_cost` with disjoint counts, on the catalogue that ships in its wheel."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)  # this file is not to be imported as `openai_cost_calculator`

PROVIDERS = {"aws": "bedrock", "google": "gemini"}
"""Its names of providers where they are other than ours."""
TIERS = {"batch", "flex", "priority", "fast"}
"""The service tiers that change a price."""


def main() -> None:
    """Answer."""
    peer: Any = importlib.import_module("openai_cost_calculator")
    shared = importlib.import_module("peers._answer")

    def cost(call: dict[str, Any]) -> Decimal:
        found = peer.calculate_cost(
            PROVIDERS.get(call["provider"], call["provider"]),
            call["model"],
            usage=_disjoint(peer, call["usage"].get),
            service_tier=call["service_tier"] if call["service_tier"] in TIERS else None,
            at=datetime.fromtimestamp(call["at"], UTC),
        )
        total: Decimal = found.total
        return total

    shared.answer("openai-cost-calculator", cost)


def _disjoint(peer: Any, used: Any) -> Any:
    """Our totals with their parts taken out."""
    read, written, long = used("cache_read_tokens", 0), used("cache_write_tokens", 0), used("cache_write_1h_tokens", 0)
    heard, read_audio = used("input_audio_tokens", 0), used("cache_audio_read_tokens", 0)
    reasoning, said = used("output_reasoning_tokens", 0), used("output_audio_tokens", 0)
    return peer.Usage(
        input_tokens=used("input_tokens", 0) - read - written - (heard - read_audio),
        cached_input_tokens=read - read_audio,
        cache_write_tokens=written - long,
        cache_write_1h_tokens=long,
        input_audio_tokens=heard - read_audio,
        cached_input_audio_tokens=read_audio,
        output_tokens=used("output_tokens", 0) - reasoning - said,
        reasoning_tokens=reasoning,
        output_audio_tokens=said,
        web_search_calls=used("web_searches", 0),
    )


if __name__ == "__main__":
    main()
