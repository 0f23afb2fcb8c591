"""Bytes bound tokens."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_cost_calc.core.families import claude_version, gemini_version, plain_name
from ai_cost_calc.core.text import MOST_MESSAGE, most_bytes, most_framing

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


CHANGING = st.text(st.sampled_from("\u0958\u2adc\ufdfa\u00bc\uff0c\U0001d400\u1e17\uff9ee\u0301\u0323\u0344\u30ab"))
"""Characters that one form of Unicode lengthens and another shortens, and marks that change places."""


@given(ANY_TEXT | CHANGING)
@example("\u0958\U0001d400")
def test_a_text_is_bounded_in_every_form_of_unicode(text: str) -> None:
    """Whether a tokenizer normalizes (NFC, NFKC) or not, it finds no more bytes than these; lone surrogates too."""
    for form in (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFKC", text)):
        assert len(form.encode("utf-8", "surrogatepass")) <= most_bytes(text)


@given(CHANGING, CHANGING)
@example("\u00bc", "\U0001d400")
@example("\u1e17\u0323\u00bc", "\U0001d400")
@example("\u2167", "\u0301")
def test_parts_are_bounded_by_the_whole(one: str, other: str) -> None:
    """What is measured part by part never counts for more than when it is measured in one piece."""
    assert most_bytes(one) + most_bytes(other) <= most_bytes(one + other)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 0),
        ("plain", 5),
        ("fjørd", 6),
        ("🚢", 4),
        ("\ufdfa", 33),
        ("\u0958", 6),
        ("\ud800", 3),
        ("\u0958\U0001d400", 10),
        ("\u00bc\U0001d400", 9),
        ("\u1e17\u0323", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """ASCII, longer characters, and characters that normalization takes apart."""
    assert most_bytes(text) == size


@pytest.mark.parametrize(
    ("model", "recorded"),
    [("x-ai/grok-4", 687), ("grok-4.3", 199), ("openai/gpt-oss-120b", 84), ("gpt-oss:120b", 74), ("llama3.1", 44),
     ("meta-llama/Llama-3.3-70B-Instruct-Turbo", 44), ("gpt-5", 8), ("claude-opus-5", 13), ("mistral-large-latest", 4)],
)  # fmt: skip
def test_short_requests_that_were_recorded_fit_the_framing(model: str, recorded: int) -> None:
    """The smallest input that each of these was recorded with is no more than the framing of a short message."""
    assert max(recorded, MOST_MESSAGE) <= most_framing(model)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "gpt-4o"),
        ("openai/GPT-4o", "gpt-4o"),
        ("us.anthropic.claude-opus-4-7-v1:0", "claude-opus-4-7-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-haiku-4-5", "claude-haiku-4-5"),
        ("openai.gpt-oss-20b-1:0", "gpt-oss-20b-1:0"),
        ("openrouter/openai/gpt-5", "gpt-5"),
        (None, ""),
    ],
)
def test_names_without_what_stands_before_them(model: str | None, name: str) -> None:
    """Clouds, routers and regions say nothing of a model's make."""
    assert plain_name(model) == name


@pytest.mark.parametrize(
    ("name", "version"),
    [("claude-3-5-sonnet-20241022", (3, 5)), ("claude-opus-4-20250514", (4, 0)), ("claude-opus-4.6", (4, 6)),
     ("claude-sonnet-4-5-20250929", (4, 5)), ("claude-opus-4-7", (4, 7)), ("claude-v1", (1, 0)),
     ("claude-2.1", (2, 1)), ("claude-fable-5-1", (5, 1)), ("claude-latest", (99, 0))],
)  # fmt: skip
def test_versions_of_claude(name: str, version: tuple[int, int]) -> None:
    """Dates are no versions; a name without one means the newest."""
    assert claude_version(name) == version


@pytest.mark.parametrize(
    ("name", "version"), [("gemini-2.5-flash", 2), ("gemini-flash-1.5-8b", 1), ("gemini-3-pro", 3), ("gemini-pro", 99)]
)
def test_versions_of_gemini(name: str, version: int) -> None:
    """The first number of a name; a name without one means the newest."""
    assert gemini_version(name) == version
