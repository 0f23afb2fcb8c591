"""Meter calls that no SDK makes: plain HTTP, with a guarded block around it.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
"""

from __future__ import annotations

import os
import sys

import httpx2

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, read_usage
from ai_cost_calc.testing import ProviderSimulator

QUESTION = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}
STREAMED = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}


def main(http: httpx2.Client) -> None:
    """Post until the budget is used up, then read a stream's bytes."""
    with AiCostCalc("memory:", budgets=[Budget("0.02", per="day", customer_id="acme")]) as calc:
        try:
            while True:
                with calc.guard(customer_id="acme", feature="chat", estimate="0.01") as call:
                    call.record(http.post("chat/completions", json=QUESTION).raise_for_status().content)
                print(f"a call of ${call.cost}")
        except BudgetExceeded as refusal:
            print(f"refused: ${refusal.spent} spent, up to ${refusal.requested} asked for, of ${refusal.limit}")
        with http.stream("POST", "chat/completions", json=STREAMED) as response:
            body = b"".join(response.iter_bytes())
        reading = read_usage(body, url=str(response.url))
        with calc.attribute(customer_id="globex", feature="chat"):
            calc.record(reading)
        print(f"a stream of ${calc.price(reading).total}")
        for row in calc.report("customer"):
            print(f"{row.customer}: {row.calls} calls, ${row.cost}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        key = os.environ["OPENAI_API_KEY"]
        with httpx2.Client(base_url="https://api.openai.com/v1/", headers={"authorization": f"Bearer {key}"}) as client:
            main(client)
    else:
        with (
            ProviderSimulator(usage={"input_tokens": 12_000, "output_tokens": 1_500}) as provider,
            httpx2.Client(base_url=f"{provider.openai_base_url}/") as client,
        ):
            main(client)
