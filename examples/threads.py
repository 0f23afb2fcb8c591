"""Serve customers from a pool of threads: where a scope follows, and how to hand it on.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
"""

from __future__ import annotations

import contextvars
import sys
from concurrent.futures import ThreadPoolExecutor

from openai import OpenAI

from ai_cost_calc import AiCostCalc
from ai_cost_calc.testing import ProviderSimulator

CUSTOMERS = ("acme", "globex", "initech")


def main(openai: OpenAI) -> None:
    """Make calls in threads, with the scope opened inside, handed over, and left behind."""
    with AiCostCalc("memory:") as calc, ThreadPoolExecutor(8) as pool:
        client = calc.wrap(openai)

        def ask() -> None:
            client.responses.create(model="gpt-5-mini", input="Hello")

        def serve(customer: str) -> None:
            with calc.attribute(customer_id=customer, feature="inside"):
                ask()

        list(pool.map(serve, CUSTOMERS * 4))
        with calc.attribute(customer_id="acme", feature="handed-over"):
            pool.submit(contextvars.copy_context().run, ask).result()
        with calc.attribute(customer_id="acme", feature="left-behind"):
            pool.submit(ask).result()
        rows = [
            f"{row.feature} {row.customer}: {row.calls} calls, ${row.cost}"
            for row in calc.report(["feature", "customer"])
        ]
        print(*sorted(rows), sep="\n")


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
