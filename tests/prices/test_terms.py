"""What sellers charge beyond genai-prices' rates: each fee and multiplier by hand, on both sides of its edges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec.structs import replace

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.terms import Fee, Multiplier, Term
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices.terms import TERMS
from tests.prices.reference import COUNTED, PROVIDERS, Model, models, moments

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALL: tuple[Term, ...] = (*TERMS._fees, *TERMS._multipliers)
PLAIN = Usage(input_tokens=1_000, output_tokens=100)


def cost(
    book: PriceBook, name: str, usage: Usage = PLAIN, at: datetime = NOW, **context: str
) -> tuple[Decimal | None, tuple[str, ...]]:
    """The cost in dollars of a call to a model written `provider model`, and what of it has no price."""
    provider, model = name.split()
    found = book.price(usage, provider=provider, model=model, at=at.timestamp(), context=context)
    return found.total, found.unpriced


def usd(book: PriceBook, name: str, usage: Usage = PLAIN, at: datetime = NOW, **context: str) -> Decimal | None:
    """The cost in dollars where everything has a price."""
    total, unpriced = cost(book, name, usage, at, **context)
    assert unpriced == ()
    return total


def day(text: str) -> datetime:
    """Noon of a day."""
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


# Batches.


@pytest.mark.parametrize(
    ("name", "at", "dollars"),
    [
        ("openai gpt-4.1-mini", "2026-06-01", "0.00028"),  # 0.40 and 1.60, halved before genai-prices has batch rates
        ("openai gpt-4.1-mini", "2026-11-23", "0.00028"),  # and by its own rates since 14 October 2026
        ("openai text-embedding-3-small", "2026-11-23", None),
        ("anthropic claude-haiku-4-5", "2026-06-01", "0.00075"),  # 1 and 5
        ("anthropic claude-3-haiku-20240307", "2026-11-23", "0.0001875"),  # 0.25 and 1.25
        ("groq llama-3.3-70b-versatile", "2026-11-23", "0.0003345"),  # 0.59 and 0.79
        ("mistral pixtral-large-latest", "2026-11-23", "0.0013"),  # 2 and 6
        ("aws amazon.nova-pro-v1:0", "2026-11-23", "0.00056"),  # 0.80 and 3.20
        ("google claude-sonnet-4-5", "2026-11-23", "0.00225"),  # 3 and 15, on Vertex AI
        ("azure gpt-4.1-mini", "2026-06-01", "0.00028"),  # priced through OpenAI
        ("azure gpt-4.1-mini", "2026-11-23", "0.00028"),
    ],
)
def test_batches_cost_half(book: PriceBook, name: str, at: str, dollars: str | None) -> None:
    """1,000 tokens in and 100 out in a batch cost half of what they cost elsewhere, at every seller that says so."""
    usage = PLAIN if dollars else Usage(input_tokens=1_000_000)
    assert usd(book, name, usage, day(at), processing="batch") == Decimal(dollars or "0.01")


def test_a_batch_that_costs_no_less(book: PriceBook) -> None:
    """OpenAI lists GPT-3.5 Turbo 1106 in its batch table at the standard price, and so it is."""
    assert usd(book, "openai gpt-3.5-turbo-1106", processing="batch") == Decimal("0.0012")


def test_batches_were_not_always_cheaper(book: PriceBook) -> None:
    """Anthropic's batches began on 8 October 2024; the call of the second before is not taken for one of them."""
    first = datetime(2024, 10, 8, tzinfo=UTC)
    before = datetime(2024, 10, 7, 23, 59, 59, tzinfo=UTC)
    name = "anthropic claude-3-haiku-20240307"
    assert cost(book, name, at=before, processing="batch") == (Decimal("0.000375"), ("processing:batch",))
    assert usd(book, name, at=first, processing="batch") == Decimal("0.0001875")


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("anthropic claude-3-haiku-20240307", "0.0001135"),  # 100 at 0.25, 900 at 0.03 and 140 out at 1.25: all halved
        ("google gemini-3.5-flash", None),
        ("openai gpt-5.3-codex", None),
    ],
)
def test_cached_tokens_of_a_batch(book: PriceBook, name: str, dollars: str | None) -> None:
    """Anthropic halves cached tokens too; at Google and OpenAI they cost what they cost elsewhere."""
    usage = Usage(input_tokens=1_000, cache_read_tokens=900, output_tokens=140)
    whole, half = usd(book, name, usage), usd(book, name, usage, processing="batch")
    assert whole is not None
    assert half is not None
    provider, model = name.split()
    price = book.rates(provider, model, NOW.timestamp())
    assert price is not None
    cached = (
        Decimal(900)
        * Decimal(price.rates["cache_read_tokens"].base.numerator)
        / price.rates["cache_read_tokens"].base.denominator
    )
    spared = Decimal(0) if dollars else cached
    assert half == (whole + spared) / 2
    if dollars:
        assert half == Decimal(dollars)


def test_searches_in_a_batch_are_not_discounted(book: PriceBook) -> None:
    """Claude Haiku 4.5 in a batch: tokens for $0.00075, two searches for 1 cent each."""
    usage = replace(PLAIN, web_searches=2)
    assert usd(book, "anthropic claude-haiku-4-5", usage, processing="batch") == Decimal("0.02075")
    assert usd(book, "anthropic claude-3-5-haiku-20241022", usage, processing="batch") == Decimal("0.0206")


# Tiers of service.


@pytest.mark.parametrize(
    ("name", "at", "context", "dollars"),
    [
        ("openai gpt-5", "2025-09-16", {"service_tier": "flex"}, "0.001125"),  # 1.25 and 10, at half
        ("openai gpt-5", "2026-11-23", {"service_tier": "flex"}, "0.001125"),
        ("openai gpt-5", "2026-11-23", {"service_tier": "priority"}, "0.0045"),
        ("azure gpt-5", "2026-11-23", {"service_tier": "priority"}, "0.0045"),
        ("google gemini-2.5-flash", "2026-11-23", {"service_tier": "flex"}, "0.000275"),  # 0.30 and 2.50
        ("groq llama-3.3-70b-versatile", "2026-11-23", {"service_tier": "flex"}, "0.000669"),  # as on demand
        ("aws amazon.nova-pro-v1:0", "2026-11-23", {"service_tier": "flex"}, "0.00056"),
        ("aws amazon.nova-pro-v1:0", "2026-11-23", {"service_tier": "priority"}, "0.00196"),  # 1.75 times 0.00112
        ("aws amazon.nova-pro-v1:0", "2026-11-23", {"speed": "optimized"}, "0.0014"),  # 1 and 4 a million
        ("anthropic claude-opus-5", "2026-11-23", {"speed": "fast"}, "0.015"),  # 10 and 50
        ("google claude-haiku-4-5", "2026-11-23", {"service_tier": "default"}, "0.0015"),
    ],
)
def test_tiers_of_service(book: PriceBook, name: str, at: str, context: dict[str, str], dollars: str) -> None:
    """What a seller documents for a tier or a speed is what such a call costs."""
    assert usd(book, name, PLAIN, day(at), **context) == Decimal(dollars)


@pytest.mark.parametrize(
    ("name", "at", "context"),
    [
        ("openai gpt-5", "2026-11-23", {"service_tier": "scale"}),  # bought ahead, by contract
        ("openai gpt-5", "2026-03-31", {"service_tier": "priority"}),  # before the first known rates
        ("openai gpt-4o", "2026-11-23", {"service_tier": "flex"}),  # not sold
        ("anthropic claude-opus-5", "2026-11-23", {"service_tier": "priority"}),  # committed, by contract
        ("anthropic claude-sonnet-4-5", "2026-11-23", {"speed": "fast"}),
        ("google gemini-2.5-flash", "2026-11-23", {"service_tier": "priority"}),  # "75 to 100 % more"
        ("google gemini-2.5-flash", "2026-11-23", {"service_tier": "provisioned"}),
        ("groq llama-3.3-70b-versatile", "2026-11-23", {"service_tier": "performance"}),
        ("aws us.anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-11-23", {"service_tier": "priority"}),
        ("aws amazon.nova-pro-v1:0", "2026-11-23", {"service_tier": "reserved"}),
        ("aws amazon.nova-lite-v1:0", "2026-11-23", {"speed": "optimized"}),
        ("x-ai grok-4.6", "2026-11-23", {"processing": "batch"}),  # "20 to 50 % off"
        ("deepseek deepseek-chat", "2026-11-23", {"service_tier": "flex"}),
    ],
)
def test_what_has_no_known_price_is_named(book: PriceBook, name: str, at: str, context: dict[str, str]) -> None:
    """The tokens count at standard rates, and the cost says what it does not know: never silently standard."""
    standard = usd(book, name, at=day(at))
    assert cost(book, name, PLAIN, day(at), **context) == (standard, tuple(":".join(pair) for pair in context.items()))


# Regions.


@pytest.mark.parametrize(
    ("name", "region", "dollars"),
    [
        ("openai gpt-5.4", "eu", "0.0044"),  # 2.50 and 15 a million, and 10 %
        ("openai gpt-5.2", "eu", "0.00315"),  # released before 5 March 2026: 1.75 and 14
        ("openai gpt-4o", "us", "0.0035"),
        ("openai gpt-6-sol", "jp", None),
        ("anthropic claude-opus-4-6", "us", "0.00825"),  # 5 and 25
        ("google claude-sonnet-4-5", "us-east5", "0.00495"),  # 3 and 15
        ("google claude-sonnet-4-5", "eu", "0.00495"),  # a multi-region
        ("google claude-sonnet-4@20250514", "us-east5", "0.0045"),
        ("google gemini-2.5-flash", "europe-west4", "0.00055"),
        ("mistral pixtral-large-latest", "eu", "0.00286"),  # 2 and 6
        ("together meta-llama/Llama-3.3-70B-Instruct-Turbo", "ca", None),
        ("x-ai grok-4.6", "us", None),
        ("aws us.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu-central-1", "0.00495"),  # in genai-prices' rates
        ("aws global.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu-central-1", "0.0045"),
        ("aws amazon.nova-pro-v1:0", "us-east-1", "0.00112"),
    ],
)
def test_regions(book: PriceBook, name: str, region: str, dollars: str | None) -> None:
    """Where a call runs costs 10 % or a quarter more at those who say so, and nothing more where they say that."""
    whole = usd(book, name)
    assert whole is not None
    factor = Decimal("1.25") if name.startswith("together") else Decimal("1.1")
    assert usd(book, name, region=region) == (Decimal(dollars) if dollars else whole * factor)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("aws amazon.nova-pro-v1:0", "eu-central-1"),
        ("aws us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-gov-west-1"),
        ("google gemini-3.5-flash", "europe-west4"),
        ("azure claude-opus-5", "us"),
        ("anthropic claude-opus-5", "eu"),
        ("x-ai grok-4.3", "us-east-1"),
        ("openai gpt-image-2", "eu"),
    ],
)
def test_regions_whose_price_nobody_told(book: PriceBook, name: str, region: str) -> None:
    """Prices of Bedrock differ by region, and genai-prices has those of one: the cost says so."""
    assert cost(book, name, region=region) == (usd(book, name), (f"region:{region}",))


def test_a_batch_in_a_region_in_fast_mode(book: PriceBook) -> None:
    """Contexts multiply: Claude Opus 5 at 5 and 25, doubled, and 10 % more for `us`; a batch of it there 0.55 of it."""
    assert usd(book, "anthropic claude-opus-5", speed="fast", region="us") == Decimal("0.0165")
    assert usd(book, "anthropic claude-opus-5", processing="batch", region="us") == Decimal("0.004125")


@pytest.mark.parametrize(("tokens", "dollars"), [(200_000, "0.66"), (200_001, "1.3200066")])
def test_a_region_multiplies_every_tier(book: PriceBook, tokens: int, dollars: str) -> None:
    """Claude Sonnet 4.5 on Vertex AI in a region: 3.30 a million up to 200,000 tokens, 6.60 above for all of them."""
    assert usd(book, "google claude-sonnet-4-5", Usage(input_tokens=tokens), region="us-east5") == Decimal(dollars)


# Fees.


@pytest.mark.parametrize(
    ("name", "usage", "context", "dollars"),
    [
        ("openai gpt-5", {"web_searches": 1}, {}, "0.01"),
        ("openai gpt-5.3-codex", {"web_searches": 3}, {}, "0.03"),  # no rate in genai-prices
        ("openai gpt-4.1", {"web_searches": 2}, {}, "0.02"),
        (
            "openai gpt-4.1",
            {"web_searches": 2},
            {"search": "preview"},
            "0.05",
        ),  # $25 per 1,000, models that do not reason
        ("openai gpt-4o-mini", {"web_searches": 2}, {"search": "preview"}, "0.05"),
        ("openai gpt-5", {"web_searches": 2}, {"search": "preview"}, "0.02"),
        ("openai o4-mini", {"web_searches": 2}, {"search": "preview"}, "0.02"),
        ("openai gpt-4.1-nano", {"storage_searches": 4}, {}, "0.01"),
        ("openai gpt-4o-search-preview", {}, {}, "0.025"),  # every request searches
        ("openai gpt-5-search-api", {}, {}, "0.01"),
        ("anthropic claude-sonnet-4-5", {"web_searches": 1}, {}, "0.01"),
        ("anthropic claude-sonnet-4-5", {"web_searches": 1, "web_fetches": 9}, {}, "0.01"),  # fetches are free
        ("google claude-sonnet-4-5", {"web_searches": 1}, {}, "0.01"),  # no rate in genai-prices
        ("google gemini-2.5-flash", {"web_searches": 1}, {}, "0.035"),
        ("google gemini-live-2.5-flash-preview", {"web_searches": 1}, {}, "0.035"),
        ("google gemini-2.5-flash", {"web_searches": 1}, {"search": "maps"}, "0.025"),
        ("google gemini-3-pro-preview", {"web_searches": 2}, {"search": "maps"}, "0.028"),
        ("google gemini-2.5-flash-image", {"web_searches": 1}, {}, "0.035"),  # no rate in genai-prices
        ("google gemini-3-flash-preview", {"web_searches": 3}, {}, "0.042"),
        ("x-ai grok-4.3", {"web_searches": 2}, {}, "0.01"),
        ("x-ai grok-4.3", {"social_searches": 1, "code_executions": 1}, {}, "0.01"),
        ("x-ai grok-4.3", {"storage_searches": 2}, {}, "0.005"),
        ("x-ai grok-4.3", {"storage_searches": 2}, {"search": "attachments"}, "0.02"),
        ("perplexity sonar", {}, {"search": "low"}, "0.005"),
        ("perplexity sonar", {"web_searches": 4}, {"search": "low"}, "0.005"),  # in the fee for the request
        ("perplexity sonar", {}, {"search": "medium"}, "0.008"),
        ("perplexity sonar", {}, {"search": "high"}, "0.012"),
        ("perplexity sonar-pro", {}, {"search": "low"}, "0.006"),
        ("perplexity sonar-reasoning-pro", {}, {"search": "medium"}, "0.01"),
        ("cohere rerank-v3.5", {"rerank_searches": 3}, {}, "0.006"),
        ("cohere rerank-english-v3.0", {"rerank_searches": 1}, {}, "0.002"),
    ],
)
def test_fees(book: PriceBook, name: str, usage: dict[str, int], context: dict[str, str], dollars: str) -> None:
    """So many calls of a tool, searches or requests cost what the seller's price list says, and are itemised."""
    used = Usage(**usage)
    assert usd(book, name, used, NOW, **context) == Decimal(dollars)
    provider, model = name.split()
    items = book.price(used, provider=provider, model=model, at=NOW.timestamp(), context=context).items
    fee = {"requests"} if provider == "perplexity" or not usage else set()
    assert {item.name for item in items} == usage.keys() - {"web_fetches"} | fee
    assert sum(item.usd for item in items) == Decimal(dollars)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("openai gpt-5", "code_executions"),  # a container costs by the minute
        ("anthropic claude-sonnet-4-5", "code_executions"),  # by the hour, after 1,550 free ones
        ("groq llama-3.3-70b-versatile", "web_searches"),
        ("mistral mistral-large-latest", "web_searches"),
        ("x-ai grok-4.3", "images"),
    ],
)
def test_tools_whose_price_nobody_told(book: PriceBook, name: str, count: str) -> None:
    """What cannot be known from a response is named, never silently free; without anything else nothing is known."""
    assert cost(book, name, Usage(**{count: 1})) == (None, (count,))
    total, unpriced = cost(book, name, Usage(input_tokens=1, **{count: 1}))
    assert total == cost(book, name, Usage(input_tokens=1))[0]
    assert unpriced == (() if count == "images" else (count,))  # made of tokens, where there are tokens


# What terms leave alone.


def test_terms_change_nothing_for_tokens_without_a_context(book: PriceBook, genai_book: PriceBook) -> None:
    """Every model at every date costs exactly the rates of genai-prices; only search models have a fee a request."""
    tokens = {"input_tokens": 40_001, "output_tokens": 7_003, "cache_read_tokens": 9_001, "cache_write_tokens": 2_002}
    usage = Usage(**tokens)

    def differs(model: Model, at: float) -> bool:
        both = [each.price(usage, provider=model.provider.id, model=model.name, at=at) for each in (book, genai_book)]
        return both[0].nanos != both[1].nanos or both[0].unpriced != both[1].unpriced

    different = {model.info.id for model in models() for at in moments(model.info) if differs(model, at)}
    assert different == {"gpt-4o-search-preview", "gpt-5-search-api"}


def test_rates_of_genai_prices_stand(book: PriceBook, genai_book: PriceBook) -> None:
    """Where it has a rate for a context or a count, ours is that one, at every date since which it has it."""
    counts = {name: 3 for name in COUNTED if not name.endswith("_tokens")} | {"input_tokens": 500, "output_tokens": 50}
    usage = Usage(**counts)
    for model in models():
        for variant in model.info.price_variants or ():
            at = moments(model.info)[-1]
            mine, theirs = (each.rates(model.provider.id, model.name, at, variant.when) for each in (book, genai_book))
            assert mine is not None
            assert theirs is not None
            own = {name: mine.rates[name] for name in theirs.rates}
            if _has_now(variant, at):
                assert own == theirs.rates, (model.name, variant.when)
            assert mine.nanos(usage) >= 0


def _has_now(variant: object, at: float) -> bool:
    start = getattr(getattr(variant, "constraint", None), "start_date", None)
    return start is None or at >= datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()


# The list itself.


@pytest.mark.parametrize("term", ALL, ids=lambda term: f"{term.sellers[0]} {term.context or term.count}")
def test_a_term_is_whole(term: Term) -> None:
    """It names known sellers, a page and a month, a day that exists, and models and counts that exist."""
    assert re.search(r"\S+\.\S+.*20\d\d-\d\d|Price List", term.source)
    assert not term.since or date.fromisoformat(term.since) <= NOW.date()
    for seller in term.sellers:
        provider = PROVIDERS[seller]
        sold = [provider, *(PROVIDERS[other] for other in provider.fallback_model_providers or ())]
        assert any(term.is_for(seller, model.id) for each in sold for model in each.models)
    assert not isinstance(term, Fee) or term.count in {"requests", *COUNTED}
    assert isinstance(term, Fee | Multiplier)
    amount = term.usd_per_1000 if isinstance(term, Fee) else term.factor
    assert Decimal(amount) >= 0


def test_no_term_is_written_twice() -> None:
    """Two terms of one seller for one model, context and day would be a slip of the pen."""
    seen: list[tuple[object, ...]] = []
    for term in ALL:
        for seller in term.sellers:
            for model in PROVIDERS[seller].models:
                if term.is_for(seller, model.id):
                    about = getattr(term, "count", ""), term.context, term.since
                    seen.append((seller, model.id, *about))
    assert not [one for one, other in pairwise(sorted(seen, key=str)) if one == other]


def test_the_terms_of_a_seller_are_those_of_its_customers(book: PriceBook) -> None:
    """Claude costs more in `us` from Anthropic; the same model, served by Azure, is on Azure's terms."""
    context: Mapping[str, str] = {"region": "us"}
    found = [
        book.price(PLAIN, provider=provider, model="claude-opus-5", at=NOW.timestamp(), context=context)
        for provider in ("anthropic", None, "azure")
    ]
    assert [(each.provider, each.nanos, each.unpriced) for each in found] == [
        ("anthropic", 8_250_000, ()),
        ("anthropic", 8_250_000, ()),
        ("anthropic", 7_500_000, ("region:us",)),
    ]
