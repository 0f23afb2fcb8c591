"""Budgets find their calls, and calls their budgets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.budgets.matching import BudgetSet
from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Budget, Claim, Subject
from ai_cost_calc.errors import ConfigError

NOW: Final = datetime(2026, 11, 23, 14, 30, tzinfo=UTC).timestamp()
HOUR: Final = 3_600.0

NAMES: Final = st.sampled_from(["a", "b", "c"])
OPTIONAL: Final = st.none() | NAMES
budgets = st.builds(
    Budget,
    limit=st.integers(0, 5),
    per=st.sampled_from(["hour", "day", "total"]),
    customer_id=OPTIONAL,
    feature=OPTIONAL,
    provider=OPTIONAL,
    model=OPTIONAL,
    tags=st.dictionaries(st.sampled_from(["plan", "region"]), NAMES, max_size=2),
    each=st.lists(st.sampled_from(["customer", "feature", "provider", "model", "session", "tag:plan"]), max_size=2),
    rolling=st.booleans(),
)
calls = st.tuples(
    st.builds(
        Attribution,
        customer_id=OPTIONAL,
        feature=OPTIONAL,
        session_id=OPTIONAL,
        tags=st.dictionaries(st.sampled_from(["plan", "region"]), NAMES, max_size=2),
    ),
    OPTIONAL,
    OPTIONAL,
    st.sampled_from([NOW, NOW + 61, NOW + HOUR, NOW - HOUR]),
)


def claims(found: BudgetSet, *, now: float = NOW, customer: str | None = "acme", feature: str | None = "chat",
           amount_of: Callable[[Budget], int] = lambda _: 1) -> tuple[Claim, ...]:  # fmt: skip
    """What a call of this customer and feature asks."""
    attribution = Attribution(customer_id=customer, feature=feature)
    return found.claims(attribution, "openai", "gpt-5", now, amount_of)


@given(wanted=st.lists(budgets, max_size=8, unique_by=lambda budget: budget.name), asked=st.lists(calls, max_size=12))
def test_a_set_finds_what_each_budget_says_it_matches(wanted: list[Budget], asked: list[Any]) -> None:
    """For any budgets and any calls, again and again, the claims are those of asking budget by budget, in order."""
    found = BudgetSet(wanted)
    for attribution, provider, model, now in asked:
        subject = Subject(attribution=attribution, provider=provider, model=model)
        expected = [
            Claim(budget, budget.key(subject), budget.window(now), budget.amount + 1, budget.scope(subject))
            for budget in wanted
            if budget.matches(subject)
        ]
        assert list(found.claims(attribution, provider, model, now, lambda budget: budget.amount + 1)) == expected


def test_windows_move_on_with_the_clock() -> None:
    """A subject seen before is asked in the window of each call's own time, also when the clock goes back."""
    found = BudgetSet([Budget("1.00", per="hour"), Budget("1.00", per="day"), Budget("1.00", per="hour", rolling=True)])
    for now in (NOW, NOW + HOUR, NOW + 24 * HOUR, NOW, NOW + 1, NOW + 61):
        assert [claim.window for claim in claims(found, now=now)] == [budget.window(now) for budget in found]


def test_customers_never_seen_have_a_budget_of_their_own() -> None:
    """One budget for each customer is as many budgets as there are customers."""
    found = BudgetSet([Budget("1.00", per="day", each="customer")])
    keys = {claims(found, customer=f"customer {number}")[0].key for number in range(1_000)}
    assert len(keys) == 1_000
    assert claims(found, customer=None) == ()


def test_subjects_forgotten_are_found_again() -> None:
    """More subjects than are remembered cost time, never claims."""
    found = BudgetSet(
        [Budget("1.00", per="day", each="customer"), Budget("1.00", per="day", feature="chat")], subjects=8
    )
    for _ in range(2):
        for number in range(100):
            scopes = [claim.scope for claim in claims(found, customer=f"c{number}")]
            assert scopes == [f"customer c{number}", "feature chat"]
    assert len(found._matches) <= 16


def test_sessions_and_tags_are_told_apart() -> None:
    """Calls that differ only in what few budgets ask for are not mixed up."""
    found = BudgetSet([Budget("1.00", per="day", each="session"), Budget("1.00", per="day", tags={"plan": "pro"})])
    first = Attribution(session_id="one", tags={"plan": "pro"})
    second = Attribution(session_id="two", tags={"plan": "free"})
    for attribution, scopes in ((first, ["session one", "tag:plan pro"]), (second, ["session two"])):
        assert [claim.scope for claim in found.claims(attribution, None, None, NOW, lambda _: 0)] == scopes


def test_amounts_are_asked_for_each_budget() -> None:
    """What is claimed may differ by budget; an error while estimating reaches the caller."""
    tokens, dollars = Budget(100, per="day", unit="tokens"), Budget("1.00", per="day")
    found = BudgetSet([tokens, dollars])
    assert [claim.amount for claim in claims(found, amount_of={tokens: 7, dollars: 9}.__getitem__)] == [7, 9]
    with pytest.raises(KeyError):
        claims(found, amount_of={tokens: 7}.__getitem__)


def test_no_budget_no_claim() -> None:
    """An empty set is false, and asks nothing."""
    found = BudgetSet()
    assert not found
    assert claims(found) == ()


def python_calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("seen", [False, True])
def test_ten_thousand_budgets_cost_no_more_than_ten(*, seen: bool) -> None:
    """Finding a call's budgets takes as many steps among ten thousand as among ten, the first time and later."""
    steps = []
    for count in (10, 10_000):
        found = BudgetSet([Budget("1.00", per="day", customer_id=f"c{number}") for number in range(count)])
        claims(found, customer="c3" if seen else "c4")
        steps.append(python_calls(lambda: claims(found, customer="c3")))  # noqa: B023 - called at once
        assert len(claims(found, customer="c3")) == 1
    assert steps[0] == steps[1]


# Changing a set.


def test_sets_do_not_change() -> None:
    """Adding, replacing and removing give a new set; the old one still finds what it found."""
    first, second = Budget("1.00", per="day", id="one"), Budget("2.00", per="day", id="two")
    before = BudgetSet([first])
    assert [claim.budget for claim in claims(before)] == [first]
    both = before.added(second)
    raised = both.replaced(Budget("3.00", per="day", id="one"))
    fewer = raised.removed("two")
    assert list(both) == [first, second]
    assert [(budget.id, budget.limit) for budget in raised] == [("one", 3), ("two", 2)]
    assert [claim.limit for claim in claims(fewer)] == [3_000_000_000]
    assert list(before) == [claim.budget for claim in claims(before)] == [first]


def test_replacing_adds_what_was_not_there() -> None:
    """A new id is a new budget, and removing one that is not there changes nothing."""
    budget = Budget("1.00", per="day", id="one")
    found = BudgetSet().replaced(budget)
    assert list(found.removed("two")) == [budget]
    assert found.get("one") is budget
    assert found.get("two") is None
    assert budget in found
    assert Budget("2.00", per="day", id="one") not in found


def test_two_budgets_of_one_id_are_refused() -> None:
    """State is kept by id, so sharing one is a mistake; the message names it."""
    one = Budget("1.00", per="day", feature="chat")
    with pytest.raises(ConfigError, match=f"two budgets have the id {one.id!r}"):
        BudgetSet([one, Budget("2.00", per="day", feature="chat")])
    with pytest.raises(ConfigError, match="give one of them an id of its own"):
        BudgetSet([one]).added(one)


def test_a_set_knows_whether_strict_estimates_are_wanted() -> None:
    """The most a call can cost is worked out only where a budget reserves it."""
    assert BudgetSet([Budget("1.00", per="day", estimate="strict"), Budget("1.00", per="week")]).strict
    assert not BudgetSet([Budget("1.00", per="week")]).strict
