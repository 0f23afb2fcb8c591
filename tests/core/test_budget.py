"""Budgets: what they match, where their state is kept, and how they say no."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Budget, Claim, Refusal, Subject, fits
from ai_cost_calc.errors import BudgetExceeded, ConfigError

NOW: Final = datetime(2026, 11, 23, 14, 30, tzinfo=UTC).timestamp()
WHOLE: Final = Subject(
    attribution=Attribution(customer_id="acme", feature="chat", session_id="run-7", tags={"plan": "pro"}),
    provider="openai",
    model="gpt-5",
)
NOBODY: Final = Subject(attribution=Attribution())


def exceeded(budget: Budget, *, spent: int, held: int, amount: int, subject: Subject = WHOLE) -> BudgetExceeded:
    """What a caller gets when this budget refuses."""
    claim = Claim(budget, budget.key(subject), budget.window(NOW), amount, budget.scope(subject))
    return Refusal(claim=claim, spent=spent, held=held).error()


# Limits.


@pytest.mark.parametrize(
    ("limit", "unit", "amount"),
    [("25.00", "usd", 25_000_000_000), (25, "usd", 25_000_000_000), (Decimal("0.000000001"), "usd", 1), (0, "usd", 0),
     (1_000, "tokens", 1_000), ("1000", "tokens", 1_000), (Decimal(5), "calls", 5)],
)  # fmt: skip
def test_limits_are_exact(limit: Any, unit: Any, amount: int) -> None:
    """Dollars become whole nano-dollars; tokens and calls stay what they are."""
    assert Budget(limit, per="day", unit=unit).amount == amount


def test_in_unit_is_what_people_count_in() -> None:
    """Whole units come back as dollars, tokens or calls."""
    assert Budget("25.00", per="day").in_unit(1_500_000_000) == Decimal("1.5")
    assert Budget(100, per="day", unit="tokens").in_unit(7) == 7


def test_only_blocking_budgets_have_a_ceiling() -> None:
    """A warning has a limit to report against, and none to refuse over."""
    blocking, warning = Budget("1.00", per="day"), Budget("1.00", per="day", mode="warn")
    assert (blocking.ceiling, warning.ceiling) == (1_000_000_000, None)
    assert warning.amount == 1_000_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0.1}, "Budget limit must be a string"),
        ({"limit": True}, "Budget limit must be a string"),
        ({"limit": "-1"}, "is negative; 0 blocks everything"),
        ({"limit": "a lot"}, "not an amount of US dollars"),
        ({"limit": "NaN"}, "not an amount of US dollars"),
        ({"limit": "0.0000000001"}, "nine decimal places"),
        ({"limit": "1.5", "unit": "tokens"}, "whole number of tokens or calls"),
        ({"limit": 1.0, "unit": "calls"}, "whole number of tokens or calls"),
        ({"limit": "some", "unit": "calls"}, "whole number of tokens or calls"),
        ({"per": "minute"}, "per='minute' is not possible; choose one of hour, day"),
        ({"unit": "euro"}, "unit='euro'"),
        ({"mode": "maybe"}, "mode='maybe'"),
        ({"estimate": "wild"}, "estimate='wild'"),
        ({"on_unavailable": "shrug"}, "on_unavailable='shrug'"),
        ({"rolling": "yes"}, "rolling='yes'"),
        ({"each": "planet"}, "each='planet'"),
        ({"each": ["customer", "tag:"]}, "each='tag:'"),
        ({"each": 7}, "each=7"),
        ({"timezone": "Europe/Atlantis"}, "Europe/Atlantis"),
        ({"timezone": ["Europe/Berlin"]}, "timezone"),
        ({"customer_id": " "}, "customer=' ' is not possible: customer must have 1 to 255 characters"),
        ({"model": 7}, "model=7 is not possible: model must be a string"),
        ({"tags": {"plan": ""}}, "tag:plan='' is not possible"),
        ({"tags": "pro"}, "tags='pro' must be a mapping"),
        ({"tags": {7: "pro"}}, "tag name=7 is not possible"),
        ({"customer_id": "x" * 256}, "must have 1 to 255 characters"),
        ({"feature": "a\0b"}, "text that can be stored"),
        ({"alert_at": (0,)}, "must be shares of the limit above zero"),
        ({"alert_at": (float("nan"),)}, "must be shares of the limit above zero"),
        ({"alert_at": ("half",)}, "must be shares of the limit above zero"),
        ({"id": ""}, "id='' must be a string that is not empty"),
        ({"id": 7}, "id=7 must be a string"),
    ],
)
def test_impossible_budgets_are_refused(arguments: dict[str, Any], message: str) -> None:
    """A wrong value is an error while the budget is written, with the value and what is possible."""
    with pytest.raises(ConfigError, match=message):
        Budget(**{"limit": "1.00", "per": "day", **arguments})


# What a budget matches.


@pytest.mark.parametrize(
    "selector",
    [{}, {"customer_id": "acme"}, {"customer_id": " acme "}, {"feature": "chat"}, {"provider": "openai"},
     {"model": "gpt-5"}, {"tags": {"plan": "pro"}}, {"each": "customer"}, {"each": ("feature", "tag:plan")},
     {"customer_id": "acme", "feature": "chat", "each": "session"}],
)  # fmt: skip
def test_a_budget_matches_what_it_selects(selector: dict[str, Any]) -> None:
    """Every selector must agree; none at all is the whole organization."""
    assert Budget("1.00", per="day", **selector).matches(WHOLE)


@pytest.mark.parametrize(
    "selector",
    [{"customer_id": "globex"}, {"feature": "Chat"}, {"provider": "azure"}, {"model": "gpt-5-mini"},
     {"tags": {"plan": "free"}}, {"tags": {"tier": "pro"}}, {"each": "tag:tier"},
     {"customer_id": "acme", "feature": "search"}],
)  # fmt: skip
def test_a_budget_leaves_the_rest_alone(selector: dict[str, Any]) -> None:
    """One selector that disagrees, or a value that is missing, is enough."""
    assert not Budget("1.00", per="day", **selector).matches(WHOLE)


@pytest.mark.parametrize("each", ["customer", "feature", "provider", "model", "session", "tag:plan"])
def test_a_budget_for_each_value_needs_one(each: str) -> None:
    """A call without a customer counts for no customer's budget."""
    assert Budget("1.00", per="day", each=each).matches(WHOLE)
    assert not Budget("1.00", per="day", each=each).matches(NOBODY)


# Ids and keys.


def test_the_same_budget_has_the_same_id() -> None:
    """State survives a restart, a raised limit, and another order of tags."""
    first = Budget("1.00", per="day", feature="chat", tags={"plan": "pro", "region": "eu"})
    again = Budget("9.00", per="day", feature="chat", tags={"region": "eu", "plan": "pro"}, estimate="strict")
    assert first.id == again.id
    assert first != again


@pytest.mark.parametrize(
    "change",
    [{"per": "week"}, {"feature": "search"}, {"customer_id": "acme"}, {"each": "customer"}, {"unit": "tokens"},
     {"timezone": "Europe/Berlin"}, {"rolling": True}, {"mode": "warn"}, {"tags": {"plan": "pro"}}],
)  # fmt: skip
def test_another_budget_has_another_id(change: dict[str, Any]) -> None:
    """What is counted, and over which window, makes a budget."""
    base: dict[str, Any] = {"limit": 1, "per": "day", "feature": "chat"}
    assert Budget(**base).id != Budget(**{**base, **change}).id


def test_ids_can_be_read_by_people() -> None:
    """A made id says what the budget covers; a given one is kept."""
    assert Budget("1.00", per="month", customer_id="acme", each="feature").name.startswith("acme-each-feature-month-")
    assert Budget("1.00", per="day").name.startswith("organization-day-")
    assert Budget("1.00", per="day", id="mine").name == "mine"


def test_budgets_are_values() -> None:
    """Equal budgets are one in a set, and a budget can be sent to another process."""
    budget = Budget("1.00", per="day", tags={"plan": "pro"}, each=("customer", "customer"))
    assert {budget, Budget("1.00", per="day", tags={"plan": "pro"}, each="customer")} == {budget}
    assert pickle.loads(pickle.dumps(budget)) == budget  # noqa: S301 - our own bytes


@given(
    names=st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=2, max_size=2, unique=True),
    units=st.lists(st.sampled_from(["usd", "tokens"]), min_size=2, max_size=2),
)
def test_keys_never_collide(names: list[tuple[str, str]], units: list[Any]) -> None:
    """Whatever stands in ids and names, other budgets and other customers have other keys."""
    keys = [
        Budget(1, per="day", id=budget_id or "-", each="customer", unit=unit).key_of([customer])
        for (budget_id, customer), unit in zip([(f"i{name}", value) for name, value in names], units, strict=True)
    ]
    assert keys[0] != keys[1]


def test_dollars_are_not_tokens() -> None:
    """A budget that keeps its id but counts something else starts over."""
    assert Budget(1, per="day", id="mine").key(WHOLE) != Budget(1, per="day", id="mine", unit="tokens").key(WHOLE)


def test_scope_says_whom_it_covers() -> None:
    """For people: the organization, a customer, each customer."""
    assert Budget("1.00", per="day").scope() == "organization"
    budget = Budget("1.00", per="day", feature="chat", each=("customer", "tag:plan"))
    assert budget.scope() == "feature chat, each customer, each tag:plan"
    assert budget.scope(WHOLE) == budget.scope_of(["acme", "pro"]) == "feature chat, customer acme, tag:plan pro"


# Room, and the lack of it.


@pytest.mark.parametrize(
    ("limit", "spent", "held", "amount", "taken"),
    [(100, 60, 30, 10, True), (100, 60, 30, 11, False), (100, 99, 0, 0, True), (100, 60, 40, 0, False),
     (0, 0, 0, 0, False), (0, 0, 0, 1, False), (None, 10**12, 0, 10**12, True), (100, 150, 0, 0, False)],
)  # fmt: skip
def test_a_claim_fits_up_to_the_limit(*, limit: int | None, spent: int, held: int, amount: int, taken: bool) -> None:
    """Spent, held and asked together may reach the limit; asking for nothing needs one unit of room."""
    assert fits(limit, spent, held, amount) is taken


def test_a_refusal_carries_its_values() -> None:
    """The exception has the amounts as attributes, in dollars, and says when there is room again."""
    budget = Budget("1.00", per="day", each="customer", id="daily")
    error = exceeded(budget, spent=700_000_000, held=250_000_000, amount=100_000_000)
    assert (error.budget, error.scope, error.unit) == ("daily", "customer acme", "usd")
    assert (error.limit, error.spent) == (Decimal(1), Decimal("0.7"))
    assert (error.held, error.requested) == (Decimal("0.25"), Decimal("0.1"))
    assert error.resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert str(error) == (
        "budget 'daily' (customer acme) refused the call: $0.1 requested, $0.7 spent and $0.25 held of $1; "
        "it resets at 2026-11-24T00:00:00+00:00"
    )
    assert isinstance(error, RuntimeError)


def test_a_budget_in_total_never_resets() -> None:
    """There is no time to wait for, and the message promises none."""
    error = exceeded(Budget(5, per="total", unit="calls", id="trial"), spent=5, held=0, amount=1)
    assert error.resets_at is None
    assert str(error) == (
        "budget 'trial' (organization) refused the call: 1 calls requested, 5 calls spent and 0 calls held of 5 calls"
    )


def test_a_refusal_survives_pickling() -> None:
    """Process pools hand the exception back whole."""
    error = exceeded(Budget("1.00", per="day"), spent=1, held=2, amount=3)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again), vars(again)) == (BudgetExceeded, str(error), vars(error))
