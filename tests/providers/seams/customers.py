"""Two customers of one client, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ai_cost_calc import AiCostCalc


def served(calc: AiCostCalc, ask: Callable[[], object]) -> dict[str | None, Any]:
    """Ask for both customers at the same time; what the books say of each."""
    together = threading.Barrier(2)

    def serve(customer: str) -> None:
        with calc.attribute(customer_id=customer):
            together.wait(10)
            ask()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(serve, ("acme", "globex")))
    return {row.customer: row for row in calc.report("customer")}
