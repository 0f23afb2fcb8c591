"""Why two figures for one call differ: found by pricing the call again as the other side may have done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from ai_cost_calc import AiCostCalc, Reading, Usage
from ai_cost_calc.core.pricing import REQUESTS
from benchmarks.comparison.usages import TODAY, Call

SAME: Final = Decimal("0.000000001")
"""Figures this close are equal: ours are rounded to it, and other libraries calculate in floats."""
CALLS: Final = ("web_searches", "social_searches", "storage_searches", "code_executions")
MONTHS: Final = 24

ANOTHER_RATE: Final = "another rate"

STATED: Final = {
    "openrouter/anthropic/claude-3.5-sonnet": "billed at $6 and $30 a million; genai-prices has $3 and $15",
    "openrouter/google/gemini-2.5-flash": "cached input billed at $0.03 a million; genai-prices has $0.075",
    "openrouter/google/gemini-3.1-flash-lite-image": "tokens of the picture billed at $30 a million",
    "openrouter/openai/gpt-4.1-mini": "$0.01 for a web search by OpenRouter, which the response does not count",
    "openrouter/openai/gpt-5.6-sol": "billed at $5, $0.50 and $30 a million; genai-prices has only the later rates",
    "openrouter/openai/gpt-oss-20b": "billed at $0.05 and $0.20 a million; genai-prices has $0.029 and $0.14",
    "perplexity/sonar": "stated to a hundred-thousandth of a dollar",
}
"""What differences from a provider's own figure come from, found by solving for the rates."""


def same(ours: Decimal, theirs: Decimal) -> bool:
    """Whether two figures are equal to the nano-dollar."""
    return abs(ours - theirs) <= SAME


def reason(call: Call, theirs: Decimal, calc: AiCostCalc) -> str:
    """Why a table of another library gives `theirs`, as far as pricing the call again finds out."""
    if call.unpriced:
        return f"no rate of ours for {marked(call.unpriced)}"
    if not theirs:
        return "comes to nothing"
    if same((call.now or Decimal(0)) - _fee(call.reading, calc), theirs):
        return "without the fee for a request"
    for why, reading, at in _alternatives(call.reading):
        figure = calc.price(reading, at=at).total
        if figure is not None and same(figure, theirs):
            return why
    return ANOTHER_RATE


def marked(names: Iterable[str]) -> str:
    """Names of counts or contexts, as code."""
    return ", ".join(f"`{name}`" for name in names)


def _fee(reading: Reading, calc: AiCostCalc) -> Decimal:
    """What a request of this model costs beside its tokens."""
    items = calc.price(reading, at=TODAY).items
    return sum((item.usd for item in items if item.name == REQUESTS), Decimal(0))


def _alternatives(reading: Reading) -> Iterator[tuple[str, Reading, datetime]]:
    """What else may have been priced, or when."""
    usage = reading.usage or Usage()
    for names, why in _LEFT_OUT:
        yield why, msgspec.structs.replace(reading, usage=_without(usage, names)), TODAY
    yield "the standard tier", msgspec.structs.replace(reading, service_tier=None, speed=None), TODAY
    for hour in range(24):
        yield "the price of another time of day", reading, TODAY + timedelta(hours=hour)
    for month in range(1, MONTHS):
        yield "an older price", reading, TODAY - timedelta(days=30 * month)


_CACHE: Final = tuple(name for name in Usage.__struct_fields__ if name.startswith("cache_"))
_MODALITIES: Final = tuple(
    name for name in Usage.__struct_fields__ if any(kind in name for kind in ("audio_tokens", "image_tokens", "video"))
)
_LEFT_OUT: Final = (
    (CALLS, "without fees for the provider's tools"),
    (_CACHE, "cached input as any other"),
    (("cache_write_1h_tokens",), "an hour of cache as five minutes"),
    ((*_CACHE, *CALLS), "cached input as any other, without fees for tools"),
    (_MODALITIES, "audio and images as text"),
    (("output_reasoning_tokens", "output_citation_tokens"), "reasoning as any output"),
)


def _without(usage: Usage, names: tuple[str, ...]) -> Usage:
    """A usage without some of its parts, whose tokens stay in the totals, and without some other counts."""
    return Usage.corrected({name: count for name, count in usage.counts().items() if name not in names})[0]
