"""Wrap a client, say whom each call is for, and read the margins.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
"""

from __future__ import annotations

import sys

from openai import OpenAI

from ai_cost_calc import AiCostCalc
from ai_cost_calc.testing import ProviderSimulator

PRICE_IN_CENTS = {"acme": 5, "globex": 1}
"""What each customer pays for one summary."""


def main(openai: OpenAI) -> None:
    """Serve two customers, then show who earns and who loses money."""
    with AiCostCalc("memory:") as calc:
        client = calc.wrap(openai)
        for customer in ("acme", "globex", "acme"):
            with calc.attribute(customer_id=customer, feature="summarize"):
                client.responses.create(model="gpt-5-mini", input="Summarize: the printer is on fire again.")
            calc.track(customer_id=customer, event_type="summarize", revenue_amount_in_cents=PRICE_IN_CENTS[customer])
        for row in calc.report("customer"):
            margin = f"margin ${row.margin}, {row.margin_percent} %"
            print(f"{row.customer}: {row.calls} calls, cost ${row.cost}, revenue ${row.revenue}, {margin}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        with OpenAI() as client:
            main(client)
    else:
        with (
            ProviderSimulator(usage={"input_tokens": 12_000, "output_tokens": 6_000}) as provider,
            OpenAI(base_url=provider.openai_base_url, api_key="not-needed") as client,
        ):
            main(client)
