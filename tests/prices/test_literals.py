"""Costs worked out by hand from the price lists of vendors, in millionths of a dollar per token times tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def total(
    book: PriceBook, name: str, usage: Usage, *, at: datetime = AT, context: dict[str, str] | None = None
) -> Decimal | None:
    """The cost in dollars of a call to a model written `provider model`."""
    provider, model = name.split()
    return book.price(usage, provider=provider, model=model, at=at.timestamp(), context=context).total


def test_cached_prompt_tokens_of_gpt_4o_cost_half(book: PriceBook) -> None:
    """600 fresh at 2.50, 400 cached at 1.25 and 500 out at 10 are 7,000 millionths."""
    usage = Usage(input_tokens=1_000, cache_read_tokens=400, output_tokens=500)
    assert total(book, "openai gpt-4o-2024-08-06", usage) == Decimal("0.007")


def test_cache_writes_of_claude_cost_by_how_long_they_live(book: PriceBook) -> None:
    """3,000 at 3, 4,000 read at 0.30, 2,000 for 5 minutes at 3.75, 1,000 for an hour at 6, 500 out at 15: 31,200."""
    usage = Usage(
        input_tokens=10_000,
        cache_read_tokens=4_000,
        cache_write_tokens=3_000,
        cache_write_5m_tokens=2_000,
        cache_write_1h_tokens=1_000,
        output_tokens=500,
    )
    assert total(book, "anthropic claude-sonnet-4-5-20250929", usage) == Decimal("0.0312")
    batch = {"processing": "batch"}
    assert total(book, "anthropic claude-sonnet-4-5-20250929", usage, context=batch) == Decimal("0.0156")


@pytest.mark.parametrize(
    ("input_tokens", "dollars"),
    [
        (200_000, "0.615"),  # 200,000 at 3 and 1,000 out at 15
        (200_001, "1.222506"),  # 200,001 at 6 and 1,000 out at 22.50
    ],
)
def test_claude_sonnet_costs_more_for_long_prompts(book: PriceBook, input_tokens: int, dollars: str) -> None:
    """One token above 200,000 makes every token of the request dearer, output too."""
    usage = Usage(input_tokens=input_tokens, output_tokens=1_000)
    assert total(book, "anthropic claude-sonnet-4-5", usage) == Decimal(dollars)


@pytest.mark.parametrize(
    ("input_tokens", "dollars"),
    [
        (200_000, "0.26"),  # 200,000 at 1.25 and 1,000 out at 10
        (200_001, "0.5150025"),  # 200,001 at 2.50 and 1,000 out at 15
    ],
)
def test_gemini_pro_costs_more_for_long_prompts(book: PriceBook, input_tokens: int, dollars: str) -> None:
    """The cliff of Gemini 2.5 Pro lies at 200,000 tokens."""
    usage = Usage(input_tokens=input_tokens, output_tokens=1_000)
    assert total(book, "google gemini-2.5-pro", usage) == Decimal(dollars)


def test_reasoning_is_part_of_the_output(book: PriceBook) -> None:
    """o3: 1,000 in at 2 and 800 out at 8, of which 600 were reasoning, are 8,400, not 13,200."""
    usage = Usage(input_tokens=1_000, output_tokens=800, output_reasoning_tokens=600)
    assert total(book, "openai o3", usage) == Decimal("0.0084")


def test_a_price_cut_counts_from_its_day_on(book: PriceBook) -> None:
    """o3 cost 10 and 40 until the last second of 9 June 2025 (UTC), and 2 and 8 from then on."""
    usage = Usage(input_tokens=1_000, output_tokens=800)
    assert total(book, "openai o3", usage, at=datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC)) == Decimal("0.042")
    assert total(book, "openai o3", usage, at=datetime(2025, 6, 10, tzinfo=UTC)) == Decimal("0.0084")


def test_reasoning_with_a_rate_of_its_own_pays_that(book: PriceBook) -> None:
    """Sonar Deep Research: 100 in at 2, 150 out at 8, 100 reasoning at 3, 50 cited at 2; 4 searches at $5 a 1,000."""
    usage = Usage(
        input_tokens=100, output_tokens=300, output_reasoning_tokens=100, output_citation_tokens=50, web_searches=4
    )
    assert total(book, "perplexity sonar-deep-research", usage) == Decimal("0.0218")


def test_audio_of_gemini_has_its_own_rate(book: PriceBook) -> None:
    """Gemini 2.5 Flash: 500 text at 0.30, 300 audio at 1, 200 cached audio at 0.10 and 100 out at 2.50 are 720."""
    usage = Usage(
        input_tokens=1_000,
        input_audio_tokens=500,
        cache_read_tokens=200,
        cache_audio_read_tokens=200,
        output_tokens=100,
    )
    assert total(book, "google gemini-2.5-flash", usage) == Decimal("0.00072")


@pytest.mark.parametrize(
    ("tier", "dollars"),
    [("flex", "0.001125"), ("priority", "0.0045"), ("default", "0.00225"), ("unheard-of", "0.00225")],
)
def test_tiers_of_service_have_their_own_rates(book: PriceBook, tier: str, dollars: str) -> None:
    """GPT-5, 1,000 in and 100 out: 1.25 and 10 by default, half on flex, double at priority."""
    usage = Usage(input_tokens=1_000, output_tokens=100)
    assert total(book, "openai gpt-5", usage, context={"service_tier": tier}) == Decimal(dollars)


@pytest.mark.parametrize(
    ("clock", "dollars"),
    [((0, 59, 59), "0.00075"), ((1, 0, 0), "0.0015"), ((3, 59, 59), "0.0015"), ((4, 0, 0), "0.00075")],
)
def test_deepseek_costs_double_at_peak_hours(book: PriceBook, clock: tuple[int, int, int], dollars: str) -> None:
    """1,000 in and 1,000 out cost 0.15 and 0.60, and double from 01:00 to 04:00 UTC."""
    at = datetime(2026, 11, 23, *clock, tzinfo=UTC)
    usage = Usage(input_tokens=1_000, output_tokens=1_000)
    assert total(book, "deepseek deepseek-flash", usage, at=at) == Decimal(dollars)


def test_a_fee_a_request_comes_on_top(book: PriceBook) -> None:
    """Sonar Pro: 100 in at 3 and 10 out at 15 are 450, and $14 per thousand requests are 14,000 more."""
    assert total(book, "perplexity sonar-pro", Usage(input_tokens=100, output_tokens=10)) == Decimal("0.01445")


def test_searches_are_charged_by_the_thousand(book: PriceBook) -> None:
    """Three web searches of GPT-5 at $10 per thousand, with 100 in and 10 out."""
    usage = Usage(input_tokens=100, output_tokens=10, web_searches=3)
    assert total(book, "openai gpt-5", usage) == Decimal("0.030225")


@pytest.mark.parametrize(
    ("provider", "model", "seconds", "nanos"),
    [
        ("openai", "whisper-1", 7.5, 750_000),  # $0.36 an hour
        ("groq", "whisper-large-v3", 3, 308_333),  # billed as 10 seconds at $0.111 an hour
        ("groq", "whisper-large-v3", 11.25, 346_875),
    ],
)
def test_audio_is_charged_by_the_second(book: PriceBook, provider: str, model: str, seconds: float, nanos: int) -> None:
    """Rates per hour are charged to the fraction of a second; Groq charges at least ten seconds."""
    cost = book.price(Usage(audio_seconds=seconds), provider=provider, model=model, at=AT.timestamp())
    assert cost.nanos == nanos
    assert cost.unpriced == ()


def test_pages_are_charged_by_the_thousand(book: PriceBook) -> None:
    """Mistral OCR 4: 25 pages at $4 per thousand."""
    assert total(book, "mistral mistral-ocr-4-1", Usage(input_document_pages=25)) == Decimal("0.1")


def test_annotated_pages_have_a_price_of_their_own(book: PriceBook) -> None:
    """Mistral OCR 3: 20 pages at $2 per thousand, and 5 that were annotated at $3."""
    pages = Usage(input_document_pages=25, input_annotated_document_pages=5)
    assert total(book, "mistral mistral-ocr-2512", pages) == Decimal("0.055")


def test_tokens_of_video_have_a_price_of_their_own(book: PriceBook) -> None:
    """Gemini Omni: a million tokens in at $1.5, a million out at $9 and another of video at $17.5."""
    film = Usage(input_tokens=1_000_000, output_tokens=2_000_000, output_video_tokens=1_000_000)
    assert total(book, "google gemini-omni-1.1-flash", film) == Decimal(28)


def test_the_lines_of_a_cost_add_up_to_it(book: PriceBook) -> None:
    """The itemised cost of a cached call says how many tokens paid which rate."""
    usage = Usage(input_tokens=1_000, cache_read_tokens=400, output_tokens=500)
    cost = book.price(usage, provider="openai", model="gpt-4o", at=AT.timestamp())
    lines = [(item.name, item.count, item.usd_per_unit * 1_000_000, item.usd) for item in cost.items]
    assert sorted(lines) == [
        ("cache_read_tokens", 400, Decimal("1.25"), Decimal("0.0005")),
        ("input_tokens", 600, Decimal("2.5"), Decimal("0.0015")),
        ("output_tokens", 500, Decimal(10), Decimal("0.005")),
    ]
    assert cost.total == sum(item.usd for item in cost.items)


@pytest.mark.parametrize(
    ("provider", "per_million"),
    [("openai", 600), ("OpenAI", 600), ("azure", 600), ("anthropic", 75), ("elevenlabs", 9), (None, None), ("x", None)],
)
def test_the_dearest_rate_bounds_models_without_a_price(
    book: PriceBook, provider: str | None, per_million: int | None
) -> None:
    """o1-pro charges $600 a million tokens out, Claude Opus 4 $75; nothing bounds a provider nobody knows."""
    rate = book.dearest_rate(provider, AT.timestamp())
    assert (None if rate is None else rate * 1_000_000) == per_million
    assert book.dearest_rate(provider, AT.timestamp()) == rate
