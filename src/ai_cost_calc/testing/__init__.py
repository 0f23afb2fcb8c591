"""Public test tools: provider simulator, fake clock, conformance suites. May import `client` and what is below it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ai_cost_calc.testing.adjustments import AdjustmentBookConformance, make_adjustment
    from ai_cost_calc.testing.budget_books import BudgetBookConformance
    from ai_cost_calc.testing.budget_machine import BudgetStoreMachine
    from ai_cost_calc.testing.budgets import BudgetStoreConformance
    from ai_cost_calc.testing.clock import FakeClock
    from ai_cost_calc.testing.ledgers import LedgerConformance
    from ai_cost_calc.testing.records import make_event, make_revenue
    from ai_cost_calc.testing.simulator import Behaviour, ProviderSimulator, SimulatedRequest

__all__ = [
    "AdjustmentBookConformance",
    "Behaviour",
    "BudgetBookConformance",
    "BudgetStoreConformance",
    "BudgetStoreMachine",
    "FakeClock",
    "LedgerConformance",
    "ProviderSimulator",
    "SimulatedRequest",
    "make_adjustment",
    "make_event",
    "make_revenue",
]

# Loaded on first use: the suites need pytest, and who wants a clock need not have it.
_MODULES: Final = {
    "AdjustmentBookConformance": "adjustments",
    "Behaviour": "simulator",
    "BudgetBookConformance": "budget_books",
    "BudgetStoreConformance": "budgets",
    "BudgetStoreMachine": "budget_machine",
    "FakeClock": "clock",
    "LedgerConformance": "ledgers",
    "ProviderSimulator": "simulator",
    "SimulatedRequest": "simulator",
    "make_adjustment": "adjustments",
    "make_event": "records",
    "make_revenue": "records",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
