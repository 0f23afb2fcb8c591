"""Serve many requests at once with asyncio: each task's spend goes to its own customer, and the budget holds.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
"""

from __future__ import annotations

import asyncio
import sys

from openai import AsyncOpenAI

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator

REQUESTS = [f"customer-{number % 4}" for number in range(40)]
BUDGET = Budget("0.18", per="month", estimate="strict")
"""Strict: a call reserves the most it can cost, so not even a burst passes the limit."""


async def handle(calc: AiCostCalc, client: AsyncOpenAI, customer: str) -> bool:
    """Answer one request; say whether the budget allowed it."""
    try:
        with calc.attribute(customer_id=customer, feature="chat"):
            await client.responses.create(model="gpt-5-mini", input="Hello", max_output_tokens=3_000)
    except BudgetExceeded:
        return False
    return True


async def main(openai: AsyncOpenAI) -> None:
    """Serve all requests at the same time."""
    with AiCostCalc("memory:", budgets=[BUDGET]) as calc:
        async with calc.wrap(openai) as client:
            answered = await asyncio.gather(*(handle(calc, client, customer) for customer in REQUESTS))
        report = calc.report("customer")
        print(f"{sum(answered)} of {len(REQUESTS)} requests answered, ${report.total.cost} spent of ${BUDGET.limit}")
        for row in sorted(report, key=lambda row: row.customer or ""):
            print(f"{row.customer}: {row.calls} calls, ${row.cost}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        asyncio.run(main(AsyncOpenAI()))
    else:
        with ProviderSimulator(usage={"input_tokens": 20, "output_tokens": 3_000}, delay_ms=20) as provider:
            asyncio.run(main(AsyncOpenAI(base_url=provider.openai_base_url, api_key="not-needed")))
