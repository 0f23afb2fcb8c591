"""The user's own prices: what they state wins, to the nano-dollar, and everything else stays as it is listed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.timetable import PriceData, RateData
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices import load_price_book
from ai_cost_calc.prices.overlay import Discount

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000)
"""Of gpt-5, at $1.25 and $10 a million, $2.25; of claude-sonnet-4-5, at $3 and $15, and this large, see its tiers."""
SMALL = Usage(input_tokens=1_000, output_tokens=100)

Own = Callable[[str], PriceBook]


@pytest.fixture
def own(price_folder: Path, tmp_path: Path) -> Own:
    """A price book with own prices in it."""

    def load(text: str, name: str = "prices.toml") -> PriceBook:
        path = tmp_path / name
        path.write_text(text)
        return load_price_book(price_folder, own_prices=path, on_fault=_fail)

    return load


def _fail(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


def nanos(
    book: PriceBook, provider: str | None, model: str, usage: Usage = SMALL, at: float = NOW, **context: str
) -> int | None:
    """What a usage costs."""
    return book.price(usage, provider=provider, model=model, at=at, context=context or None).nanos


CONTRACT = """
[[prices]]
provider = "openai"
model = "gpt-5"
rates = { input_tokens = "1.00", output_tokens = 8 }
"""


def test_a_contract_rate_wins(own: Own) -> None:
    """1,000 tokens at $1 a million and 100 at $8; rates that are not named stay as they are listed."""
    book = own(CONTRACT)
    assert nanos(book, "openai", "gpt-5") == 1_000_000 + 800_000
    cached = Usage(input_tokens=1_000, cache_read_tokens=1_000)
    assert nanos(book, "openai", "gpt-5", cached) == 125_000
    assert nanos(book, "openai", "gpt-5-mini") == 450_000


def test_a_contract_holds_for_every_spelling(own: Own) -> None:
    """Slugs, dated names and bare names lead to the same rates."""
    book = own(CONTRACT)
    for provider, model in (
        ("openai", "gpt-5-2025-08-07"),
        (None, "gpt-5"),
        (None, "openai/gpt-5"),
        ("OpenAI", "GPT-5"),
    ):
        assert nanos(book, provider, model) == 1_800_000


def test_a_contract_is_with_one_provider(own: Own) -> None:
    """OpenAI's rates for you are not Azure's, though Azure's listed prices are OpenAI's; and the other way round."""
    at_openai = own(CONTRACT)
    assert nanos(at_openai, "azure", "gpt-5") == 2_250_000
    at_azure = own(CONTRACT.replace('"openai"', '"azure"'))
    assert nanos(at_azure, "azure", "gpt-5") == 1_800_000
    assert nanos(at_azure, "openai", "gpt-5") == 2_250_000
    assert at_azure.price(SMALL, provider="azure", model="claude-sonnet-4-5", at=NOW).nanos == 4_500_000


def test_contexts_keep_their_listed_rates(own: Own) -> None:
    """A contract without a context is for standard calls; a batch still costs what is listed for batches."""
    book = own(CONTRACT)
    assert nanos(book, "openai", "gpt-5", processing="batch") == 1_125_000
    assert nanos(book, "openai", "gpt-5", service_tier="priority") == 4_500_000


def test_a_contract_for_one_context(own: Own) -> None:
    """Rates `when` a call is a batch, or of a tier, are for those calls only."""
    book = own("""
        [[prices]]
        provider = "openai"
        model = "gpt-5"
        when = { processing = "batch" }
        rates = { input_tokens = "0.5" }

        [[prices]]
        provider = "openai"
        model = "gpt-5"
        when = { service_tier = "scale" }
        rates = { input_tokens = "4", output_tokens = "30" }
    """)
    assert nanos(book, "openai", "gpt-5", processing="batch") == 500_000 + 500_000
    assert nanos(book, "openai", "gpt-5", service_tier="scale") == 4_000_000 + 3_000_000
    assert nanos(book, "openai", "gpt-5") == 2_250_000


def test_tiers_are_cliffs(own: Own) -> None:
    """1,000 tokens pay the base, one more and every token pays the tier."""
    book = own("""
        [[prices]]
        provider = "openai"
        model = "gpt-5"
        [prices.rates]
        input_tokens = { base = "1", tiers = [{ above = 1000, price = "2" }, { above = 5000, price = "3.5" }] }
    """)
    for tokens, rate in ((1_000, "1"), (1_001, "2"), (5_000, "2"), (5_001, "3.5")):
        assert nanos(book, "openai", "gpt-5", Usage(input_tokens=tokens)) == tokens * Decimal(rate) * 1_000


def test_dates_are_days_of_utc(own: Own) -> None:
    """From midnight of `from` to midnight of `until`; outside of it the listed rate, to the second."""
    book = own(CONTRACT + "from = 2026-07-01\nuntil = 2026-10-01\n")
    first, end = (datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (7, 10))
    expected = {first - 1: 2_250_000, first: 1_800_000, end - 1: 1_800_000, end: 2_250_000}
    assert {at: nanos(book, "openai", "gpt-5", at=at) for at in expected} == expected


def test_of_two_that_meet_the_later_one_wins(own: Own) -> None:
    """A second entry changes what it names, and leaves the rest to the first."""
    book = own(CONTRACT + CONTRACT.replace('"1.00"', '"0.50"').replace(", output_tokens = 8", "") + "from = 2026-07-01")
    assert nanos(book, "openai", "gpt-5") == 500_000 + 800_000
    assert nanos(book, "openai", "gpt-5", at=datetime(2026, 6, 1, tzinfo=UTC).timestamp()) == 1_800_000


HOUSE = """
[[prices]]
provider = "house"
model = "Llama-70B"
name = "Our own Llama"
context_window = 128000
rates = { input_tokens = "0.10", output_tokens = "0.30", requests = "1" }
"""


def test_a_model_of_your_own(own: Own) -> None:
    """A self-hosted model has a price, a name and a context window; 1,000 requests cost a dollar."""
    book = own(HOUSE)
    for provider, model in (
        ("house", "llama-70b"),
        (None, "llama-70b"),
        (None, "house/Llama-70B"),
        ("House", "LLAMA-70B"),
    ):
        assert nanos(book, provider, model) == 100_000 + 30_000 + 1_000_000
    found = book.find("house", "llama-70b")
    assert found is not None
    assert (found.id, found.name, found.context_window, found.match) == ("Llama-70B", "Our own Llama", 128_000, "exact")
    assert "house/Llama-70B" in {f"{model.provider}/{model.id}" for model in book.models()}


def test_a_model_of_your_own_at_a_known_provider(own: Own) -> None:
    """A fine-tuned model is found before the family that its name begins like, and by its name alone."""
    book = own("""
        [[prices]]
        provider = "openai"
        model = "gpt-5-house"
        rates = { input_tokens = "7", output_tokens = "9" }
    """)
    assert nanos(book, "openai", "gpt-5-house") == nanos(book, None, "gpt-5-house") == 7_000_000 + 900_000
    assert nanos(book, "openai", "gpt-5") == 2_250_000


def test_a_price_that_is_not_in_force_is_unknown(own: Own) -> None:
    """Outside of its dates a model of your own costs nothing that is known, which is not zero."""
    book = own(HOUSE + "from = 2026-12-01\n")
    cost = book.price(SMALL, provider="house", model="llama-70b", at=NOW)
    assert (cost.nanos, cost.total, cost.price_version) == (None, None, book.version)
    assert "in force" in (cost.reason or "")
    assert book.rates("house", "llama-70b", NOW) is None
    assert nanos(book, "house", "llama-70b", at=datetime(2026, 12, 1, tzinfo=UTC).timestamp()) == 1_130_000


def test_counts_without_a_rate_are_named(own: Own) -> None:
    """A model whose searches have no rate says so."""
    cost = own(HOUSE).price(Usage(input_tokens=1_000, web_searches=2), provider="house", model="llama-70b", at=NOW)
    assert (cost.nanos, cost.unpriced) == (1_100_000, ("web_searches",))


def test_the_dearest_rate_of_a_provider_of_your_own(own: Own) -> None:
    """A budget bounds an unknown model of the house by its dearest known one: 30 cents a million."""
    assert own(HOUSE).dearest_rate("house", NOW) == Fraction(3, 10_000_000)


DISCOUNT = """
[[discounts]]
provider = "anthropic"
percent = "12.5"
"""


def test_a_discount_is_exact(own: Own) -> None:
    """An eighth off $3 and $15 a million: $2.625 and $13.125."""
    book = own(DISCOUNT)
    assert nanos(book, "anthropic", "claude-sonnet-4-5") == 2_625_000 + 1_312_500
    assert nanos(book, "google", "claude-sonnet-4-5") == 4_500_000
    assert nanos(book, "openai", "gpt-5") == 2_250_000


def test_a_discount_is_on_every_context_and_date(own: Own, book: PriceBook) -> None:
    """For each listed model, time and context, half off is half of what is listed."""
    halved = own('[[discounts]]\nprovider = "openai"\npercent = "50"\n[[discounts]]\nprovider="deepseek"\npercent="50"')
    times = [datetime(2026, 11, 23, hour, tzinfo=UTC).timestamp() for hour in (0, 2, 8, 20)] + [1.6e9, 1.75e9, 2.0e9]
    usage = Usage(input_tokens=2_000_000, output_tokens=2_000_000, cache_read_tokens=1_000_000)
    models = [model for model in book.models() if model.provider in {"openai", "deepseek"}]
    assert len(models) > 50
    for model in models:
        for at in times:
            for context in ({}, {"processing": "batch"}, {"service_tier": "priority"}, {"service_tier": "flex"}):
                listed, mine = (
                    Fraction(nanos(one, model.provider, model.id, usage, at, **context) or 0) for one in (book, halved)
                )
                assert abs(mine - listed / 2) <= Fraction(1, 2), (model.id, at, context)


def test_the_closest_discount_counts(own: Own) -> None:
    """A model's own discount beats a pattern's, which beats the provider's, wherever they stand; they do not add up."""
    book = own("""
        [[discounts]]
        provider = "openai"
        model = "gpt-5-mini"
        percent = "50"
        [[discounts]]
        provider = "openai"
        model = "gpt-5*"
        percent = "20"
        [[discounts]]
        provider = "openai"
        percent = "10"
    """)
    assert nanos(book, "openai", "gpt-5-mini") == 450_000 * 5 // 10
    assert nanos(book, "openai", "gpt-5") == 2_250_000 * 8 // 10
    assert nanos(book, "openai", "gpt-4o") == 3_500_000 * 9 // 10


def test_a_discount_of_a_cloud_is_on_what_it_serves_for_others(own: Own) -> None:
    """A tenth off Azure is also off the models of OpenAI and Anthropic that Azure sells, and off nothing else."""
    book = own('[[discounts]]\nprovider = "azure"\npercent = 10')
    assert nanos(book, "azure", "gpt-5") == 2_025_000
    assert nanos(book, "azure", "claude-sonnet-4-5") == 4_050_000
    assert nanos(book, "openai", "gpt-5") == 2_250_000


def test_a_discount_on_some_rates(own: Own) -> None:
    """`only` leaves the other rates as they are listed."""
    book = own('[[discounts]]\nprovider = "openai"\nmodel = "gpt-5"\npercent = 50\nonly = ["input_tokens"]')
    assert nanos(book, "openai", "gpt-5") == 625_000 + 1_000_000


def test_a_discount_with_dates(own: Own) -> None:
    """It holds from its first day to the day before `until`, and between only half of what is listed is paid."""
    book = own('[[discounts]]\nprovider = "openai"\npercent = 50\nfrom = 2026-11-01\nuntil = "2026-12-01"')
    first, end = (datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (11, 12))
    expected = {first - 1: 2_250_000, first: 1_125_000, end - 1: 1_125_000, end: 2_250_000}
    assert {at: nanos(book, "openai", "gpt-5", at=at) for at in expected} == expected


def test_a_discount_is_not_on_rates_you_state(own: Own) -> None:
    """A stated rate is what you pay; the discount is on the listed rates beside it."""
    book = own(CONTRACT.replace(", output_tokens = 8", "") + '[[discounts]]\nprovider = "openai"\npercent = 10')
    assert nanos(book, "openai", "gpt-5") == 1_000_000 + 900_000


def test_below_zero_it_is_a_surcharge(own: Own) -> None:
    """A tenth more."""
    assert nanos(own('[[discounts]]\nmodel = "gpt-5"\npercent = -10'), "openai", "gpt-5") == 2_475_000


@settings(max_examples=200, deadline=None)
@given(
    base=st.decimals(0, 10_000, places=9, allow_nan=False),
    tier=st.decimals(0, 10_000, places=4, allow_nan=False),
    percent=st.decimals("0.000001", 100, places=6, allow_nan=False),
)
def test_no_discount_is_rounded(base: Decimal, tier: Decimal, percent: Decimal) -> None:
    """Whatever the rate and the percentage, the result is the exact product."""
    listed = PriceData({"input_tokens": RateData(f"{base:f}", ((1_000, f"{tier:f}"),))})
    found = Discount(percent=percent, provider="openai").of(listed)
    assert found is not None
    rate = found.rates["input_tokens"]
    share = 1 - Fraction(percent) / 100
    assert Fraction(rate.base) == Fraction(base) * share
    assert Fraction(rate.tiers[0][1]) == Fraction(tier) * share


def test_an_alias_is_another_name(own: Own) -> None:
    """A deployment of Azure, an inference profile of Bedrock and a fine-tuned model have the price of their model."""
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"
    book = own(f"""
        [[aliases]]
        provider = "azure"
        name = "Prod-Chat"
        model = "gpt-4o"
        [[aliases]]
        provider = "aws"
        name = "{profile}"
        model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
        [[aliases]]
        name = "ft:gpt-4o-mini:acme::1"
        model = "openai/gpt-4o"
    """)
    assert nanos(book, "azure", "prod-chat") == nanos(book, None, "azure/prod-chat") == 3_500_000
    assert nanos(book, "aws", profile) == 4_500_000
    assert nanos(book, "openai", "ft:gpt-4o-mini:acme::1") == 3_500_000
    found = book.find("azure", "prod-chat")
    assert found is not None
    assert (found.id, found.match) == ("gpt-4o", "alias")
    assert book.find("openai", "prod-chat") is None


def test_the_constructors_names_win_over_the_files(price_folder: Path, tmp_path: Path) -> None:
    """What is said in code beats what is said in a file."""
    (tmp_path / "prices.toml").write_text('[[aliases]]\nname = "chat"\nmodel = "gpt-4o"')
    book = load_price_book(price_folder, own_prices=tmp_path / "prices.toml", model_map={"chat": "openai/gpt-5"})
    assert nanos(book, None, "chat") == 2_250_000


def test_an_alias_beats_a_known_name(own: Own) -> None:
    """A deployment that is called like another model is what you say it is."""
    book = own('[[aliases]]\nprovider = "azure"\nname = "gpt-4o"\nmodel = "gpt-4o-mini"')
    assert nanos(book, "azure", "gpt-4o") == nanos(book, "openai", "gpt-4o-mini")
    assert nanos(book, "openai", "gpt-4o") == 3_500_000


def test_what_leads_nowhere_is_said(own: Own, caplog: pytest.LogCaptureFixture) -> None:
    """A discount on nothing and an alias of nothing are logged with their place, each time the prices are loaded."""
    text = (
        '[[discounts]]\nprovider = "openai"\nmodel = "gtp-5"\npercent = 5\n[[aliases]]\nname = "x"\nmodel = "no/thing"'
    )
    for _ in range(2):
        caplog.clear()
        book = own(text)
        assert len(book.notes) == 2
        assert "line 1, discounts[0]: no model is called openai/gtp-5" in caplog.text
        assert "'x' means no/thing, which has no price" in caplog.text


def test_a_context_that_no_response_says_is_said(own: Own) -> None:
    """Rates for a context that is misspelled would never apply: that is no error, but said with its place."""
    rates = 'rates = { input_tokens = "1", output_tokens = "2" }\n'
    entry = '[[prices]]\nprovider = "openai"\nmodel = "gpt-5"\n'
    book = own(f'{entry}when = {{ procesing = "batch" }}\n{rates}{entry}when = {{ processing = "batch" }}\n{rates}')
    (note,) = book.notes
    assert "line 1, prices[0]: no response says its 'procesing'" in note
    assert "service_tier" in note


def test_json_says_the_same_as_toml(own: Own, tmp_path: Path) -> None:
    """Either form may be used."""
    (tmp_path / "prices.json").write_text(
        '{"prices": [{"provider": "openai", "model": "gpt-5", "from": "2026-07-01",'
        ' "rates": {"input_tokens": "1.00", "output_tokens": 8}}]}'
    )
    book = load_price_book(tmp_path, own_prices=tmp_path / "prices.json")
    assert nanos(book, "openai", "gpt-5") == 1_800_000


def test_the_version_names_the_file_by_its_content(own: Own, book: PriceBook) -> None:
    """Every cost says which listed prices and which own ones it was computed from."""
    first = own(CONTRACT)
    listed, _, terms = book.version.rpartition(".")
    assert re.fullmatch(rf"{re.escape(listed)}\+overlay-[0-9a-f]{{12}}\.{terms}", first.version)
    assert first.price(SMALL, provider="openai", model="gpt-5", at=NOW).price_version == first.version
    assert own(CONTRACT).version == first.version
    assert own(CONTRACT + "\n").version != first.version


def test_an_empty_file_changes_no_price(own: Own, book: PriceBook) -> None:
    """Every model costs what it costs without it."""
    empty = own("# nothing yet\n")
    for model in book.models():
        assert nanos(empty, model.provider, model.id, USAGE) == nanos(book, model.provider, model.id, USAGE)


def test_edited_files_do_not_pile_up(own: Own, price_folder: Path) -> None:
    """Of the many versions of an edited file only some stay compiled."""
    for number in range(20):
        own(f"# {number}\n")
    assert len(list(price_folder.glob("*.msgpack"))) == 16
