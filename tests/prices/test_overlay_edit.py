"""One entry of a file of own prices is changed; every other line, comments too, stays as somebody wrote it."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices.overlay_edit import put_entry, remove_entries

FILE = """\
# Our prices. Ask Ada before you change them.

[[prices]]  # the contract of 2026
provider = "openai"
model = "gpt-5"
from = 2026-01-01

  [prices.rates]
  input_tokens = "1.00"   # per million
  output_tokens = "8.00"

# The house.
[[prices]]
provider = "house"
model = "llama"
rates = { input_tokens = "0.1" }

[[discounts]]
provider = "anthropic"
percent = 15
# the end"""
GPT_5: dict[str, Any] = {"provider": "openai", "model": "gpt-5", "from": date(2026, 1, 1)}


def test_an_entry_is_added_at_the_end() -> None:
    """Everything before it is as it was, also a last line without an end."""
    made = put_entry(FILE, "prices.toml", "prices", {"provider": "a", "model": 'b"c', "rates": {"input_tokens": "1"}})
    assert made == FILE + (
        '\n\n[[prices]]\nprovider = "a"\nmodel = "b\\"c"\nrates = { input_tokens = "1" }\n'
    )  # fmt: skip


def test_the_first_entry_makes_the_file() -> None:
    """TOML, or JSON where the name says so."""
    entry = {"provider": "a", "model": "b", "rates": {"input_tokens": "1"}, "when": {"service tier": "flex"}}
    assert put_entry("", "prices.toml", "prices", entry) == (
        '[[prices]]\nprovider = "a"\nmodel = "b"\nwhen = { "service tier" = "flex" }\nrates = { input_tokens = "1" }\n'
    )
    assert json.loads(put_entry("", "prices.json", "prices", entry)) == {"prices": [entry]}


def test_an_entry_is_changed_where_it_stands() -> None:
    """What is said again is replaced, what is not stays; the comment above the next entry stays with it."""
    made = put_entry(FILE, "prices.toml", "prices", {**GPT_5, "rates": {"output_tokens": "9", "requests": "1"}})
    assert made == FILE.replace(
        FILE[FILE.index("[[prices]]  #") : FILE.index("\n\n# The house.")],
        '[[prices]]\nprovider = "openai"\nmodel = "gpt-5"\nfrom = 2026-01-01\n'
        'rates = { input_tokens = "1.00", output_tokens = "9", requests = "1" }',
    )


def test_other_days_and_contexts_are_other_entries() -> None:
    """The same model from another day, or for batches, is stated beside it."""
    for other in ({**GPT_5, "from": date(2027, 1, 1)}, {**GPT_5, "when": {"processing": "batch"}}):
        made = put_entry(FILE, "prices.toml", "prices", {**other, "rates": {"input_tokens": "2"}})
        assert made.startswith(FILE)
        assert len(tomllib.loads(made)["prices"]) == 3


def test_an_entry_is_taken_out() -> None:
    """With the empty lines behind it; names are compared without regard to case."""
    made, removed = remove_entries(FILE, "prices.toml", {"provider": "OpenAI", "model": "GPT-5"})
    assert removed == 1
    assert made == FILE[: FILE.index("[[prices]]  #")] + FILE[FILE.index("# The house.") :]
    assert remove_entries(FILE, "prices.toml", {"provider": "nobody", "model": "x"}) == (FILE, 0)
    assert remove_entries(FILE, "prices.toml", {**GPT_5, "from": date(2030, 1, 1)}) == (FILE, 0)


def test_every_entry_of_a_model_is_taken_out() -> None:
    """Prices of all days, and discounts."""
    text = FILE + '\n[[discounts]]\nprovider = "openai"\nmodel = "gpt-5"\npercent = 5\n'
    text = put_entry(text, "prices.toml", "prices", {**GPT_5, "from": date(2027, 1, 1), "rates": {"input_tokens": "2"}})
    made, removed = remove_entries(text, "prices.toml", {"provider": "openai", "model": "gpt-5"})
    assert removed == 3
    assert "gpt-5" not in made
    assert "# Our prices. Ask Ada" in made


INLINE = """
prices = [
  { provider = "openai", model = "gpt-5", from = 2026-01-01, rates = { input_tokens = "1" } },
]
"""
SCATTERED = """
[[prices]]
provider = "openai"
model = "gpt-5"
from = 2026-01-01
[[aliases]]
name = "x"
model = "y"
[prices.rates]
input_tokens = "1"
"""


@pytest.mark.parametrize("text", [INLINE, SCATTERED], ids=["inline", "scattered"])
def test_what_cannot_be_changed_safely_is_not_changed(text: str) -> None:
    """A layout in which more than the entry would change is left to a person."""
    tomllib.loads(text)
    with pytest.raises(ConfigError, match="only be changed by hand"):
        put_entry(text, "prices.toml", "prices", {**GPT_5, "rates": {"input_tokens": "2"}})


def test_a_file_that_is_broken_is_left_alone() -> None:
    """The error says what is wrong with it."""
    with pytest.raises(ConfigError, match="the file is no TOML"):
        put_entry("[[prices\n", "prices.toml", "prices", GPT_5)
    with pytest.raises(ConfigError, match="must be a table"):
        put_entry("[]", "prices.json", "prices", GPT_5)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
entries = st.fixed_dictionaries(
    {
        "provider": st.sampled_from(["a", "b"]),
        "model": st.sampled_from(["x", 'y"', "zä\\"]),
        "rates": st.dictionaries(names, names, min_size=1, max_size=3),
    },
    optional={"from": st.dates(), "when": st.dictionaries(names, names, min_size=1, max_size=2), "name": names},
)


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(entries, min_size=1, max_size=6))
def test_what_was_put_is_what_is_read(changes: list[dict[str, Any]]) -> None:
    """After any changes the file says the last of each entry, in TOML as in JSON, and what was beside them."""
    toml, as_json = FILE, ""
    expected: dict[str, dict[str, Any]] = {}
    for entry in changes:
        toml = put_entry(toml, "prices.toml", "prices", entry)
        plain: dict[str, Any] = {
            key: value.isoformat() if isinstance(value, date) else value for key, value in entry.items()
        }
        as_json = put_entry(as_json, "prices.json", "prices", plain)
        key = json.dumps([plain.get(name) for name in ("provider", "model", "from", "when")]).lower()
        old = expected.get(key, {})
        expected[key] = {**old, **plain, "rates": {**old.get("rates", {}), **plain["rates"]}}
    assert json.loads(as_json) == {"prices": list(expected.values())}
    read = tomllib.loads(toml)
    for one in read["prices"]:
        if "from" in one:
            one["from"] = one["from"].isoformat()
    assert read["prices"][2:] == list(expected.values())
    assert "# Our prices. Ask Ada" in toml
    assert read["discounts"] == [{"provider": "anthropic", "percent": 15}]
