"""Budgets that are set while calls are made, and what `calc.budgets.status` shows of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from ai_cost_calc import Budget, BudgetExceeded
from ai_cost_calc.client.budgets import definition
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.testing import FakeClock
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc


def test_a_budget_set_at_run_time_knows_what_was_spent_until_then(make_calc: MakeCalc) -> None:
    """Spend that is not in the ledger yet counts too: a budget that it fills refuses the next call."""
    calc = make_calc(flush_interval=3_600)
    for _ in range(3):
        calc.record(ten_cents())
    calc.budgets.set(Budget("0.30", per="day"))
    assert calc.budgets.status()[0].spent == Decimal("0.3")
    with pytest.raises(BudgetExceeded), calc.guard(estimate="0.01"):
        pytest.fail("the call must not be made")


@pytest.mark.parametrize("before", [(), (Budget("9", per="day", id="before"),)])
def test_a_call_that_runs_while_a_budget_is_set_counts_for_it(make_calc: MakeCalc, before: tuple[Budget, ...]) -> None:
    """It holds nothing of the new budget, but what it comes to is booked there, once."""
    calc = make_calc(budgets=before)
    with calc.guard(customer_id="acme") as guarded:
        calc.budgets.set(Budget("5", per="day", id="new"))
        calc.budgets.set(Budget("5", per="day", each="customer", id="newer"))
        guarded.record(ten_cents())
    assert {row.spent for row in calc.budgets.status()} == {Decimal("0.1")}
    assert len(calc.budgets.status()) == 2 + len(before)
    assert calc.stats().holds == 0


def test_budgets_set_by_many_threads_are_all_in_force(make_calc: MakeCalc) -> None:
    """None is lost because another one was set at the same moment."""
    calc = make_calc()
    names = [f"customer-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: calc.budgets.set(Budget(0, per="day", customer_id=name)), names))
    for name in names:
        with pytest.raises(BudgetExceeded), calc.guard(customer_id=name):
            pytest.fail("the call must not be made")


def test_status_shows_all_who_count_for_a_rolling_budget(make_calc: MakeCalc) -> None:
    """Who spent hours ago still has a row, for as long as the rolling window remembers it."""
    clock = FakeClock()
    calc = make_calc(budgets=[Budget("1", per="day", each="customer", rolling=True)], clock=clock)
    with calc.attribute(customer_id="acme"):
        calc.record(ten_cents())
    clock.advance(5 * 3_600)
    with calc.attribute(customer_id="globex"):
        calc.record(ten_cents())
    assert {row.scope for row in calc.budgets.status()} == {"customer acme", "customer globex"}
    clock.advance(22 * 3_600)
    assert {row.scope for row in calc.budgets.status()} == {"customer globex"}


@pytest.mark.provokes_faults
@pytest.mark.parametrize("kept", [{"limit": "5", "per": "fortnight"}, {"per": "day"}])
def test_a_kept_budget_that_is_not_possible_stops_no_application(
    make_calc: MakeCalc, tmp_path: Path, kept: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Another version may have set it: the others hold, it is counted and named, and it can be removed."""
    url = f"sqlite:///{tmp_path}/spend.db"
    with closing(SqliteLedger(tmp_path / "spend.db")) as ledger:
        ledger.save_budget("odd", kept)
        ledger.save_budget("none", definition(Budget(0, per="day", id="none")))
    calc = make_calc(url)
    with pytest.raises(BudgetExceeded), calc.guard():
        pytest.fail("the call must not be made")
    assert calc.stats().faults == {"kept budget": 1}
    assert "ai-cost-calc budgets rm" in caplog.text
    assert calc.budgets.remove("odd")
    assert make_calc(url).stats().faults == {}
