"""Rules that say which names mean which model."""

from __future__ import annotations

import pytest

from ai_cost_calc.core.matching import Clause, plain, with_dashed_date

MODEL = Clause(
    "or",
    of=(
        Clause("equals", "nova"),
        Clause("and", of=(Clause("starts_with", "nova-2"), Clause("regex", "^(?!.*-tts)"))),
        Clause("contains", ".nova-"),
        Clause("ends_with", "/nova"),
    ),
)


@pytest.mark.parametrize("name", ["nova", "nova-2", "nova-2-mini", "eu.nova-1", "models/nova", "eu.nova-2-tts"])
def test_any_rule_that_is_met_matches(name: str) -> None:
    """Of rules joined by `or`, one is enough."""
    assert MODEL.matches(name)


@pytest.mark.parametrize("name", ["nov", "novax", "nova-1", "nova-2-tts", "/nova/", ""])
def test_no_rule_met_is_no_match(name: str) -> None:
    """Of rules joined by `and`, all must be met."""
    assert not MODEL.matches(name)


def test_texts_of_a_rule_leave_patterns_out() -> None:
    """What a rule compares with names the model; a pattern is no name."""
    assert list(MODEL.texts()) == ["nova", "nova-2", ".nova-", "/nova"]


@pytest.mark.parametrize(
    ("name", "dashed"),
    [
        ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
        ("gpt-5.2-20251211:free", "gpt-5.2-2025-12-11:free"),
        ("gpt-5.2-20251211-mini", "gpt-5.2-2025-12-11-mini"),
        ("gpt-5.2-20251311", "gpt-5.2-20251311"),
        ("gpt-5.2-20250229", "gpt-5.2-20250229"),
        ("gpt-5.2-202512111", "gpt-5.2-202512111"),
        ("gpt-20251211x", "gpt-20251211x"),
    ],
)
def test_compact_dates_are_dashed_where_they_are_dates(name: str, dashed: str) -> None:
    """Eight digits are a date only if the calendar has it."""
    assert with_dashed_date(name) == dashed


@pytest.mark.parametrize(
    "name",
    [
        "nova",
        "nova-20250929",
        "nova@20250929",
        "nova-2025-09-29",
        "nova-latest",
        "nova-v1",
        "nova-v1:0",
        "nova-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:1:inference-profile/nova-20250929-v1:0",
    ],
)
def test_versions_are_no_part_of_the_family(name: str) -> None:
    """Dates, versions and what a path puts before a name do not make another model of it."""
    assert plain(name) == "nova"
