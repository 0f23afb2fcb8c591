"""What responses say about how they were served becomes the context that rates depend on."""

from __future__ import annotations

import pytest

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices.context import price_context
from ai_cost_calc.providers.readers._batch_shape import TIER_STARTS
from tests.prices.reference import PROVIDERS

NOT_IN_RESPONSES = {
    ("search_type", "fast"),
    ("search_type", "web"),
    ("route", "mistral/eu"),
    ("service_tier", "default"),
}
"""Asked of Perplexity in a request; routed by OpenRouter, which states the cost; standard rates by another name."""


@pytest.mark.parametrize("tier", [None, "", "default", "standard", "auto", "on_demand", "On_Demand"])
@pytest.mark.parametrize("speed", [None, "", "standard"])
@pytest.mark.parametrize("region", [None, "", "global"])
def test_standard_service_needs_no_context(tier: str | None, speed: str | None, region: str | None) -> None:
    """What costs nothing extra anywhere is not worth a word."""
    assert price_context(Reading(service_tier=tier, speed=speed, region=region)) is None


@pytest.mark.parametrize(
    ("reading", "context"),
    [
        (Reading(service_tier="flex"), {"service_tier": "flex"}),
        (Reading(service_tier="PRIORITY"), {"service_tier": "priority"}),
        (Reading(service_tier="fast"), {"service_tier": "fast"}),
        (Reading(service_tier="batch"), {"processing": "batch"}),
        (Reading(service_tier="scale"), {"service_tier": "scale"}),
        (Reading(service_tier="provisioned"), {"service_tier": "provisioned"}),
        (Reading(service_tier="standard", speed="fast"), {"speed": "fast"}),
        (Reading(service_tier="batch", speed="fast"), {"processing": "batch", "speed": "fast"}),
        (Reading(speed="optimized", region="us-east-1"), {"speed": "optimized", "region": "us-east-1"}),
        (Reading(region="us"), {"region": "us"}),
        (Reading(context={"search": "low"}), {"search": "low"}),
    ],
)
def test_other_service_is_a_context(reading: Reading, context: dict[str, str]) -> None:
    """Tier, speed, region and searches are told in the words of the price data; nothing that may matter is left out."""
    assert price_context(reading) == context


def test_every_context_of_the_data_can_be_told() -> None:
    """A new kind of rate in genai-prices fails here, rather than never being used."""
    known = {
        pair
        for provider in PROVIDERS.values()
        for model in provider.models
        for variant in model.price_variants or ()
        for pair in variant.when.items()
    }
    told = {
        pair
        for tier in ("batch", "flex", "priority", "fast")
        for pair in (price_context(Reading(service_tier=tier, speed="fast")) or {}).items()
    }
    assert told | NOT_IN_RESPONSES == known


def test_fast_claude_costs_double(book: PriceBook) -> None:
    """Claude Opus 4.8 in fast mode: 1,000 in at 10 and 100 out at 50 a million, instead of 5 and 25."""
    reading = Reading(provider="anthropic", model="claude-opus-4-8", service_tier="standard", speed="fast")
    usage = Usage(input_tokens=1_000, output_tokens=100)
    fast = book.price(usage, provider="anthropic", model=reading.model, at=1.8e9, context=price_context(reading))
    assert fast.nanos == 15_000_000
    assert book.price(usage, provider="anthropic", model=reading.model, at=1.8e9).nanos == 7_500_000


def test_many_unheard_of_contexts_fill_no_memory(book: PriceBook) -> None:
    """What responses say is not ours to bound, so what is remembered of it is; each call says what it does not know."""
    usage = Usage(input_tokens=1_000)
    costs = {
        book.price(usage, provider="openai", model="gpt-5", at=1.8e9, context={"service_tier": str(number)})
        for number in range(1_000)
    }
    assert {cost.nanos for cost in costs} == {1_250_000}
    assert len({cost.unpriced for cost in costs}) == 1_000
    timetable = book._entries.get(("openai", "gpt-5")).timetable  # type: ignore[union-attr]
    assert len(timetable._spans) <= 64  # type: ignore[union-attr]
    assert len(timetable._compiled) <= 64  # type: ignore[union-attr]


def test_requests_of_a_batch_are_added_up_between_the_sizes_where_rates_change() -> None:
    """Every tier of the data starts where the requests of a batch are kept apart, so that their average pays right."""
    batching = {"anthropic", "google", "groq", "mistral", "together"}
    starts = {
        tier.start
        for name in batching
        for model in PROVIDERS[name].models
        for conditional in (model.prices if isinstance(model.prices, list) else [model])
        for rate in vars(conditional.prices).values()
        for tier in getattr(rate, "tiers", ())
    }
    assert starts
    assert starts <= set(TIER_STARTS)
