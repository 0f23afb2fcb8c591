"""Where budgets meet calls: which match, what such calls came to before, and stores of what is spent and held.

May import config, ports, core and errors. A store's module is loaded when its URL asks for it.
"""

from __future__ import annotations

import importlib
from typing import Final, cast

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.ports.budgets import BudgetStore

_STORES: Final = {"memory": "ai_cost_calc.budgets.memory:open_memory_store"}
"""URL scheme to a function that opens the store of such a URL."""


def open_budget_store(url: str) -> BudgetStore:
    """Open the budget store that a URL names: `memory:`.

    Raises:
        ConfigError: no store has this scheme; the message lists those that exist.
    """
    scheme = url.partition(":")[0]
    if scheme not in _STORES:
        known = ", ".join(f"{name}:" for name in _STORES)
        raise ConfigError(f"budget store {url!r} is unknown; a URL starts with one of {known}")
    module, _, function = _STORES[scheme].partition(":")
    return cast("BudgetStore", getattr(importlib.import_module(module), function)(url))
