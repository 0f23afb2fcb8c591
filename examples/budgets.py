"""Give every customer a budget, and meet it: the call that does not fit is never sent.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
"""

from __future__ import annotations

import sys

from openai import OpenAI

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator

BUDGETS = [
    Budget("0.02", per="month", each="customer", id="per-customer"),
    Budget(0, per="total", customer_id="mallory", id="ban-mallory"),
]


def main(openai: OpenAI) -> None:
    """Serve customers until their budgets are used up, then show where the budgets stand."""
    with AiCostCalc("memory:", budgets=BUDGETS) as calc:
        client = calc.wrap(openai)
        for customer in ("acme", "acme", "mallory", "acme", "globex", "acme"):
            try:
                with calc.attribute(customer_id=customer):
                    client.responses.create(model="gpt-5-mini", input="Hello", max_output_tokens=2_000)
                print(f"{customer}: answered")
            except BudgetExceeded as refusal:
                print(f"{customer}: refused by {refusal.budget}, ${refusal.spent} spent of ${refusal.limit}")
        calc.flush()  # who has spent is looked up in the ledger
        for status in calc.budgets.status():
            print(f"{status.scope}: ${status.spent} of ${status.limit}, ${status.held} held")


if __name__ == "__main__":
    if "--real" in sys.argv:
        with OpenAI() as client:
            main(client)
    else:
        with (
            ProviderSimulator(usage={"input_tokens": 12_000, "output_tokens": 1_500}) as provider,
            OpenAI(base_url=provider.openai_base_url, api_key="not-needed") as client,
        ):
            main(client)
