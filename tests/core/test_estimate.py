"""What a call could cost."""

from __future__ import annotations

import threading
from statistics import quantiles
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.budget import Budget
from ai_cost_calc.core.estimate import HISTORY, PRIOR_SHARE, Amounts, Estimate, History, lower

EXPECTED = Amounts(2_000_000, 700)
STRICT = Amounts(9_000_000, 3_000)


def observed(*nanos: int) -> Amounts:
    """The upper quantile after calls that came to this, with a token for each nano-dollar."""
    history = History()
    for amount in nanos:
        history.observe(amount, amount)
    upper = history.upper()
    assert upper is not None
    return upper


# What is claimed of a budget.


@pytest.mark.parametrize(
    ("rule", "unit", "claimed"),
    [("learned", "usd", 2_000_000), ("learned", "tokens", 700), ("learned", "calls", 1),
     ("strict", "usd", 9_000_000), ("strict", "tokens", 3_000), ("strict", "calls", 1),
     ("none", "usd", 0), ("none", "tokens", 0), ("none", "calls", 1)],
)  # fmt: skip
def test_each_rule_claims_its_own(rule: Any, unit: Any, claimed: int) -> None:
    """Learned budgets take what is expected, strict ones the bound, others nothing; a call is a call."""
    budget = Budget(1_000_000, per="day", unit=unit, estimate=rule)
    assert Estimate(expected=EXPECTED, strict=STRICT, learned=True).claim(budget) == claimed


def test_without_a_bound_strict_takes_what_is_expected() -> None:
    """A block whose calls nobody knows has no bound to offer."""
    budget = Budget("1000.00", per="day", estimate="strict")
    assert Estimate(expected=EXPECTED).claim(budget) == 2_000_000


def test_a_prior_never_fills_a_small_budget() -> None:
    """Before anything was learned a call takes a tenth of the limit at most; what was learned is taken whole."""
    budget = Budget("0.01", per="day")
    assert Estimate(expected=EXPECTED).claim(budget) == budget.amount // PRIOR_SHARE == 1_000_000
    assert Estimate(expected=EXPECTED, learned=True).claim(budget) == 2_000_000


@pytest.mark.parametrize(("unit", "claimed"), [("usd", None), ("tokens", 70), ("calls", 1)])
def test_an_unknown_price_leaves_money_unknown(unit: Any, claimed: int | None) -> None:
    """Unknown is not zero: only budgets in dollars cannot tell."""
    budget = Budget(1_000, per="day", unit=unit)
    assert Estimate(expected=Amounts(None, 70)).claim(budget) == claimed


# Histories.


def test_nothing_observed_is_nothing_known() -> None:
    """A new kind of call has no quantile."""
    assert History().upper() is None


def test_few_calls_are_covered_by_the_dearest() -> None:
    """With fewer than twenty calls the upper quantile is the highest of them."""
    assert observed(5) == Amounts(5, 5)
    assert observed(5, 90, 20) == Amounts(90, 90)
    assert observed(*range(1, 20)) == Amounts(19, 19)


def test_one_dear_call_in_many_does_not_decide() -> None:
    """Of sixty-four calls the dearest three are left out."""
    assert observed(*[10] * 61, 1_000, 2_000, 3_000) == Amounts(10, 10)


def test_old_calls_are_forgotten() -> None:
    """After a history's length of cheaper calls, the estimate is cheaper."""
    assert observed(*[900] * HISTORY, *[10] * HISTORY) == Amounts(10, 10)


def test_money_and_tokens_have_quantiles_of_their_own() -> None:
    """A call that is dear and one that is long may be two calls."""
    history = History()
    history.observe(100, 5)
    history.observe(7, 80)
    assert history.upper() == Amounts(100, 80)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200))
def test_the_quantile_covers_nineteen_calls_in_twenty(amounts: list[int]) -> None:
    """Of the calls in the history at most one in twenty came to more."""
    history = History()
    for amount in amounts:
        history.observe(amount, 0)
        history.upper()  # asked before every call, as it is
    upper = observed(*amounts).nanos
    recent = amounts[-HISTORY:]
    assert upper in recent
    assert sum(amount > upper for amount in recent) <= len(recent) / 20


@given(st.lists(st.integers(0, 10**6), min_size=HISTORY, max_size=HISTORY))
def test_a_quantile_asked_every_time_lags_by_an_eighth_at_most(amounts: list[int]) -> None:
    """Asking before every call sees the same calls as asking once, but for the last few."""
    history = History()
    for amount in amounts:
        history.observe(amount, 0)
        seen = history.upper()
    fresh = [observed(*amounts[: len(amounts) - late]) for late in range(HISTORY // 8)]
    assert seen is not None
    assert seen.nanos in [upper.nanos for upper in fresh]


def test_threads_lose_samples_at_most() -> None:
    """Eight threads that observe at once leave a history that still covers what they saw."""
    history = History()

    def work() -> None:
        for number in range(2_000):
            history.observe(100 + number % 10, 5)
            history.upper()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    upper = history.upper()
    assert upper is not None
    assert 100 <= (upper.nanos or 0) <= 109
    assert upper.tokens == 5
    assert len(history._calls) <= HISTORY + 8


def test_the_quantile_agrees_with_the_textbook_on_an_even_spread() -> None:
    """Over 1, 2, …, 64 the 95th percentile lies where the statistics module puts it, give or take one rank."""
    textbook = quantiles(range(1, HISTORY + 1), n=20)[-1]
    assert abs((observed(*range(1, HISTORY + 1)).nanos or 0) - textbook) <= 1


# Bounds.


@pytest.mark.parametrize(
    ("amounts", "bound", "result"),
    [(Amounts(5, 50), None, Amounts(5, 50)), (Amounts(5, 50), Amounts(3, 80), Amounts(3, 50)),
     (Amounts(5, 50), Amounts(9, 10), Amounts(5, 10)), (Amounts(5, 50), Amounts(None, 10), Amounts(5, 10)),
     (Amounts(None, 50), Amounts(3, 10), Amounts(None, 10))],
)  # fmt: skip
def test_learned_never_exceeds_strict(amounts: Amounts, bound: Amounts | None, result: Amounts) -> None:
    """In each unit the lower of the two counts; what is unknown stays unknown."""
    assert lower(amounts, bound) == result
