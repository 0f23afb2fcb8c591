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
from ai_cost_calc import read_usage
from ai_cost_calc.client.billing import Biller
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage
from tests.prices.reference import COUNTED, PROVIDERS, SNAPSHOT, found_by_genai, genai_nanos, models, units

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


def both(
    book: PriceBook, name: str, usage: Usage, at: float = AT, context: dict[str, str] | None = None
) -> tuple[Decimal | None, Decimal, tuple[str, ...]]:
    """What a call to `provider model` costs here and at genai-prices, and what of it has no price here."""
    provider, model = name.split()
    cost = book.price(usage, provider=provider, model=model, at=at, context=context)
    seller, info = SNAPSHOT.find_provider_model(model, None, provider, None)
    return cost.total, Decimal(genai_nanos(info, seller, usage, at, context)).scaleb(-9), cost.unpriced


@pytest.mark.parametrize(
    ("name", "context", "factor"),
    [
        ("groq llama-3.3-70b-versatile", {"processing": "batch"}, "0.5"),
        ("aws amazon.nova-pro-v1:0", {"service_tier": "priority"}, "1.75"),
        ("anthropic claude-opus-4-8", {"region": "us"}, "1.1"),
        ("together meta-llama/Llama-3.3-70B-Instruct-Turbo", {"region": "ca"}, "1.25"),
    ],
)
def test_contexts_without_rates(book: PriceBook, name: str, context: dict[str, str], factor: str) -> None:
    """A documented multiplier applies where genai-prices takes standard rates."""
    here, there, unpriced = both(book, name, Usage(input_tokens=1_000, output_tokens=100), context=context)
    assert (here, unpriced) == (there * Decimal(factor), ())


def test_contexts_before_their_first_rates(book: PriceBook) -> None:
    """A batch of Claude Haiku 4.5 in August 2026 costs half here, all of it there; since 14 October half in both."""
    batch = {"processing": "batch"}
    usage = Usage(input_tokens=1_000, output_tokens=100)  # $1 and $5 a million: $0.0015
    august, november = datetime(2026, 8, 19, tzinfo=UTC).timestamp(), AT
    assert both(book, "anthropic claude-haiku-4-5", usage, august, batch) == (Decimal("0.00075"), Decimal("0.0015"), ())
    assert both(book, "anthropic claude-haiku-4-5", usage, november, batch)[:2] == (Decimal("0.00075"),) * 2
    march = datetime(2026, 3, 31, tzinfo=UTC).timestamp()
    priority = both(book, "openai gpt-5", usage, march, {"service_tier": "priority"})
    assert priority == (Decimal("0.00225"), Decimal("0.00225"), ("service_tier:priority",))


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("openai gpt-5", {"service_tier": "scale"}),
        ("anthropic claude-opus-4-8", {"service_tier": "priority"}),
        ("aws amazon.nova-pro-v1:0", {"region": "eu-central-1"}),
    ],
)
def test_contexts_that_nobody_told_the_price_of(book: PriceBook, name: str, context: dict[str, str]) -> None:
    """The same amount in both, and here the word that it may be another."""
    here, there, unpriced = both(book, name, Usage(input_tokens=1_000, output_tokens=100), context=context)
    assert (here, unpriced) == (there, tuple(f"{key}:{value}" for key, value in context.items()))


@pytest.mark.parametrize(
    ("name", "usage", "context", "amounts"),
    [
        ("x-ai grok-4.3", Usage(web_searches=2), None, ("0.01", "0")),
        ("google claude-sonnet-4-5", Usage(web_searches=1), None, ("0.01", "0")),
        ("openai gpt-5.3-codex", Usage(web_searches=1), None, ("0.01", "0")),
        ("perplexity sonar", Usage(), {"search": "low"}, ("0.005", "0.012")),
    ],
)
def test_fees_for_tools(
    book: PriceBook, name: str, usage: Usage, context: dict[str, str] | None, amounts: tuple[str, str]
) -> None:
    """The seller's fee where genai-prices has none, and Perplexity's by the size of its search."""
    assert both(book, name, usage, context=context) == (*map(Decimal, amounts), ())


def test_a_reranker_is_known_by_its_fee(book: PriceBook) -> None:
    """Cohere's rerankers are no models of genai-prices; $2 for a thousand searches are all that they cost."""
    assert found_by_genai("cohere", "rerank-v3.5") is None
    cost = book.price(Usage(rerank_searches=1), provider="cohere", model="rerank-v3.5", at=AT)
    assert (cost.total, cost.match) == (Decimal("0.002"), "exact")


def test_search_tools_of_an_older_kind(book: PriceBook) -> None:
    """Two searches of GPT-4.1: 5 cents with the preview tool, 2 cents with the other; genai-prices says 2 for both."""
    body = {
        "id": "resp_1", "object": "response", "model": "gpt-4.1-2025-04-14", "tools": [{"type": "web_search_preview"}],
        "output": [{"type": "web_search_call", "status": "completed", "action": {"type": "search"}}] * 2,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }  # fmt: skip
    readings = [
        read_usage(body | {"tools": [{"type": kind}]}, provider="openai", api="responses")
        for kind in ("web_search_preview", "web_search")
    ]
    costs = [
        both(book, f"openai {reading.model}", reading.usage or Usage(), context=dict(reading.context))
        for reading in readings
    ]
    assert costs == [(Decimal("0.05"), Decimal("0.02"), ()), (Decimal("0.02"), Decimal("0.02"), ())]


@pytest.mark.parametrize(
    ("model", "dollars"), [("gemini-2.5-flash", "0.0353"), ("gemini-3.5-flash", None)]
)  # 1,000 tokens in at 0.30 a million; a grounded answer, or three queries, at $35 or $14 a thousand
def test_google_searches_come_on_top(biller: Biller, model: str, dollars: str | None) -> None:
    """An answer that searched three times costs one search up to Gemini 2.5 and three from Gemini 3 on."""
    body = {
        "modelVersion": model,
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b", "c"]}}],
        "usageMetadata": {"promptTokenCount": 1_000, "candidatesTokenCount": 0, "totalTokenCount": 1_000},
    }
    cost = biller.price(read_usage(body, provider="google", api="generate_content"), AT)
    plain = biller.price(read_usage(body | {"candidates": []}, provider="google", api="generate_content"), AT)
    assert cost.total is not None
    assert plain.total is not None
    assert cost.total - plain.total == Decimal("0.035" if dollars else "0.042")
    assert dollars is None or cost.total == Decimal(dollars)
    theirs = PROVIDERS["google"].extract_usage(body, api_flavor="default")[1]
    assert theirs.input_tokens == 1_000
    assert not theirs.web_searches


def test_hidden_work_comes_on_top(biller: Biller) -> None:
    """Claude Opus 4.8 at 5 and 25: $0.0075 for 1,000 in and 100 out, $0.055 for compacting 10,000 in to 200 out."""
    usage = {
        "input_tokens": 1_000, "output_tokens": 100, "iterations": [
            {"type": "compaction", "input_tokens": 10_000, "output_tokens": 200},
            {"type": "message", "input_tokens": 1_000, "output_tokens": 100},
        ],
    }  # fmt: skip
    body = {"id": "msg_1", "type": "message", "model": "claude-opus-4-8", "usage": usage}
    cost = biller.price(read_usage(body, provider="anthropic", api="messages"), AT)
    assert cost.total == Decimal("0.0625")
    assert [each.total for each in cost.also] == [Decimal("0.055")]
    theirs = PROVIDERS["anthropic"].extract_usage(body, api_flavor="default")[1]
    assert (theirs.input_tokens, theirs.output_tokens) == (1_000, 100)


def test_costs_that_providers_state(biller: Biller) -> None:
    """OpenRouter says half a cent for what the rates of genai-prices make $0.0035: that is the cost, ours beside it."""
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "cost": 0.005}
    body = {"id": "1", "object": "chat.completion", "model": "openai/gpt-4o", "choices": [], "usage": usage}
    cost = biller.price(read_usage(body, provider="openrouter", api="chat"), AT)
    assert (cost.total, cost.computed_nanos, cost.difference) == (Decimal("0.005"), 3_500_000, Decimal("0.0015"))
    assert sum(item.usd for item in cost.items) == Decimal("0.0035")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "ft:gpt-4-0613:acme::abc"),
        ("aws", "arn:aws:bedrock:us-east-1:1:custom-model/amazon.nova-pro-v1:0/abc"),
    ],
)
def test_tuned_models_are_not_their_base(book: PriceBook, provider: str, model: str) -> None:
    """genai-prices has the base model's price for both; here they have none, with the reason."""
    assert found_by_genai(provider, model) in {("openai", "gpt-4"), ("aws", "amazon.nova-pro-v1:0")}
    cost = book.price(Usage(input_tokens=1), provider=provider, model=model, at=AT)
    assert cost.nanos is None
    assert "fine-tuned or customized" in str(cost.reason)
    tuned = book.price(Usage(input_tokens=1_000), provider="openai", model="ft:gpt-4o-2024-08-06:org::id", at=AT)
    assert (tuned.model, tuned.total) == ("ft:gpt-4o", Decimal("0.00375"))  # 3.75 a million; the base costs 2.50


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
        ("gpt-4-turbo", Usage(input_tokens=10, rerank_searches=2), ("rerank_searches",)),
    ],
)
def test_unpriced_counts_are_named(book: PriceBook, model: str, usage: Usage, unpriced: tuple[str, ...]) -> None:
    """What no rate pays for is in the cost by name; genai-prices gives the same amount and no word."""
    served_by, info = SNAPSHOT.find_provider_model(model, None, "openai", None)
    cost = book.price(usage, provider="openai", model=model, at=AT)
    assert cost.nanos == genai_nanos(info, served_by, usage, AT, None)
    assert cost.unpriced == unpriced


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "whisper-1", Usage(input_tokens=10, output_tokens=3)),
        ("openai", "tts-1", Usage(input_tokens=10)),
        ("github-copilot", "gpt-4o", Usage(input_tokens=10)),
        ("openai", "gpt-5", Usage(code_executions=1)),
    ],
)
def test_unpriced_counts_alone_are_an_unknown_cost(book: PriceBook, provider: str, model: str, usage: Usage) -> None:
    """Where no rate is for anything that was used, the cost is unknown and says why; genai-prices says zero."""
    _, info = SNAPSHOT.find_provider_model(model, None, provider, None)
    assert genai_nanos(info, PROVIDERS[provider], usage, AT, None) == 0
    cost = book.price(usage, provider=provider, model=model, at=AT)
    assert (cost.nanos, cost.total, cost.items) == (None, None, ())
    assert cost.unpriced == tuple(usage.counts())
    assert cost.reason is not None
    assert all(name in cost.reason for name in usage.counts())


@pytest.mark.parametrize("name", ["deepseek/deepseek-r1:free", "meta-llama/llama-3.3-70b-instruct:free"])
def test_free_variants_are_free(book: PriceBook, name: str) -> None:
    """What OpenRouter sells for nothing has a price, which is zero: its tokens are not unpriced."""
    cost = book.price(Usage(input_tokens=10, output_tokens=3), provider="openrouter", model=name, at=AT)
    assert (cost.total, cost.unpriced, cost.reason) == (Decimal(0), (), None)
    cost = book.price(Usage(input_tokens=10, web_searches=1), provider="openrouter", model=name, at=AT)
    assert cost.unpriced == ("web_searches",)


def test_counts_that_no_response_reports(book: PriceBook) -> None:
    """Exactly these rates of the data have no count in a usage; a second of audio has one, by its other name."""
    priced = {unit for model in models() for unit in units(model.info)}
    uncounted = priced - set(COUNTED) - {"requests", "input_audio_seconds"}
    assert uncounted == {"input_characters", "input_text_messages"}
    per_second = [model for model in models() if "input_audio_seconds" in units(model.info)]
    assert per_second
    assert all("audio_seconds" in units(model.info) for model in per_second)


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
    assert cost.unpriced if cost.nanos is None else cost.nanos >= 0


def test_names_written_in_other_ways(book: PriceBook) -> None:
    """A slug and a dotted version are found here and not there, and the cost says that the name was another one."""
    for provider, name in (
        (None, "openai/gpt-4o"),
        (None, "openai:gpt-4o"),
        ("google", "models/gemini-2.5-flash"),
    ):
        assert found_by_genai(provider, name) is None
        cost = book.price(Usage(input_tokens=1), provider=provider, model=name, at=AT)
        assert cost.nanos is not None
        assert cost.match == "alias"


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
