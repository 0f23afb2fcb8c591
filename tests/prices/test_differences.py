"""Each intended difference from genai-prices, as `prices/DIFFERENCES.md` lists them, beside what genai-prices does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from genai_prices import types
from hypothesis import given
from hypothesis import strategies as st

import ai_cost_calc.prices
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage
from tests.prices.reference import PROVIDERS, SNAPSHOT, found_by_genai, genai_nanos, models

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = NOW.timestamp()


def test_each_listed_difference_has_a_test() -> None:
    """The list and the tests below name the same differences."""
    listed = Path(ai_cost_calc.prices.__file__).with_name("DIFFERENCES.md").read_text(encoding="utf-8")
    names = {f"test_{title.replace(' ', '_')}" for title in re.findall(r"^## (.+)$", listed, re.MULTILINE)}
    assert names
    assert names <= globals().keys()


@pytest.mark.parametrize(
    ("context", "factor"), [({"processing": "batch"}, Decimal("0.5")), ({"service_tier": "priority"}, Decimal(2))]
)
def test_context_of_models_served_for_others(book: PriceBook, context: dict[str, str], factor: Decimal) -> None:
    """GPT-5 in a batch costs half and at priority double, on Azure as at OpenAI; genai-prices ignores it on Azure."""
    usage = Usage(input_tokens=1_000, output_tokens=100)  # $1.25 and $10 a million: $0.00225
    azure, model = SNAPSHOT.find_provider_model("gpt-5", None, "azure", None)
    assert genai_nanos(model, azure, usage, AT, context) == 2_250_000
    cost = book.price(usage, provider="azure", model="gpt-5", at=AT, context=context)
    assert cost.nanos == 2_250_000 * factor
    assert cost.provider == "openai"


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("openai", "gpt-99", "knows openai but has no price for 'gpt-99'"),
        ("azure", "my-deployment", "knows azure but has no price for 'my-deployment'"),
        ("nobody", "gpt-4o", "does not know the provider 'nobody'"),
        (None, "some-model", "does not know 'some-model', nor whose model it is"),
        (None, "openai/gpt-99", "knows openai but has no price for 'openai/gpt-99'"),
        (None, "claude-99", "knows anthropic but has no price for 'claude-99'"),
        ("openai", None, "no model was named"),
        ("openai", "", "no model was named"),
    ],
)
def test_unknown_models_cost_none(book: PriceBook, provider: str | None, model: str | None, reason: str) -> None:
    """An unknown price is unknown, never zero; the reason says whether the provider or only the model is unknown."""
    assert found_by_genai(provider, model or "") is None
    cost = book.price(Usage(input_tokens=5), provider=provider, model=model, at=AT)
    assert (cost.nanos, cost.total, cost.items, cost.match) == (None, None, (), "none")
    assert cost.reason is not None
    assert reason in cost.reason
    assert book.find(provider, model) is None
    assert book.rates(provider, model, AT) is None


@pytest.mark.parametrize(
    ("model", "usage", "unpriced"),
    [
        ("text-embedding-3-small", Usage(input_tokens=10, output_tokens=3), ("output_tokens",)),
        ("gpt-4o", Usage(input_tokens=10, audio_seconds=3, code_executions=1), ("code_executions", "audio_seconds")),
        ("gpt-4-turbo", Usage(input_tokens=10, web_searches=2), ("web_searches",)),
    ],
)
def test_unpriced_counts_are_named(book: PriceBook, model: str, usage: Usage, unpriced: tuple[str, ...]) -> None:
    """What no rate pays for is in the cost by name; genai-prices gives the same amount and no word."""
    served_by, info = SNAPSHOT.find_provider_model(model, None, "openai", None)
    cost = book.price(usage, provider="openai", model=model, at=AT)
    assert cost.nanos == genai_nanos(info, served_by, usage, AT, None)
    assert cost.unpriced == unpriced


def test_parts_without_their_overlap(book: PriceBook) -> None:
    """Realtime: 100 input tokens, 40 of them audio and 30 cached, 10 out; how many are both was not reported."""
    _, info = SNAPSHOT.find_provider_model("gpt-realtime", None, "openai", None)
    reported = types.Usage(input_tokens=100, input_audio_tokens=40, cache_read_tokens=30, output_tokens=10)
    with pytest.raises(ValueError, match="Missing usage for cache_audio_read_tokens"):
        info.calc_price(reported, PROVIDERS["openai"], genai_request_timestamp=NOW)
    usage = Usage(input_tokens=100, input_audio_tokens=40, cache_read_tokens=30, output_tokens=10)
    cost = book.price(usage, provider="openai", model="gpt-realtime", at=AT)
    assert cost.total == Decimal("0.001572")  # 30 at $4, 40 at $32, 30 at $0.4 and 10 at $16 a million


@given(
    st.dictionaries(st.sampled_from(Usage.__struct_fields__), st.integers(0, 10**6)), st.sampled_from(list(models()))
)
def test_no_overlap_makes_a_cost_negative(book: PriceBook, counts: dict[str, int], model: tuple[object, ...]) -> None:
    """However parts overlap that were reported without saying so, no usage of any model costs less than nothing."""
    provider, _, name = model
    assert isinstance(provider, types.Provider)
    usage, _ = Usage.corrected(counts)
    cost = book.price(usage, provider=provider.id, model=str(name), at=AT)
    assert cost.nanos is not None
    assert cost.nanos >= 0


def test_names_written_in_other_ways(book: PriceBook) -> None:
    """A slug and a dotted version are found here and not there, and the cost says that the name was another one."""
    for provider, name in ((None, "openai/gpt-4o"), ("google", "models/gemini-2.5-flash"), ("openai", "gpt-5-6-sol")):
        cost = book.price(Usage(input_tokens=1), provider=provider, model=name, at=AT)
        assert cost.nanos is not None
        assert cost.match == "alias"
    assert found_by_genai(None, "openai/gpt-4o") is None
    assert found_by_genai("google", "models/gemini-2.5-flash") is None


def test_rounding(book: PriceBook) -> None:
    """An application that works with four digits gets the exact price here, and 0.3875 for 0.38755 there."""
    usage = types.Usage(input_tokens=155_020)
    _, info = SNAPSHOT.find_provider_model("gpt-4o", None, "openai", None)
    with localcontext() as context:
        context.prec = 4
        theirs = info.calc_price(usage, PROVIDERS["openai"], genai_request_timestamp=NOW).total_price
        ours = book.price(Usage(input_tokens=155_020), provider="openai", model="gpt-4o", at=AT)
    assert theirs == Decimal("0.3876")
    assert ours.total == Decimal("0.38755")
    assert book.price(Usage(input_tokens=1), provider="openai", model="gpt-4.1-nano", at=AT).nanos == 100
