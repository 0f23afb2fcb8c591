"""Whose ledger it is, and where its journals wait."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from ai_cost_calc import AiCostCalc
from ai_cost_calc.ledgers.memory import MemoryLedger
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import SpendQuery
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc


def test_a_ledger_in_memory_is_read_where_it_was_written(make_calc: MakeCalc) -> None:
    """Delivery and reports use the same one, although every `memory:` is a new ledger."""
    calc = make_calc("memory:")
    calc.record(ten_cents())
    assert calc.report().total.calls == 1


@pytest.mark.parametrize("kind", [MemoryLedger, SqliteLedger])
def test_a_ledger_that_is_passed_in_stays_open(kind: type[MemoryLedger | SqliteLedger], tmp_path: Path) -> None:
    """Who opened it closes it: after `shutdown` it answers, and another client may go on with it."""
    ledger = MemoryLedger() if kind is MemoryLedger else SqliteLedger(tmp_path / "own.db")
    for calls in (1, 2):
        with AiCostCalc(ledger) as calc:
            calc.record(ten_cents())
        assert ledger.spend(SpendQuery())[0].calls == calls
    ledger.close()


def test_journals_wait_beside_a_ledger_in_the_home_folder(
    make_calc: MakeCalc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` in a URL means the same for the ledger and for its journals."""
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    make_calc("sqlite:///~/spend.db").record(ten_cents())
    assert {"spend.db", "spend.db.pending"} <= {path.name for path in home.iterdir()}
    assert list(work.iterdir()) == []


def test_a_client_that_nobody_holds_is_freed(ledger_url: str) -> None:
    """An application that makes a client per job does not grow: nothing keeps what was shut down."""
    refs = []
    for ledger in ("memory:", ledger_url):
        with AiCostCalc(ledger) as calc:
            calc.record(ten_cents())
            refs += [weakref.ref(part) for part in (calc, calc._books, calc._prices, calc._metering.ids)]
        del calc
    for _ in range(3):  # what one collection frees may have kept others
        gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)
