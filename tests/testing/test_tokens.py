"""How the simulator counts, draws and makes up values."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ai_cost_calc.testing import _tokens
from ai_cost_calc.testing._schema import example
from ai_cost_calc.testing._tokens import (
    ATTACHMENT_TOKENS,
    MAX_PIECES,
    MAX_TEXT_TOKENS,
    PromptCache,
    Sampler,
    blocks,
    count,
    filler,
    pieces,
    text_of,
)


@given(st.text())
def test_bytes_bound_tokens(text: str) -> None:
    """No text has more tokens than bytes, save the empty one, which counts one."""
    assert 1 <= count(text) <= max(1, len(text.encode()))


@given(st.integers(min_value=1, max_value=MAX_TEXT_TOKENS))
def test_filler_counts_what_was_asked(tokens: int) -> None:
    """Made-up text has exactly as many tokens as the usage says."""
    assert count(filler(tokens)) == tokens


@given(st.text())
def test_pieces_make_the_whole(text: str) -> None:
    """A streamed answer is the answer, in a bounded number of pieces."""
    cut = pieces(text)
    assert "".join(cut) == text
    assert len(cut) <= MAX_PIECES
    assert all(cut)


def test_attachments_count_the_same_whatever_their_size() -> None:
    """A megabyte of image is not a quarter of a million tokens."""
    for attached in (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}},
        {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}},
    ):
        assert ATTACHMENT_TOKENS <= count(text_of([attached])) < ATTACHMENT_TOKENS + 20


def test_a_field_called_data_is_no_attachment() -> None:
    """A tool's parameter named `data` is text like any other."""
    assert count(text_of({"properties": {"data": {"type": "string"}}})) < 10


@given(st.text(), st.integers())
def test_draws_repeat(prompt: str, seed: int) -> None:
    """An equal call under an equal seed has an equal answer, within the stated range."""
    visible, thought = Sampler(seed).draw("gpt-5", prompt)
    assert (visible, thought) == Sampler(seed).draw("gpt-5", prompt)
    assert 20 <= visible <= 800
    assert thought % 64 == 0


def test_seeds_differ() -> None:
    """Another seed gives other answers."""
    prompts = [f"question {number}" for number in range(20)]
    drawn = [[Sampler(seed).draw("gpt-4o", prompt) for prompt in prompts] for seed in (1, 2)]
    assert drawn[0] != drawn[1]


def test_cache_knows_the_common_prefix() -> None:
    """Two prompts share what they begin with, and only in the same model's cache."""
    cache = PromptCache()
    assert cache.longest_known("a", [b"one", b"two", b"three"]) == 0
    assert cache.longest_known("a", [b"one", b"two", b"four"]) == 2
    assert cache.longest_known("b", [b"one", b"two"]) == 0
    assert cache.longest_known("a", [b"two", b"one"]) == 0


def test_the_cache_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is full starts again."""
    monkeypatch.setattr(_tokens, "MAX_KNOWN_PREFIXES", 3)
    cache = PromptCache()
    cache.longest_known("a", [b"one", b"two"])
    assert cache.longest_known("a", [b"one", b"two", b"three"]) == 2
    cache.longest_known("a", [b"four", b"five"])
    assert cache.longest_known("a", [b"one"]) == 0


def test_short_prompts_are_not_cached() -> None:
    """Below 1,024 tokens there is nothing to remember; from there on it is counted in blocks of 128."""
    assert blocks("x" * 4_095) == []
    assert len(blocks("x" * 4_096)) == 8
    assert len(blocks("x" * 5_000)) == 9


class _Leaf(BaseModel):
    kind: Literal["small", "large"]
    weights: list[float]


class _Tree(BaseModel):
    name: str
    count: int
    leaf: _Leaf
    maybe: _Leaf | None
    children: list[_Tree]
    known: bool


def test_examples_fit_their_schema() -> None:
    """What is made up for a schema with references, choices and arrays is accepted by the model it came from."""
    made = example(_Leaf.model_json_schema())
    assert _Leaf.model_validate(made).kind == "small"


def test_schemas_that_contain_themselves_end() -> None:
    """A recursive schema gives a finite value."""
    assert len(json.dumps(example(_Tree.model_json_schema()))) < 100_000


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "null"}, None),
        ({"const": 7}, 7),
        ({"type": ["integer", "null"]}, 1),
        ({"type": "array"}, []),
        ({"properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "word"),
        ({}, "word"),
    ],
)
def test_examples_of_small_schemas(schema: dict[str, Any], value: object) -> None:
    """Every kind of schema has its example."""
    assert example(schema) == value
