"""Every value of a TOML or JSON file is found at its line, however the file is laid out."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.prices.positions import Extent, Path, positions

TOML = '''\
# a comment with = and [brackets]
title = "a [quoted] = value # no comment"
"odd.key" = 'lit#eral'
text = """
first # not a comment
[not_a_table]
"""
after = 1

[owner] # trailing
name = { first = "A", "last" = "B" }
dotted.deep.key = 07:30:00

[[prices]]
model = "one"
rates = { input = "1", tiers = [
    { above = 1, price = "2" },
    { above = 2 }, # why
] }

[[prices]]
model = "two"
  [prices.rates]
  input = 1.5

  [[prices.windows]]
  from = 2026-01-01
  [[prices.windows]]
  from = 2026-02-01T07:30:00Z
'''


def test_toml() -> None:
    """Strings over several lines, inline tables, arrays of tables and dotted keys are all followed."""
    found = positions(TOML, toml=True)
    for path, line in {
        ("title",): 2, ("odd.key",): 3, ("text",): 4, ("after",): 8, ("owner",): 10, ("owner", "name"): 11,
        ("owner", "name", "last"): 11, ("owner", "dotted", "deep", "key"): 12, ("prices", 0): 14,
        ("prices", 0, "model"): 15, ("prices", 0, "rates", "tiers", 0, "price"): 17,
        ("prices", 0, "rates", "tiers", 1): 18, ("prices", 1): 21, ("prices", 1, "rates"): 23,
        ("prices", 1, "rates", "input"): 24, ("prices", 1, "windows", 0, "from"): 27,
        ("prices", 1, "windows", 1, "from"): 29,
    }.items():  # fmt: skip
        assert found[path].first == line, path
    assert found["prices", 0] == Extent(14, 19)
    assert found["prices", 1] == Extent(21, 29)
    assert found["text",] == Extent(4, 7)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def ways(value: Any, path: Path = ()) -> set[Path]:
    """The way to every value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path, *(way for key, part in inner for way in ways(part, (*path, key)))} - {()}


@settings(max_examples=300, deadline=None)
@given(value=VALUES, layout=st.sampled_from([{}, {"indent": 0}, {"indent": 2, "ensure_ascii": False}]))
def test_json(value: Any, layout: dict[str, Any]) -> None:
    """Whatever a JSON file holds, each value is found, in a line that has it, no line going backwards."""
    text = json.dumps(value, **layout)
    found = positions(text, toml=False)
    assert set(found) == ways(value)
    assert all(1 <= extent.first <= extent.last <= text.count("\n") + 1 for extent in found.values())
    for path, extent in found.items():
        if len(path) > 1:
            outer = found[path[:-1]]
            assert outer.first <= extent.first <= extent.last <= outer.last


@settings(max_examples=200, deadline=None)
@given(
    pairs=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6),
        max_size=5,
    )
)
def test_toml_keys_are_read_as_tomllib_reads_them(pairs: dict[str, str]) -> None:
    """Quoted keys with any characters are found on the line where they stand."""
    text = "".join(
        f"{json.dumps(key, ensure_ascii=False)} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in pairs.items()
    )
    assert list(tomllib.loads(text)) == list(pairs)
    assert positions(text, toml=True) == {(key,): Extent(line, line) for line, key in enumerate(pairs, 1)}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\r\n# and\r\n"])
def test_nothing_is_found_in_nothing(text: str) -> None:
    """An empty file has no values."""
    assert positions(text, toml=True) == {}
