"""Slugs, paths, dots and dashes: how people write models, and how sure we are of what they mean."""

from __future__ import annotations

import pytest

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage


@pytest.mark.parametrize(
    ("slug", "provider", "model"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("anthropic/claude-sonnet-4", "anthropic", "claude-sonnet-4-0"),
        ("google/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("amazon/nova-pro-v1", "aws", "amazon.nova-pro-v1:0"),
        ("meta-llama/llama-3.3-70b-instruct", "openrouter", "meta-llama/llama-3.3-70b-instruct"),
        ("mistralai/mistral-large-2411", "mistral", "mistral-large"),
        ("anthropic/claude-sonnet-4.5", "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("openai/gpt-4-1", "openai", "gpt-4.1"),
        ("OpenAI/GPT-4o", "openai", "gpt-4o"),
        ("azure/gpt-4o", "openai", "gpt-4o"),
        ("azure_ai/claude-opus-4-8", "anthropic", "claude-opus-4-8"),
        ("vertex_ai/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("gemini/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("bedrock/amazon.nova-pro-v1:0", "aws", "amazon.nova-pro-v1:0"),
        ("bedrock/us-east-1/amazon.nova-pro-v1:0", "aws", "amazon.nova-pro-v1:0"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("openrouter/google/gemini-2.5-pro", "openrouter", "google/gemini-2.5-pro"),
        ("x-ai/grok-4.3", "x-ai", "grok-4.3"),
        ("xai/grok-4.3", "x-ai", "grok-4.3"),
        ("deepseek/deepseek-chat", "deepseek", "deepseek-chat"),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("text-embedding-3-small", "openai", "text-embedding-3-small"),
        ("@cf/meta/llama-3.1-8b-instruct", "cloudflare", "@cf/meta/llama-3.1-8b-instruct"),
    ],
)
def test_a_slug_names_provider_and_model(book: PriceBook, slug: str, provider: str, model: str) -> None:
    """Slugs as MarginDash, OpenRouter and LiteLLM write them are paid to whom they name; others to OpenRouter."""
    for asked in (None, "litellm"):
        found = book.find(asked, slug)
        assert found is not None
        assert (found.provider, found.id) == (provider, model)
        cost = book.price(Usage(input_tokens=1_000), provider=asked, model=slug, at=1.8e9)
        assert cost.nanos is not None
        assert cost.nanos > 0


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("openai", "openai/gpt-4o", "gpt-4o"),
        ("google", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("google", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("anthropic", "claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("openai", "gpt-5-6-sol-2026-07-01", "gpt-5.6-sol"),
        ("openrouter", "openai/gpt-4o", "openai/gpt-4o"),
    ],
)
def test_a_provider_understands_what_stands_before_its_models(
    book: PriceBook, provider: str, name: str, model: str
) -> None:
    """A path or the provider's own name before a model, and dots or dashes in its version, are no other model."""
    found = book.find(provider, name)
    assert found is not None
    assert found.id == model


@pytest.mark.parametrize(
    "slug", ["fake/not-a-model", "fake/gpt-4o", "not-a-model", "/", "openai/", "/gpt-4o", " ", "a" * 10_000]
)
def test_a_name_nobody_knows_has_no_price(book: PriceBook, slug: str) -> None:
    """Nothing is guessed: a model of an unknown provider is not the known model of the same name."""
    assert book.find(None, slug) is None
    assert book.price(Usage(input_tokens=1), provider=None, model=slug, at=1.8e9).nanos is None


@pytest.mark.parametrize(
    ("provider", "name", "match"),
    [
        ("openai", "gpt-4o", "exact"),
        ("openai", "GPT-4o", "exact"),
        ("azure", "gpt-4o", "exact"),
        ("openai", "gpt-4o-2024-08-06", "alias"),
        ("openai", "openai/gpt-4o", "alias"),
        (None, "openai/gpt-4o", "alias"),
        ("anthropic", "claude-sonnet-4-5-20250929", "alias"),
        ("anthropic", "claude-sonnet-4.5", "alias"),
        ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "alias"),
        ("anthropic", "claude-sonnet-4-5-turbo", "prefix"),
        (None, "anthropic/claude-sonnet-4-5-turbo", "prefix"),
        ("openai", "gpt-4o-audio-preview-next", "prefix"),
    ],
)
def test_a_cost_says_how_sure_the_name_is(book: PriceBook, provider: str | None, name: str, match: str) -> None:
    """The id itself is exact; other names and dated snapshots are aliases; a family's beginning is only a prefix."""
    found = book.find(provider, name)
    assert found is not None
    assert found.match == match
    assert book.price(Usage(), provider=provider, model=name, at=1.8e9).match == match


def test_a_found_model_is_described(book: PriceBook) -> None:
    """What is known of a model besides its price: whose it is, what people call it, how much it takes in."""
    found = book.find("azure", "claude-sonnet-4-5")
    assert found is not None
    assert (found.provider, found.id, found.context_window) == ("anthropic", "claude-sonnet-4-5", 200_000)
    assert found.name == "Claude Sonnet 4.5"


def test_more_names_than_are_remembered_change_nothing(book: PriceBook) -> None:
    """A caller with ever new names fills no memory, and known names keep their price."""
    before = book.price(Usage(input_tokens=10), provider="openai", model="gpt-4o", at=1.8e9)
    for number in range(5_000):
        assert book.find("openai", f"no-model-{number}") is None
    assert len(book._entries) < 5_000
    assert book.price(Usage(input_tokens=10), provider="openai", model="gpt-4o", at=1.8e9) == before
