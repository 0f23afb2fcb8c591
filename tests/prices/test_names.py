"""Slugs, paths, dots and dashes: how people write models, and how sure we are of what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.recent import Recent
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices import load_price_book


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
        ("aws", "us.amazon.nova-pro-v1:0", "alias"),
        ("bedrock", "amazon.nova-pro-v1:0", "exact"),
        ("openai", "ft:gpt-4o-2024-08-06:org::id", "alias"),
        ("openrouter", "openai/gpt-4o:nitro", "prefix"),
        ("openrouter", "openai/gpt-4o:extended", "exact"),
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


SPELLINGS: Final = {
    "gpt-4o": (
        ("openai", "gpt-4o"), ("openai", "GPT-4o"), ("openai", "gpt-4o-2024-08-06"), ("openai", "openai/gpt-4o"),
        (None, "gpt-4o"), (None, "openai/gpt-4o"), (None, "openai:gpt-4o"), (None, "openai-responses:gpt-4o"),
        ("azure", "gpt-4o"), ("azure", "gpt-4o-2024-11-20"), (None, "azure/gpt-4o"), (None, "azure_ai/gpt-4o"),
        ("litellm", "openai/gpt-4o"), ("portkey", "gpt-4o"),
    ),
    "claude-sonnet-4-5": (
        ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-sonnet-4.5"), (None, "claude-sonnet-4-5-20250929"),
        (None, "anthropic/claude-sonnet-4.5"), (None, "anthropic:claude-sonnet-4-5"), ("azure", "claude-sonnet-4-5"),
        ("google", "claude-sonnet-4-5@20250929"), (None, "vertex_ai/claude-sonnet-4-5@20250929"),
        ("google", "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
        ("aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (None, "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ),
    "claude-sonnet-4-5 in a geography": (
        ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0"), ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"), ("aws", "anthropic.claude-sonnet-4-5"),
        ("aws", "apac.anthropic.claude-sonnet-4-5-20250929-v1:0"), ("bedrock", "anthropic.claude-sonnet-4-5"),
        (None, "anthropic.claude-sonnet-4-5-20250929-v1:0"), (None, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (None, "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (None, "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (None, "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws", "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ),
    "claude-sonnet-4": (
        (None, "anthropic/claude-sonnet-4"), (None, "claude-sonnet-4@20250514"), ("google", "claude-sonnet-4@20250514"),
        ("anthropic", "claude-sonnet-4-20250514"),
    ),
    "gemini-2.5-pro": (
        ("google", "gemini-2.5-pro"), ("google", "models/gemini-2.5-pro"), (None, "models/gemini-2.5-pro"),
        ("google", "publishers/google/models/gemini-2.5-pro"), (None, "publishers/google/models/gemini-2.5-pro"),
        ("google", "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro"),
        (None, "gemini/gemini-2.5-pro"), (None, "google-gla:gemini-2.5-pro"), (None, "google-vertex:gemini-2.5-pro"),
        ("vertex_ai", "gemini-2.5-pro"), ("google", "gemini-2-5-pro"), (None, "vertex_ai/gemini-2.5-pro@default"),
    ),
    "nova-pro": (
        ("aws", "amazon.nova-pro-v1:0"), (None, "amazon.nova-pro-v1:0"), (None, "amazon/nova-pro-v1"),
        (None, "us.amazon.nova-pro-v1:0"), ("aws", "eu.amazon.nova-pro-v1:0"), ("amazon-bedrock", "amazon.nova-pro-v1"),
        (None, "bedrock/converse/amazon.nova-pro-v1:0"), (None, "bedrock:amazon.nova-pro-v1:0"),
    ),
    "gpt-oss on Bedrock": (("aws", "openai.gpt-oss-120b-1:0"), ("aws", "openai.gpt-oss-120b")),
    "gpt-5.6-luna on Bedrock": (("aws", "openai.gpt-5.6-luna"), ("aws", "us.openai.gpt-5.6-luna")),
    "gpt-4o at OpenRouter": (
        ("openrouter", "openai/gpt-4o"), (None, "openrouter/openai/gpt-4o"), (None, "openrouter:openai/gpt-4o"),
        ("openrouter", "openai/gpt-4o:nitro"), ("openrouter", "openai/gpt-4o:floor"), (None, "openai/gpt-4o:nitro"),
        (None, "openrouter/openai/gpt-4o:exacto"), ("openrouter", "openai/gpt-4o:thinking"),
        ("openrouter", "openai/gpt-4o:online"),
    ),
    "tuned gpt-4o": (
        ("openai", "ft:gpt-4o-2024-08-06:org::id"), (None, "ft:gpt-4o-2024-08-06:org::id"),
        (None, "openai/ft:gpt-4o-2024-11-20:other:suffix:id"),
    ),
    "llama-3.3 at Together through Hugging Face": (
        ("huggingface_together", "meta-llama/Llama-3.3-70B-Instruct"),
        ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:together"),
        (None, "huggingface/meta-llama/Llama-3.3-70B-Instruct:together"),
    ),
    "ministral": (
        ("mistral", "ministral-14b-latest"), ("mistral", "ministral-14b-2512"), (None, "mistral/ministral-14b-latest"),
    ),
    "grok-3-mini": (
        ("x-ai", "grok-3-mini"), ("xai", "grok-3-mini"), ("x-ai", "grok-3-mini-high"), (None, "xai/grok-3-mini-low"),
    ),
}  # fmt: skip
"""Ways to write one model."""

USED: Final = Usage(input_tokens=10_000, cache_read_tokens=3_000, output_tokens=700)


@pytest.mark.parametrize("model", SPELLINGS)
def test_every_spelling_of_a_model_costs_the_same(book: PriceBook, model: str) -> None:
    """However a model is written, the same usage costs the same, at any time."""
    for at in (1.75e9, 1.79e9, 1.8e9):
        costs = {
            (provider, name): book.price(USED, provider=provider, model=name, at=at).nanos
            for provider, name in SPELLINGS[model]
        }
        assert len(set(costs.values())) == 1, costs
        assert None not in costs.values()


@given(st.sampled_from([pair for pairs in SPELLINGS.values() for pair in pairs]), st.data())
def test_upper_and_lower_case_are_the_same(
    book: PriceBook, spelling: tuple[str | None, str], data: st.DataObject
) -> None:
    """Whoever shouts a model's name means no other model."""
    provider, name = spelling
    loud = "".join(letter.upper() if data.draw(st.booleans()) else letter for letter in name)
    as_written, shouted = book.find(provider, name), book.find(provider, loud)
    assert as_written is not None
    assert shouted is not None
    assert (as_written.provider, as_written.id) == (shouted.provider, shouted.id)


def test_a_variant_that_searches_says_so(book: PriceBook) -> None:
    """`:online` searches the web for every request, which the rates of the model do not pay for."""
    online, plain = (
        book.price(USED, provider="openrouter", model=name, at=1.8e9)
        for name in ("openai/gpt-4o:online", "openai/gpt-4o")
    )
    assert (online.nanos, online.match, online.unpriced) == (plain.nanos, "prefix", ("web_searches",))
    assert plain.unpriced == ()


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "ft:gpt-4.1-2025-04-14:org::id"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:org::id"),
        ("openai", "ft:gpt-4-0613:org::id"),
        ("openai", "ft:o4-mini-2025-04-16:org::id"),
        (None, "ft:gpt-4.1-2025-04-14:org::id"),
        (None, "openai/ft:gpt-4.1-nano-2025-04-14:org::id"),
        ("azure", "gpt-4o-2024-08-06.ft-0e208cf33a6a466994aff31a08aba678"),
        ("azure", "gpt-4.1-2025-04-14.ft-0e208cf33a6a466994aff31a08aba678"),
        ("mistral", "ft:open-mistral-7b:abc:20240531:id"),
        ("google", "tunedModels/my-model-abc"),
        ("aws", "arn:aws:bedrock:us-east-1:1:custom-model/amazon.nova-pro-v1:0/abc"),
        ("aws", "arn:aws:bedrock:us-east-1:1:custom-model-deployment/abc"),
        ("aws", "arn:aws:bedrock:us-east-1:1:provisioned-model/amazon.nova-pro-v1:0"),
        ("aws", "arn:aws:bedrock:us-east-1:1:imported-model/abc"),
    ],
)
def test_a_tuned_model_is_not_its_base(book: PriceBook, provider: str | None, name: str) -> None:
    """Without rates of its own it is unknown, and the reason says that it is tuned; the base model's are not taken."""
    cost = book.price(USED, provider=provider, model=name, at=1.8e9)
    assert cost.nanos is None
    assert "fine-tuned or customized" in str(cost.reason)


@pytest.mark.parametrize(
    ("name", "per_million"),
    [
        ("ft:gpt-4o-2024-08-06:o::i", 3_750),
        ("ft:gpt-4o-mini-2024-07-18:o::i", 300),
        ("ft:gpt-3.5-turbo-0125:o::i", 3_000),
    ],
)
def test_a_tuned_model_has_its_own_rates(book: PriceBook, name: str, per_million: int) -> None:
    """A million tokens into a fine-tuned GPT-4o cost $3.75, not the $2.50 of its base; into 4o mini 0.30, not 0.15."""
    cost = book.price(Usage(input_tokens=1_000), provider="openai", model=name, at=1.8e9)
    assert cost.nanos == per_million * 1_000


@pytest.mark.parametrize(
    ("provider", "name", "said"),
    [
        ("openai", "gpt-99", "knows openai but has no price for 'gpt-99'"),
        (None, "claude-99", "knows anthropic but has no price"),
        ("azure", "my-deployment", "say with model_map which model it stands for"),
        ("aws", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "say with model_map"),
        ("google", "projects/p/locations/l/endpoints/123", "knows google but has no price"),
        ("huggingface", "Qwen/Qwen3-235B-A22B", "does not know the provider 'huggingface'"),
        (None, "fake/not-a-model", "nor whose model it is"),
    ],
)
def test_the_reason_names_what_is_known(book: PriceBook, provider: str | None, name: str, said: str) -> None:
    """A model of a known family says so; a name of one's own says how to tell what it stands for."""
    assert said in str(book.price(USED, provider=provider, model=name, at=1.8e9).reason)


OWN: Final = {
    "my-deployment": "openai/gpt-4o",
    "azure/east": "gpt-4.1-mini",
    "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "short": "bedrock/amazon.nova-pro-v1:0",
    "1234567": "google/gemini-2.5-flash",
    "ft:gpt-4.1-2025-04-14:org::id": "openai/gpt-4.1",
    "Loud": "anthropic/claude-sonnet-4.5",
    "gpt-4o": "openai/gpt-4o-mini",
}


@pytest.fixture(scope="module")
def own_names(kept_prices: Path) -> PriceBook:
    """A price book that knows names of its user."""
    return load_price_book(kept_prices, model_map=OWN)


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("azure", "my-deployment", "azure gpt-4o"),
        (None, "my-deployment", "openai gpt-4o"),
        (None, "azure/my-deployment", "openai gpt-4o"),
        ("azure", "east", "azure gpt-4.1-mini"),
        ("azure", "EAST", "azure gpt-4.1-mini"),
        (
            "aws", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
            "aws regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("aws", "arn:aws:bedrock:eu-west-1:1:application-inference-profile/short", "aws amazon.nova-pro-v1:0"),
        ("google", "projects/p/locations/us-central1/endpoints/1234567", "google gemini-2.5-flash"),
        ("openai", "ft:gpt-4.1-2025-04-14:org::id", "openai gpt-4.1"),
        ("azure", "loud", "azure claude-sonnet-4-5"),
        ("openai", "gpt-4o", "openai gpt-4o-mini"),  # what the user says goes first
        ("openai", "gpt-4o-2024-08-06", "openai gpt-4o"),  # and says nothing of other names
    ],
)  # fmt: skip
def test_names_of_ones_own_stand_for_models(
    own_names: PriceBook, book: PriceBook, provider: str | None, name: str, model: str
) -> None:
    """A deployment or a profile costs what the model costs that it is said to stand for, where it runs."""
    seller, target = model.split()
    found = own_names.find(provider, name)
    assert found is not None
    assert found.id == target
    cost = own_names.price(USED, provider=provider, model=name, at=1.8e9)
    assert cost.nanos == book.price(USED, provider=seller, model=target, at=1.8e9).nanos


def test_the_name_a_call_is_kept_by_leads_back_to_its_model(book: PriceBook) -> None:
    """A record keeps the id of its model; priced again by that id, it is the same model, of whatever seller."""
    elsewhere = [
        (model.provider, model.id, found and found.id)
        for model in book.models()
        if (found := book.find(model.provider, model.id)) is None or found.id != model.id
    ]
    assert elsewhere == []


def test_a_name_of_ones_own_that_leads_nowhere_is_unknown(kept_prices: Path) -> None:
    """A slip of the pen in the map is told, and is not taken for the name it replaces."""
    book = load_price_book(kept_prices, model_map={"gpt-4o": "openai/gpt-99"})
    cost = book.price(USED, provider="openai", model="gpt-4o", at=1.8e9)
    assert cost.nanos is None
    assert "openai" in str(cost.reason)


def test_a_found_model_is_described(book: PriceBook) -> None:
    """What is known of a model besides its price: whose it is, what people call it, how much it takes in."""
    found = book.find("azure", "claude-sonnet-4-5")
    assert found is not None
    assert (found.provider, found.id, found.context_window) == ("anthropic", "claude-sonnet-4-5", 200_000)
    assert found.name == "Claude Sonnet 4.5"


def test_more_names_than_are_remembered_change_nothing(book: PriceBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller with ever new names fills no memory, and known names keep their price."""
    monkeypatch.setattr(book, "_entries", Recent(100))  # fewer than the usual ones, to be done sooner
    before = book.price(Usage(input_tokens=10), provider="openai", model="gpt-4o", at=1.8e9)
    for number in range(500):
        assert book.find("openai", f"no-model-{number}") is None
    assert len(book._entries) <= 200
    assert book.price(Usage(input_tokens=10), provider="openai", model="gpt-4o", at=1.8e9) == before
