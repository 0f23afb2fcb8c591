"""Applications start and call while the ledger cannot be reached; budgets learn later what they missed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc, AiCostCalcError, Budget, BudgetExceeded, BudgetStoreError, LedgerUnavailable
from ai_cost_calc.client import catch_up
from ai_cost_calc.core.event import Record
from ai_cost_calc.ledgers.memory import MemoryLedger
from ai_cost_calc.ports.ledgers import SpendQuery, SpendRow
from ai_cost_calc.testing._forks import exit_code, forked
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

pytestmark = pytest.mark.provokes_faults


class _Ledger(MemoryLedger):
    """A ledger that can be switched off."""

    down = False

    def _check(self) -> None:
        if self.down:
            raise LedgerUnavailable("the database does not answer")

    def append(self, records: Sequence[Record], /) -> int:
        """Keep records."""
        self._check()
        return super().append(records)

    def spend(self, query: SpendQuery, /) -> list[SpendRow]:
        """Sum up."""
        self._check()
        return super().spend(query)

    def budgets(self, /, **said: Any) -> dict[str, dict[str, Any]]:
        """Kept budgets."""
        self._check()
        return super().budgets(**said)


@pytest.fixture
def ledger(make_calc: MakeCalc, tmp_path: Path) -> _Ledger:
    """A ledger that knows of twenty cents and keeps a budget, and is down now."""
    ledger = _Ledger()
    first = make_calc(ledger, data_dir=tmp_path)
    for _ in range(2):
        first.record(ten_cents())
    first.budgets.set(Budget(0, per="day", customer_id="banned"))
    assert first.shutdown() == 0
    ledger.down = True
    return ledger


def _budgets_caught_up() -> None:
    for thread in threading.enumerate():
        if thread.name == "ai-cost-calc-catch-up":
            thread.join(30)
            assert not thread.is_alive()


def _call(calc: AiCostCalc, customer: str = "acme") -> None:
    with calc.guard(customer_id=customer, estimate="0.10") as guarded:
        guarded.record(ten_cents())


def test_an_application_starts_without_its_ledger_and_budgets_catch_up(
    make_calc: MakeCalc, ledger: _Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Budgets begin with this process's own spend; once the ledger answers they know all of it, and the kept ones."""
    monkeypatch.setattr(catch_up, "FIRST_SECONDS", 0.01)
    errors: list[AiCostCalcError] = []
    calc = make_calc(ledger, data_dir=tmp_path, budgets=[Budget("0.40", per="day", id="all")], on_error=errors.append)
    assert "the database does not answer; budgets know only what this process spends" in errors[0].message
    _call(calc, "banned")
    ledger.down = False
    _budgets_caught_up()
    assert {row.id: row.spent for row in calc.budgets.status() if row.limit} == {"all": Decimal("0.3")}
    with pytest.raises(BudgetExceeded):
        _call(calc, "banned")
    _call(calc)
    with pytest.raises(BudgetExceeded):
        _call(calc)
    assert calc.stats().holds == 0


def test_a_closed_budget_refuses_until_it_knows_what_was_spent(
    make_calc: MakeCalc, ledger: _Ledger, tmp_path: Path
) -> None:
    """`on_unavailable="closed"` means so at the start, too; other customers' calls go on."""
    closed = Budget("0.30", per="day", customer_id="acme", on_unavailable="closed")
    calc = make_calc(ledger, data_dir=tmp_path, budgets=[closed])
    with pytest.raises(BudgetStoreError, match=r"customer acme.* is not known"):
        _call(calc)
    _call(calc, "globex")
    ledger.down = False
    calc.budgets.refresh()
    _call(calc)


def test_nothing_is_left_behind_by_a_client_that_never_caught_up(
    make_calc: MakeCalc, ledger: _Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shutting down ends the thread; what was recorded waits for the next start."""
    monkeypatch.setattr(catch_up, "FIRST_SECONDS", 0.01)
    calc = make_calc(ledger, data_dir=tmp_path, budgets=[Budget("9", per="day")])
    _call(calc)
    assert calc.shutdown(timeout=0.1) == 1
    _budgets_caught_up()
    ledger.down = False
    assert make_calc(ledger, data_dir=tmp_path).report().total.calls == 3


def test_a_damaged_file_keeps_no_application_from_starting(make_calc: MakeCalc, tmp_path: Path) -> None:
    """Its message says what to do; once that is done everything recorded meanwhile is delivered."""
    path = tmp_path / "spend.db"
    path.write_bytes(b"no database" * 1_000)
    errors: list[AiCostCalcError] = []
    calc = make_calc(f"sqlite:///{path}", budgets=[Budget("9", per="day")], on_error=errors.append)
    assert "restore a backup or move the file away" in errors[0].message
    _call(calc)
    with pytest.raises(LedgerUnavailable, match="restore a backup"):
        calc.budgets.refresh()
    path.rename(tmp_path / "damaged.db")
    assert calc.flush(30) == 0
    assert calc.report().total.calls == 1


def test_a_forked_worker_catches_up_by_itself(
    make_calc: MakeCalc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that forks its workers while the ledger is down: their budgets learn what was spent, too."""
    path = tmp_path / "spend.db"
    before = make_calc(f"sqlite:///{path}")
    before.record(ten_cents())
    before.shutdown()
    path.rename(tmp_path / "away.db")
    path.symlink_to(tmp_path)  # a folder is no database
    calc = make_calc(f"sqlite:///{path}", budgets=[Budget("0.10", per="day", on_unavailable="closed")])

    def work() -> int:
        with pytest.raises(BudgetStoreError):
            _call(calc)
        (tmp_path / "away.db").replace(path)  # in one step, or whoever looks meanwhile makes a new file
        _budgets_caught_up()
        with pytest.raises(BudgetExceeded):
            _call(calc)
        return calc.shutdown()

    monkeypatch.setattr(catch_up, "FIRST_SECONDS", 0.01)
    assert exit_code(forked(work)) == 0
