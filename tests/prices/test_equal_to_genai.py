"""The compiled prices equal those of genai-prices, on every model, at every date, in every context.

Where they mean to differ, `prices/DIFFERENCES.md` says so and `test_differences.py` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from genai_prices import types
from genai_prices.data import providers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.matching import is_customized
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices import load_price_book
from tests.prices.reference import (
    CONTEXTS,
    PROVIDERS,
    TIER_STARTS,
    Model,
    found_by_genai,
    genai_nanos,
    models,
    moments,
    names_of,
    usages,
)

MODELS = list(models())
EVERYTHING = Usage(
    input_tokens=150_001,
    output_tokens=7_003,
    cache_read_tokens=30_000,
    cache_write_tokens=9_001,
    cache_write_1h_tokens=4_000,
    cache_write_5m_tokens=5_001,
    output_reasoning_tokens=2_001,
    output_citation_tokens=11,
    input_audio_tokens=1_001,
    input_image_tokens=2_001,
    input_video_tokens=3_001,
    cache_audio_read_tokens=101,
    cache_image_read_tokens=201,
    cache_video_read_tokens=301,
    cache_text_read_tokens=29_397,
    output_audio_tokens=501,
    output_image_tokens=601,
    web_searches=3,
    social_searches=1,
    storage_searches=2,
    code_executions=1,
    rerank_searches=4,
    input_document_pages=5,
    audio_seconds=61.5,
)


@pytest.fixture(scope="session")
def book(kept_prices: Path) -> PriceBook:
    """The compiled rates alone; what sellers charge beyond them is tested in `test_terms.py`."""
    return load_price_book(kept_prices, terms=None)


def our_nanos(book: PriceBook, model: Model, usage: Usage, at: float, context: object = None) -> int | None:
    """The same price by our book."""
    cost = book.price(usage, provider=model.provider.id, model=model.name, at=at, context=context)  # type: ignore[arg-type]
    assert (cost.provider, cost.model) == (model.provider.id, model.info.id)
    return cost.nanos


def contexts_of(model: types.ModelInfo) -> Iterator[dict[str, str] | None]:
    """No context, and each that this model has rates for."""
    yield None
    yield from (variant.when for variant in model.price_variants or ())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_model_costs_the_same(book: PriceBook, provider: str) -> None:
    """Each model of each provider, on both sides of each date and time of day, in each context it has rates for."""
    wrong = [
        (model.name, at, context)
        for model in MODELS
        if model.provider.id == provider
        for at in moments(model.info)
        for context in contexts_of(model.info)
        if our_nanos(book, model, EVERYTHING, at, context)
        != genai_nanos(model.info, model.provider, EVERYTHING, at, context)
    ]
    assert wrong == []


def tier_starts(model: types.ModelInfo) -> set[int]:
    """Numbers of input tokens above which a rate of this model changes."""
    prices = [price.prices for price in model.prices] if isinstance(model.prices, list) else [model.prices]
    prices += [variant.prices for variant in model.price_variants or ()]
    rates = [rate for price in prices for rate in vars(price).values() if isinstance(rate, types.TieredPrices)]
    return {tier.start for rate in rates for tier in rate.tiers}


def test_every_tier_costs_the_same_on_both_sides_of_its_edge(book: PriceBook) -> None:
    """At the start of a tier the rates below still hold; one token more, and those of the tier do."""
    wrong = []
    for model in MODELS:
        for tokens in (start + more for start in tier_starts(model.info) for more in (-1, 0, 1)):
            usage = Usage(input_tokens=tokens, output_tokens=1_000, cache_read_tokens=10_000, cache_write_tokens=500)
            at = moments(model.info)[-1]
            if our_nanos(book, model, usage, at) != genai_nanos(model.info, model.provider, usage, at, None):
                wrong.append((model.provider.id, model.name, tokens))
    assert wrong == []


def test_generated_usages_reach_every_tier() -> None:
    """The starts of tiers that usages are generated around are those of the data."""
    assert {0, *(start for model in MODELS for start in tier_starts(model.info))} == set(TIER_STARTS)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), model=st.sampled_from(MODELS), usage=usages(), context=st.sampled_from(CONTEXTS))
def test_any_usage_of_any_model_costs_the_same(
    book: PriceBook, data: st.DataObject, model: Model, usage: Usage, context: dict[str, str] | None
) -> None:
    """Every kind of count, around every tier, at any time, in any context."""
    at = data.draw(st.sampled_from(moments(model.info)) | st.integers(min_value=10**9, max_value=2 * 10**9))
    ours = our_nanos(book, model, usage, at, context)
    assert ours == genai_nanos(model.info, model.provider, usage, at, context)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_name_means_the_same_model(book: PriceBook, provider: str) -> None:
    """Ids, other names, names with a compact date and names of a family lead to the model that genai-prices finds."""
    wrong = {}
    for info in PROVIDERS[provider].models:
        for name in (*names_of(info), f"{info.id}-20251211", f"{info.id.upper()}"):
            expected = found_by_genai(provider, name)
            found = book.find(provider, name)
            if is_customized(name) and expected is not None and not is_customized(expected[1]):
                expected = None  # a fine-tuned model never costs what its base model does
            if expected is not None and (found is None or (found.provider, found.id) != expected):
                wrong[name] = expected, found
    assert wrong == {}


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("azure", "gpt-4o-2024-08-06"),
        ("azure", "claude-opus-4-8"),
        ("azure", "grok-4.3"),
        ("azure", "o3"),
        ("google", "claude-opus-4-1"),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("vertex_ai", "gemini-2.5-pro"),
        (" OpenAI ", "GPT-4o"),
        ("litellm", "anthropic/claude-sonnet-4-5"),
    ],
)
def test_a_provider_serves_the_models_of_others_at_their_price(book: PriceBook, provider: str, name: str) -> None:
    """Other names of providers, and one step to the providers whose models they serve, lead where genai-prices goes."""
    found = book.find(provider, name)
    assert found is not None
    assert (found.provider, found.id) == found_by_genai(provider, name)


@pytest.mark.parametrize(
    "name", ["gpt-4o", "o3", "claude-haiku-4-5", "gemini-2.5-pro", "mistral-large-latest", "grok-4.3", "kimi-k2"]
)
def test_a_name_alone_may_say_whose_model_it_is(book: PriceBook, name: str) -> None:
    """Without a provider, the family of the name decides."""
    found = book.find(None, name)
    expected = found_by_genai(None, name)
    assert (found and (found.provider, found.id)) == expected


def test_the_book_lists_every_model(book: PriceBook) -> None:
    """Nothing of the snapshot is left out."""
    listed = [(model.provider, model.id) for model in book.models()]
    assert listed == [(provider.id, model.id) for provider in providers for model in provider.models]
