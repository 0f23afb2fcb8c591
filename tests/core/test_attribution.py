"""Whom a call is for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.attribution import MAX_LENGTH, NOBODY, Attribution, attribution

labels = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=MAX_LENGTH).filter(
    str.strip
)
attributions = st.builds(
    attribution,
    customer_id=st.none() | labels,
    feature=st.none() | labels,
    session_id=st.none() | labels,
    tags=st.dictionaries(labels, labels, max_size=3),
)


def test_values_are_kept_without_the_space_around_them() -> None:
    """A customer id that came with a line end is that customer."""
    assert attribution(" acme\n", "chat ", "run-7", {" plan": " pro "}) == Attribution(
        customer_id="acme", feature="chat", session_id="run-7", tags={"plan": "pro"}
    )


def test_what_is_not_said_is_none() -> None:
    """Nothing said is nobody; a tag without a value is left out."""
    assert attribution() == NOBODY
    assert attribution(tags={"plan": None, "region": "eu"}) == Attribution(tags={"region": "eu"})


def test_the_inner_scope_wins_name_by_name() -> None:
    """Inside, what is said again is replaced, the rest goes on, and tags merge."""
    outer = attribution("acme", "chat", tags={"plan": "pro", "region": "eu"})
    inner = attribution(feature="search", session_id="run-7", tags={"plan": "free"})
    assert outer.merged(inner) == attribution("acme", "search", "run-7", {"plan": "free", "region": "eu"})
    assert outer == attribution("acme", "chat", tags={"plan": "pro", "region": "eu"})


@given(outer=attributions, inner=attributions, innermost=attributions)
def test_scopes_nest_in_any_grouping(outer: Attribution, inner: Attribution, innermost: Attribution) -> None:
    """Merging is associative, and nobody changes nothing."""
    assert outer.merged(inner).merged(innermost) == outer.merged(inner.merged(innermost))
    assert outer.merged(NOBODY) == NOBODY.merged(outer) == outer


@pytest.mark.parametrize("value", [7, 7.0, True, b"acme", ["acme"], object()])
@pytest.mark.parametrize("name", ["customer_id", "feature", "session_id", "tags"])
def test_other_types_are_refused(name: str, value: Any) -> None:
    """A number as a customer id hides a bug; the message names the type and never quotes the value."""
    said: dict[str, Any] = {name: {"plan": value} if name == "tags" else value}
    with pytest.raises(TypeError, match=f"must be a string, not {type(value).__name__}$"):
        attribution(**said)


@pytest.mark.parametrize("value", ["", " \n", "x" * (MAX_LENGTH + 1), "a\0b", "\ud800"])
@pytest.mark.parametrize("name", ["customer_id", "feature", "session_id", "tags"])
def test_values_that_cannot_be_stored_are_refused(name: str, value: str) -> None:
    """Every label that gets in can be written to a journal and to any ledger."""
    said: dict[str, Any] = {name: {"plan": value} if name == "tags" else value}
    with pytest.raises(ValueError, match=r"must have 1 to 255 characters|must be text that can be stored"):
        attribution(**said)


def test_the_longest_value_is_kept() -> None:
    """255 characters fit, in any script."""
    assert attribution("界" * MAX_LENGTH).customer_id == "界" * MAX_LENGTH


@pytest.mark.parametrize("name", ["", None, 7, "x" * (MAX_LENGTH + 1)])
def test_tags_have_names_that_are_text(name: Any) -> None:
    """A tag's name follows the rules of its value."""
    with pytest.raises((TypeError, ValueError), match="tag name"):
        attribution(tags={name: "pro"})
