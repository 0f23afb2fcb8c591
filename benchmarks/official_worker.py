"""Runs the official client 1.3.13, in an environment of its own where `ai_cost_calc` is that one."""

from __future__ import annotations

import sys
from typing import Any

from ai_cost_calc import AiCostCalc
from benchmarks.cases import serve


def main() -> None:
    """Guard, add usage, track, as often as asked."""
    calc: Any = AiCostCalc(api_key="key", base_url=sys.argv[1], flush_interval=100_000)
    whom = {"customer_id": "customer-1", "event_type": "chat-1"}

    def book() -> None:
        calc.add_usage(model="openai/gpt-4o", input_tokens=1200, output_tokens=340)
        calc.track(**whom)

    def call() -> None:
        calc.guarded_call(call=lambda: None, **whom)
        book()

    async def acall() -> None:
        await calc.async_guarded_call(call=lambda: None, **whom)
        book()

    call()
    serve(call, acall, before=calc._queue.clear)  # a full queue would spend its time on dropping


if __name__ == "__main__":
    main()
