"""The compiled prices equal those of genai-prices, on every model, at every date, in every context.

Where they mean to differ, `prices/DIFFERENCES.md` says so and `test_differences.py` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random

import pytest
from genai_prices.data import providers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.matching import is_customized
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.pricing import Cost
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices import load_price_book
from tests.prices.reference import (
    CONTEXTS,
    PROVIDERS,
    TIER_STARTS,
    Model,
    contexts,
    found_by_genai,
    genai_nanos,
    input_sizes,
    models,
    moments,
    names_of,
    some_usage,
    tier_starts,
    units,
    usage_of_one,
    usages,
)

Case = tuple[Usage, float, Mapping[str, str] | None]
"""A usage, the time of its call, and its context."""

MODELS = list(models())


@pytest.fixture(scope="session")
def book(kept_prices: Path) -> PriceBook:
    """The compiled rates alone; what sellers charge beyond them is tested in `test_terms.py`."""
    return load_price_book(kept_prices, terms=None)


def known_nanos(cost: Cost) -> int | None:
    """The amount; nothing where no rate is for anything that was used, which is unknown here and free there."""
    return 0 if cost.nanos is None and cost.unpriced else cost.nanos


def our_nanos(book: PriceBook, model: Model, usage: Usage, at: float, context: Mapping[str, str] | None) -> int | None:
    """The same price by our book."""
    cost = book.price(usage, provider=model.provider.id, model=model.name, at=at, context=context)
    assert (cost.provider, cost.model) == (model.provider.id, model.info.id)
    return known_nanos(cost)


def differences(book: PriceBook, model: Model, cases: Iterable[Case]) -> list[Case]:
    """The cases in which the two disagree."""
    return [
        (usage, at, context)
        for usage, at, context in cases
        if our_nanos(book, model, usage, at, context) != genai_nanos(model.info, model.provider, usage, at, context)
    ]


def of(provider: str) -> list[Model]:
    """The models of one provider."""
    return [model for model in MODELS if model.provider.id == provider]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_model_costs_the_same(book: PriceBook, provider: str) -> None:
    """Generated usages of each model: on both sides of each tier, date and time of day, in each context with rates."""
    wrong = {}
    for model in of(provider):
        random = Random(model.info.id)
        cases = [
            (some_usage(random, size), at, context)
            for size in input_sizes(model.info)
            for at in moments(model.info)
            for context in contexts(model.info)
        ]
        wrong[model.name] = differences(book, model, cases)
    assert not any(wrong.values()), {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_unit_of_every_model_costs_the_same(book: PriceBook, provider: str) -> None:
    """Each thing that a model has a rate for, by itself, below all tiers and above: no rate hides behind another."""
    wrong = {}
    for model in of(provider):
        sizes = {input_sizes(model.info)[0], input_sizes(model.info)[-1]}
        found = [usage_of_one(unit, size) for unit in units(model.info) for size in sizes]
        at = moments(model.info)[-1]
        cases = [(usage, at, context) for usage in found if usage for context in contexts(model.info)]
        wrong[model.name] = differences(book, model, cases)
    assert not any(wrong.values()), {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize("context", CONTEXTS, ids=str)
def test_every_context_changes_the_same(book: PriceBook, context: Mapping[str, str] | None) -> None:
    """Each context on each model, whether the model has rates for it or not."""
    random = Random(str(context))
    wrong = {}
    for model in MODELS:
        wrong[model.provider.id, model.name] = differences(
            book, model, [(some_usage(random, 50_000), moments(model.info)[-1], context)]
        )
    assert not any(wrong.values()), {name: found for name, found in wrong.items() if found}


def test_contexts_are_all_that_the_data_has() -> None:
    """No model has rates for a context that the tests leave out."""
    known = {(name, value) for context in CONTEXTS for name, value in (context or {}).items()}
    assert {pair for model in MODELS for context in contexts(model.info) for pair in (context or {}).items()} <= known


@pytest.mark.parametrize("provider", [name for name, known in PROVIDERS.items() if known.fallback_model_providers])
def test_models_served_for_others_cost_the_same(book: PriceBook, provider: str) -> None:
    """Through each provider that serves other makers' models: each of those, at standard rates."""
    random = Random(provider)
    wrong = {}
    for other in PROVIDERS[provider].fallback_model_providers or ():
        for model in of(other):
            expected = found_by_genai(provider, model.name)
            if expected != (other, model.info.id):
                continue  # the provider has one of that name itself
            usage, at = some_usage(random, 30_000), moments(model.info)[-1]
            cost = book.price(usage, provider=provider, model=model.name, at=at)
            if known_nanos(cost) != genai_nanos(model.info, PROVIDERS[provider], usage, at, None):
                wrong[model.name] = cost
    assert wrong == {}


def test_generated_usages_reach_every_tier() -> None:
    """The starts of tiers that usages are generated around are those of the data."""
    assert {0, *(start for model in MODELS for start in tier_starts(model.info))} == set(TIER_STARTS)


def test_all_models_are_compared() -> None:
    """Every model of the data is found by a name, none twice."""
    compared = [(model.provider.id, model.info.id) for model in MODELS]
    assert sorted(compared) == sorted((provider.id, info.id) for provider in providers for info in provider.models)
    assert len(compared) > 2_000


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), model=st.sampled_from(MODELS), usage=usages(), context=st.sampled_from(CONTEXTS))
def test_any_usage_of_any_model_costs_the_same(
    book: PriceBook, data: st.DataObject, model: Model, usage: Usage, context: Mapping[str, str] | None
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
