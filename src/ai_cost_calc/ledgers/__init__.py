"""Ledgers: where records are kept and summed, one file each, and the SQL they share. May import `ports` and below.

A ledger of your own implements `ai_cost_calc.ports.ledgers.Ledger`, and is one more line in `_LEDGERS` here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.ports.ledgers import Ledger

_LEDGERS: Final = {
    "memory": "ai_cost_calc.ledgers.memory:MemoryLedger",
    "sqlite": "ai_cost_calc.ledgers.sqlite:SqliteLedger",
}
"""Who opens URLs of a scheme; nothing is imported before it is asked for."""


def open_ledger(url: str) -> Ledger:
    """Open the ledger that a URL names: `sqlite:///spend.db`, `sqlite:////var/lib/spend.db`, `memory:`.

    Every `memory:` is a new, empty ledger.

    Raises:
        ConfigError: no ledger is known for the URL, or it is not well-formed.
        LedgerError: the ledger cannot be opened; `LedgerUnavailable` where a retry may help.
    """
    scheme, colon, _ = url.partition(":")
    if not colon or scheme not in _LEDGERS:
        raise ConfigError(
            f"ledger {url!r} is not known; write a URL such as sqlite:///spend.db or memory: "
            f"(there are ledgers for {', '.join(sorted(_LEDGERS))})"
        )
    module, _, name = _LEDGERS[scheme].partition(":")
    opened: Callable[[str], Ledger] = getattr(importlib.import_module(module), name)
    return opened(url)
