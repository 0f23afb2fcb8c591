"""A file of own prices that is wrong is refused as a whole, and each mistake is named with its file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_cost_calc import AiCostCalc, ConfigError
from ai_cost_calc.prices import load_price_book

GOOD = """\
# what we pay
[[prices]]
provider = "openai"
model = "gpt-5"
from = 2026-07-01

[prices.rates]
input_tokens = "1.00"
output_tokens = "8.00"

[[discounts]]
provider = "anthropic"
percent = "15"

[[aliases]]
provider = "azure"
name = "prod-chat"
model = "gpt-4o"
"""


def refused(folder: Path, text: str | bytes, price_folder: Path, name: str = "prices.toml") -> str:
    """What is said about a file."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load_price_book(price_folder, own_prices=path)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"1.00"', "1.25", "line 8, prices[0].rates.input_tokens: 1.25 is a float, which cannot"),
        ('"1.00"', "1e-3", "line 8, prices[0].rates.input_tokens: 1e-3 is a float, which cannot"),
        ('"1.00"', "inf", "line 8, prices[0].rates.input_tokens: inf is a float"),
        ('"1.00"', "true", "line 8, prices[0].rates.input_tokens: write the amount as a string such as"),
        ('"1.00"', '"a dollar"', "line 8, prices[0].rates.input_tokens: 'a dollar' is no amount"),
        ('"1.00"', '"NaN"', "line 8, prices[0].rates.input_tokens: 'NaN' is not possible"),
        ('"1.00"', '"-1"', "line 8, prices[0].rates.input_tokens: '-1' is negative"),
        ('"1.00"', '"1e99"', "line 8, prices[0].rates.input_tokens: '1e99' is not possible: at most 10,000,000"),
        ('"1.00"', '""', "line 8, prices[0].rates.input_tokens: '' is no amount"),
        ("input_tokens =", "input_token =", "line 8, prices[0].rates.input_token: is no rate that is known"),
        ("from = 2026-07-01", 'from = "July"', "line 5, prices[0].from: must be a day such as 2026-11-01"),
        ("from = 2026-07-01", "from = 2026-07-01T00:00:00", "line 5, prices[0].from: must be a day such as 2026-11-01"),
        ("from = 2026-07-01", "from = 2026-07-01\nuntil = 2026-07-01", "line 2, prices[0]: must begin before it ends"),
        ('model = "gpt-5"', 'modell = "gpt-5"', "line 2, prices[0].model: is missing"),
        ('model = "gpt-5"', 'model = ""', "line 4, prices[0].model: must be text that is not empty, not empty text"),
        ('model = "gpt-5"', "model = 5", "line 4, prices[0].model: must be text that is not empty, not a number"),
        ('percent = "15"', "percent = 12.5", "line 13, discounts[0].percent: 12.5 is a float, which cannot"),
        ('percent = "15"', 'percent = "101"', "line 13, discounts[0].percent: '101' is not possible: at most 100"),
        ('percent = "15"', "percent = 0", "line 13, discounts[0].percent: 0 is not possible"),
        ('percent = "15"', 'percent = 9\nonly = ["requests", "tokens"]', "line 14, discounts[0].only[1]: 'tokens' is"),
        ('provider = "anthropic"\n', "", "line 11, discounts[0]: must name a provider, a model or both"),
        ('name = "prod-chat"\n', "", "line 15, aliases[0].name: is missing"),
        ("[[aliases]]", "[aliases]", "line 15, aliases: Input should be a valid list"),
        ("# what we pay", "[[discount]]\nprovider = 'x'", "line 1, discount: is not known here"),
        ("[[discounts]]", "[discounts", "prices.toml: Expected ']' at the end of a table declaration (at line 11,"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line_and_field(
    tmp_path: Path, price_folder: Path, before: str, after: str, said: str
) -> None:
    """One slip in a good file is found, and nothing else is complained about."""
    assert GOOD.count(before) >= 1
    message = refused(tmp_path, GOOD.replace(before, after, 1), price_folder)
    expected = said if said.startswith("prices.toml") else f"prices.toml, {said}"
    assert message.startswith(expected)
    assert len(message.splitlines()) == 1 + ("modell" in after)


def test_the_good_file_is_good(tmp_path: Path, price_folder: Path) -> None:
    """The mistakes above are what is refused, not what is around them."""
    (tmp_path / "prices.toml").write_text(GOOD)
    assert "overlay" in load_price_book(price_folder, own_prices=tmp_path / "prices.toml").version


def test_every_mistake_is_named_at_once(tmp_path: Path, price_folder: Path) -> None:
    """Somebody who made three slips has to look once."""
    text = GOOD.replace('"1.00"', "1.0").replace('"8.00"', "8.0").replace('percent = "15"', "percent = 1.5")
    assert [line.partition(": ")[0] for line in refused(tmp_path, text, price_folder).splitlines()] == [
        "prices.toml, line 8, prices[0].rates.input_tokens",
        "prices.toml, line 9, prices[0].rates.output_tokens",
        "prices.toml, line 13, discounts[0].percent",
    ]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ('{ cache_read_tokens = "1" }', "cache_read_tokens is a part of input_tokens, which has no rate"),
        (
            '{ input_tokens = "1", input_audio_tokens = "1", cache_read_tokens = "1" }',
            "cache_read_tokens and input_audio_tokens have cache_audio_read_tokens in common; state its rate too",
        ),
        ('{ input_tokens = { base = "1", tiers = [] } }', "List should have at least 1 item"),
        ('{ input_tokens = { base = "1", tiers = [{ above = 5, price = 0.5 }] } }', "0.5 is a float"),
        (
            '{ input_tokens = { base = "1", tiers = [{ above = 5, price = "2" }, { above = 5, price = "3" }] } }',
            "tiers must ascend, each above the one before, not [5, 5]",
        ),
        ("{}", "should have at least 1 item"),
        ('{ input_tokens = { base = "1", tiers = [{ above = "5", price = "2" }] } }', "should be a valid integer"),
        ('{ input_tokens = { base = "1", tiers = [{ above = true, price = "2" }] } }', "should be a valid integer"),
        (
            f'{{ input_tokens = {{ base = "1", tiers = [{{ above = 1{"0" * 20}, price = "2" }}] }} }}',
            "tiers[0].above: Input should be less than",
        ),
        (f"{{ input_tokens = 1{'0' * 5_000} }}", "line 4: a number is longer than any that is possible"),
        ('{ input_tokens = "1" }\ncontext_window = true', "line 5, prices[0].context_window: Input should be a valid"),
        (
            f'{{ input_tokens = "1" }}\ncontext_window = 1{"0" * 20}',
            "line 5, prices[0].context_window: Input should be less than",
        ),
        ('{ input_tokens = "1" }\nwhen = { "" = "batch" }', "line 5, prices[0].when"),
        ('{ input_tokens = "1" }\nname = "a\\u0007b"', "line 5, prices[0].name: 'a\\x07b' has characters in it"),
    ],
)
def test_rates_that_make_no_sense_together(tmp_path: Path, price_folder: Path, rates: str, said: str) -> None:
    """Parts need their total, and tiers an order."""
    message = refused(tmp_path, f'[[prices]]\nprovider = "house"\nmodel = "m"\nrates = {rates}\n', price_folder)
    assert said in message
    assert message.startswith("prices.toml, line ")


def test_json_has_lines_too(tmp_path: Path, price_folder: Path) -> None:
    """The same mistakes in JSON."""
    good = {"prices": [{"provider": "a", "model": "b", "rates": {"input_tokens": "1"}}, {"provider": "c"}]}
    text = json.dumps(good, indent=1).replace('"1"', "1.5")
    where = "prices.json, line 7, prices[0].rates.input_tokens"
    assert refused(tmp_path, text, price_folder, "prices.json").splitlines() == [
        f'{where}: 1.5 is a float, which cannot hold money exactly; write "1.5"',
        "prices.json, line 10, prices[1].model: is missing",
        "prices.json, line 10, prices[1].rates: is missing",
    ]
    assert refused(tmp_path, '{\n "prices": [,]}', price_folder, "prices.json").startswith("prices.json, line 2: ")
    assert "must be a table" in refused(tmp_path, "[]", price_folder, "prices.json")
    assert "nested too deeply" in refused(tmp_path, "[" * 100_000, price_folder, "prices.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n"prices": [],\n"prices": []\n}', "line 3, prices: is given twice"),
        (
            '{"prices": [{"provider": "a", "model": "b", "rates": {\n"input_tokens": "1",\n"input_tokens": "2"}}]}',
            "line 3, prices[0].rates.input_tokens: is given twice",
        ),
        ('{"prices": [{"a": 1, "a": 2}], oops}', "line 1: Expecting property name"),
        ('{"prices": [{"provider": "\\ud800"}]}', "line 1, prices[0].provider: '\\ud800' has characters"),
        ('{"prices": ' + "1" * 5_000 + "}", "line 1: a number is longer than any that is possible"),
    ],
)
def test_json_that_says_what_toml_cannot(tmp_path: Path, price_folder: Path, text: str, said: str) -> None:
    """Of two amounts of one name neither is taken; half characters and endless numbers are mistakes like others."""
    assert refused(tmp_path, text, price_folder, "prices.json").startswith(f"prices.json, {said}")


def test_a_file_that_is_no_text(tmp_path: Path, price_folder: Path) -> None:
    """Bytes that are no UTF-8 are named by their line."""
    assert refused(tmp_path, b"# fine\n\xff\xfe", price_folder) == "prices.toml, line 2: the file is no text in UTF-8"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Building a client says so; so it does for a folder, and for a variable that names no file."""
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match=r"cannot be read: (No such file|Is a directory)"):
            AiCostCalc("memory:", prices=missing)


def test_a_client_with_a_wrong_file_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes from the constructor, whether the file is given or named by the environment."""
    (tmp_path / "prices.toml").write_text(GOOD.replace('"1.00"', "1.0"))
    with pytest.raises(ConfigError, match=r"line 8, prices\[0\].rates.input_tokens"):
        AiCostCalc("memory:", prices=tmp_path / "prices.toml")
    monkeypatch.setenv("AI_COST_CALC_PRICES", str(tmp_path / "prices.toml"))
    with pytest.raises(ConfigError, match="line 8"):
        AiCostCalc("memory:")


def test_a_long_list_of_mistakes_is_cut(tmp_path: Path, price_folder: Path) -> None:
    """Twenty are enough to see what is wrong."""
    text = "\n".join(f'[[aliases]]\nname = "{number}"' for number in range(50))
    assert len(refused(tmp_path, text, price_folder).splitlines()) == 21
