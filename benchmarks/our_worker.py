"""Runs our client, in a process of its own."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from ai_cost_calc import AiCostCalc, Budget
from benchmarks.bodies import CHAT
from benchmarks.cases import serve


def build(budgets: int, durability: Any) -> AiCostCalc:
    """A client with three budgets that match every call, and as many others as asked for."""
    folder = tempfile.mkdtemp(prefix="ai-cost-calc-bench-")
    matching = [
        Budget("1000000", per="day"),
        Budget("1000000", per="month", customer_id="customer-1"),
        Budget("1000000", per="hour", feature="chat-1"),
    ]
    others = [Budget("1000000", per="day", customer_id=f"other-{number}") for number in range(budgets - 3)]
    return AiCostCalc(
        f"sqlite:///{folder}/bench.db", budgets=[*matching, *others], durability=durability, flush_interval=100_000
    )


def main() -> None:
    """Guard a block, read a response, price, settle, journal, as often as asked."""
    calc = build(int(sys.argv[1]), sys.argv[2])
    whom: dict[str, Any] = {"customer_id": "customer-1", "feature": "chat-1"}

    def call() -> None:
        with calc.guard(**whom) as guarded:
            guarded.record(CHAT, provider="openai", api="chat")

    async def acall() -> None:
        async with calc.guard(**whom) as guarded:
            guarded.record(CHAT, provider="openai", api="chat")

    for _ in range(200):
        call()
    queue: Any = calc._delivery._queue
    serve(call, acall, before=queue.clear)  # without a journal a full queue would spend its time on dropping
    calc.shutdown()


if __name__ == "__main__":
    main()
