"""A usage is always possible: whole counts, parts within their totals; a provider's nonsense is bent, never raised."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.usage import MOST, TOTALS, Usage

NAMES = Usage.__struct_fields__
COUNTS = st.integers(min_value=-5, max_value=60) | st.integers(min_value=0, max_value=2 * MOST)
NUMBERS = COUNTS | st.floats() | st.booleans()
JUNK = st.recursive(
    NUMBERS | st.none() | st.text() | st.binary() | st.integers() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
REPORTED = st.dictionaries(st.sampled_from(NAMES), COUNTS, max_size=8)


def fits(usage: Usage) -> bool:
    """Whether parts fit their totals, by the table rather than by the code under test."""
    return all(
        sum(getattr(usage, part) for part in parts) <= getattr(usage, total)
        for total, groups in TOTALS.items()
        for parts in groups
    )


def is_possible(counts: dict[str, Any]) -> bool:
    """What the docstring of `Usage` promises to accept, worked out without it."""
    for name, count in counts.items():
        kinds = (int, float) if name == "audio_seconds" else (int,)
        if isinstance(count, bool) or not isinstance(count, kinds) or not 0 <= count <= MOST:
            return False
    return all(
        sum(counts.get(part, 0) for part in parts) <= counts.get(total, 0)
        for total, groups in TOTALS.items()
        for parts in groups
    )


def accepts(counts: dict[str, Any]) -> bool:
    """Whether a `Usage` can be built from these counts."""
    try:
        Usage(**counts)
    except (TypeError, ValueError):
        return False
    return True


@given(st.dictionaries(st.sampled_from(NAMES), NUMBERS, max_size=6))
def test_exactly_the_possible_counts_are_accepted(counts: dict[str, Any]) -> None:
    """Whole counts whose parts fit are accepted; negative, fractional, boolean or overfull ones are refused."""
    assert accepts(counts) == is_possible(counts)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JUNK, max_size=6))
def test_any_reported_counts_become_a_possible_usage(counts: dict[str, Any]) -> None:
    """Whatever a provider reports, there is a usage, it is possible, and what had to be bent is said."""
    usage, anomaly = Usage.corrected(counts)
    assert fits(usage)
    assert is_possible({name: getattr(usage, name) for name in NAMES})
    meant = {
        name: 0 if count in (0.0, False) and isinstance(count, float | bool) else count
        for name, count in counts.items()
    }
    assert (anomaly is None) == (counts.keys() <= set(NAMES) and accepts(meant))


@pytest.mark.parametrize("zero", [False, 0.0, Decimal(0)])
def test_a_zero_of_another_type_is_no_count(zero: Any) -> None:
    """It would be written as another thing than a number; a provider's is taken for the zero that it means."""
    with pytest.raises(TypeError, match="web_searches"):
        Usage(web_searches=zero)
    usage, anomaly = Usage.corrected({"web_searches": zero})
    assert (usage, type(usage.web_searches)) == (Usage(), int)
    assert (anomaly is None) == (type(zero) is not Decimal)


@given(REPORTED)
def test_bending_keeps_what_was_possible(counts: dict[str, int]) -> None:
    """Correcting a possible usage changes nothing, and correcting twice changes nothing more."""
    once, _ = Usage.corrected(counts)
    assert Usage.corrected(once.counts()) == (once, None)
    if accepts(counts):
        assert once == Usage(**counts)


def test_more_cached_than_prompt_tokens_are_cut_to_the_prompt() -> None:
    """Azure's Grok has reported 161 cached of 31 prompt tokens: the total is billed, so the total is right."""
    usage, anomaly = Usage.corrected({"input_tokens": 31, "cache_read_tokens": 161, "output_tokens": 9})
    assert usage == Usage(input_tokens=31, cache_read_tokens=31, output_tokens=9)
    assert anomaly == "cache_read_tokens + cache_write_tokens + input_tool_tokens is more than input_tokens"


def test_an_anomaly_never_repeats_a_value_that_is_no_number() -> None:
    """A body could hold anything where a count belongs, even a prompt; the words about it name only the count."""
    usage, anomaly = Usage.corrected({"input_tokens": "canary-prompt", "canary-name": 1, "output_tokens": 2})
    assert usage == Usage(output_tokens=2)
    assert anomaly == "counts of unknown names were left out"
    assert Usage.corrected({"input_tokens": "canary-prompt"})[1] == "input_tokens must be a whole number, not a str"


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -0.5])
def test_seconds_are_finite_and_not_negative(seconds: float) -> None:
    """Seconds of audio may be a fraction, but not no number at all."""
    with pytest.raises(ValueError, match="audio_seconds must be from 0"):
        Usage(audio_seconds=seconds)
    assert Usage.corrected({"audio_seconds": seconds})[0] == Usage()


def test_messages_say_which_parts_do_not_fit() -> None:
    """Every total that its parts exceed is named, so that a reader's bug is found in one look."""
    with pytest.raises(ValueError, match=r"^cache_write_5m_tokens \+ cache_write_1h_tokens is more than cache_write"):
        Usage(input_tokens=10, cache_write_tokens=2, cache_write_5m_tokens=2, cache_write_1h_tokens=1)


@given(st.lists(REPORTED, max_size=4))
def test_adding_usages_adds_every_count(reported: list[dict[str, int]]) -> None:
    """The sum of usages has the sum of each count, whatever the order."""
    usages = [Usage.corrected({name: min(count, 10**9) for name, count in counts.items()})[0] for counts in reported]
    total = sum(usages, start=Usage())
    assert total.counts() == {name: count for name in NAMES if (count := sum(getattr(usage, name) for usage in usages))}
    assert total == sum(reversed(usages), start=Usage())


def test_a_usage_adds_only_to_a_usage() -> None:
    """A bare number says nothing about what was used."""
    with pytest.raises(TypeError):
        Usage() + 1  # type: ignore[operator]


@given(REPORTED)
def test_encoding_and_decoding_lose_nothing(counts: dict[str, int]) -> None:
    """A usage survives JSON, and what is written is only what is not zero."""
    usage, _ = Usage.corrected(counts)
    encoded = msgspec.json.encode(usage)
    assert msgspec.json.decode(encoded, type=Usage) == usage
    assert msgspec.json.decode(encoded) == usage.counts()


def test_an_impossible_usage_cannot_be_decoded_either() -> None:
    """A file or a server cannot bring in what a constructor refuses."""
    with pytest.raises(msgspec.ValidationError, match="is more than input_tokens"):
        msgspec.json.decode(b'{"cache_read_tokens": 1}', type=Usage)


def test_a_usage_shows_what_it_has() -> None:
    """Counts that are zero are left out of views of a usage; its truth is whether anything was used."""
    usage = Usage(input_tokens=3, output_tokens=4)
    assert repr(usage) == "Usage(input_tokens=3, output_tokens=4)"
    assert usage.total_tokens == 7
    assert usage
    assert not Usage()
    assert dataclasses.asdict(usage)["output_tokens"] == 4
