"""Fetched price data: compiled to the very snapshot that the bundled data gives, or refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import PriceDataError
from ai_cost_calc.prices import book_of
from ai_cost_calc.prices.compile import compile_snapshot
from ai_cost_calc.prices.fetched import read_fetched
from ai_cost_calc.prices.kept import version_of
from tests.prices.published import as_json, model_in, published

Data = list[dict[str, Any]]


def small() -> Data:
    """One provider with one model, in the published form."""
    prices = {"input_mtok": Decimal("1.25"), "output_mtok": {"base": 10, "tiers": [{"start": 200_000, "price": 15}]}}
    model = {"id": "gpt-5", "match": {"or": [{"equals": "gpt-5"}, {"regex": r"^gpt-5-\d{8}$"}]}, "prices": prices}
    return [{"id": "openai", "name": "OpenAI", "api_pattern": "https://api", "models": [model]}]


def test_published_data_compiles_to_the_bundled_snapshot() -> None:
    """The installed data, written as JSON and read again, is the same snapshot to the last rate, rule and date."""
    body = as_json(published())
    assert read_fetched(body, "v") == compile_snapshot("v")


def test_numbers_are_read_digit_for_digit() -> None:
    """A rate that no float holds is exact; how it is written does not matter."""
    data = small()
    model_in(data, "openai", "gpt-5")["prices"] = {"input_mtok": 7, "output_mtok": 8}
    body = as_json(data).replace(b'"input_mtok": 7', b'"input_mtok": 0.1000000000000000055')
    body = body.replace(b'"output_mtok": 8', b'"output_mtok": 8.0E0')
    book = book_of(read_fetched(body, "v"))
    rates = book.data_of("openai", "gpt-5")
    assert rates is not None
    assert (rates.prices[0].rates["input_tokens"].base, rates.prices[0].rates["output_tokens"].base) == (
        "0.1000000000000000055", "8"
    )  # fmt: skip


def test_dates_hours_contexts_and_tiers_are_read() -> None:
    """Everything that a price can depend on."""
    data = small()
    model_in(data, "openai", "gpt-5").update(
        prices=[
            {"prices": {"input_mtok": 1}},
            {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 2}},
            {"constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00Z"}, "prices": {"input_mtok": 4}},
        ],
        price_variants=[{"when": {"processing": "batch"}, "prices": {"input_mtok": Decimal("0.5")}}],
    )
    book = book_of(read_fetched(as_json(data), "v"))

    def nanos(at: float, **context: str) -> int | None:
        usage = Usage(input_tokens=1_000_000)
        return book.price(usage, provider="openai", model="gpt-5", at=at, context=context or None).nanos

    assert [nanos(at) for at in (1.7e9, 1_767_225_600 + 5 * 3_600, 1_767_225_600 + 2 * 3_600)] == [
        10**9,
        2 * 10**9,
        4 * 10**9,
    ]
    assert nanos(1.7e9, processing="batch") == 5 * 10**8


def test_the_same_data_has_the_same_version() -> None:
    """Whenever and wherever it was fetched."""
    assert version_of(b"x") == version_of(b"x") != version_of(b"y")
    assert version_of(b"x").startswith("genai-prices-fetched+")


def test_what_we_do_not_use_may_be_anything() -> None:
    """How other programs extract usage is no concern of prices."""
    data = small()
    data[0]["extractors"] = [{"api_flavor": "new", "root": ["a", {"type": "unheard-of"}]}]
    assert read_fetched(as_json(data), "v").providers[0].id == "openai"


def changed(change: Callable[[Data, dict[str, Any]], object]) -> bytes:
    """Price data in which something was changed."""
    data = small()
    change(data, model_in(data, "openai", "gpt-5"))
    return as_json(data)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"<!DOCTYPE html><html><body>Sign in", "begins with '<!DOCTYPE html><html><body>Sign in'"),
        (b"\xff\xfe\x00", "no JSON"),
        (as_json(small())[:-20], "no JSON"),
        (b"[" * 200_000, "no JSON"),
        (b'{"providers": []}', "a list of providers was expected"),
        (b"[]", "there is no model in it"),
        (b"[1, 2]", "no price data of genai-prices: 0: "),
        (b'[{"id": "openai"}]', "0.name: Field required"),
        (changed(lambda data, _: data.append(data[0])), "two providers have the same id"),
        (changed(lambda data, _: data[0].update(models=[])), "there is no model in it"),
        (changed(lambda _, model: model.update(prices=[])), "openai/gpt-5 has no prices"),
        (changed(lambda _, model: model.pop("match")), "0.models.0.match: Field required"),
        (changed(lambda _, model: model.update(match={"sounds_like": "gpt"})), "no price data"),
        (changed(lambda _, model: model.update(match={"regex": "("})), "has a pattern that is none"),
        (changed(lambda _, model: model.update(match={"regex": "^(a+)+$"})), "could take for ever"),
        (changed(lambda _, model: model.update(match={"regex": "a" * 501})), "could take for ever"),
        (changed(lambda _, model: model["prices"].update(input_mtok=-1)), "openai/gpt-5 has a rate of -1"),
        (changed(lambda _, model: model["prices"].update(input_mtok=10**8)), "openai/gpt-5 has a rate of 100000000"),
        (changed(lambda _, model: model["prices"].update(input_mtok="cheap")), "no price data"),
        (as_json(small()).replace(b"1.25", b"1e999999999"), "no amount of money"),
        (as_json(small()).replace(b"1.25", b"1e-999999999"), "no amount of money"),
        (as_json(small()).replace(b"1.25", b"NaN"), "NaN is no number"),
        (as_json(small()).replace(b"1.25", b"-Infinity"), "-Infinity is no number"),
        (as_json(small()).replace(b"1.25", b"1." + b"1" * 5_000), "no amount of money"),
        (as_json(small()).replace(b"1.25", b"1" * 5_000), "no JSON"),
        (as_json(small()).replace(b"1.25", b'"Infinity"'), "input_mtok.decimal: Input should be a finite number"),
        (as_json(small()).replace(b"1.25", b'"1e999999999"'), "1E+999999999 is no rate"),
        (as_json(small()).replace(b"1.25", b'"0e-999999999"'), "is no rate"),
    ],
)  # fmt: skip
def test_what_cannot_be_prices_is_refused(body: bytes, said: str) -> None:
    """Garbage, other documents, data that is cut, and numbers that are no prices, each with its reason."""
    with pytest.raises(PriceDataError) as caught:
        read_fetched(body, "v")
    assert said in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_data_is_refused_or_is_prices(data: st.DataObject) -> None:
    """Whatever bytes are changed, the answer is a snapshot of a model with a price, or the one error."""
    body = bytearray(as_json(small()))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        snapshot = read_fetched(bytes(body), "v")
    except PriceDataError:
        return
    book = book_of(snapshot)
    for model in book.models():
        book.price(Usage(input_tokens=1), provider=model.provider, model=model.id, at=1.8e9)
