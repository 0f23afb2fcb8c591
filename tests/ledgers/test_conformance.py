"""Every ledger of the package keeps every promise of the port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ledgers.memory import MemoryLedger
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import Ledger
from ai_cost_calc.testing import AdjustmentBookConformance, BudgetBookConformance, LedgerConformance


@pytest.fixture(params=["memory", "sqlite", "sqlite-full"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that is still empty."""
    return {
        "memory": "memory:",
        "sqlite": f"sqlite:///{tmp_path}/spend.db",
        "sqlite-full": f"sqlite:///{tmp_path}/full.db?synchronous=full",
    }[request.param]


class TestLedgers(LedgerConformance):
    """The suite that authors of other ledgers run too."""

    @pytest.fixture
    def ledger(self, url: str) -> Iterator[Ledger]:
        """An empty ledger of each kind."""
        opened = open_ledger(url)
        yield opened
        opened.close()


class TestAdjustmentBooks(AdjustmentBookConformance):
    """Every ledger of the package also keeps adjustments of costs."""

    @pytest.fixture
    def ledger(self, url: str) -> Iterator[Ledger]:
        """An empty ledger of each kind."""
        opened = open_ledger(url)
        yield opened
        opened.close()


class TestBudgetBooks(BudgetBookConformance):
    """Every ledger of the package also keeps definitions of budgets."""

    @pytest.fixture
    def book(self, url: str) -> Iterator[Ledger]:
        """An empty ledger of each kind."""
        opened = open_ledger(url)
        assert isinstance(opened, (MemoryLedger, SqliteLedger))
        yield opened
        opened.close()
