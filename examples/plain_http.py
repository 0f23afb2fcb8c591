"""Meter calls over plain HTTP: one wrapped client or session, and nothing to do for each call.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
Needs aiohttp and requests: `pip install aiohttp requests`.
"""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp
import requests

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator

QUESTION = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}
STREAMED = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}


def main(base_url: str, key: str) -> None:
    """Ask through each library, each for another customer, then say who spent what."""
    url, headers = f"{base_url}/chat/completions", {"authorization": f"Bearer {key}"}
    with AiCostCalc("memory:", budgets=[Budget("0.02", per="day", each="customer")]) as calc:
        with calc.metered_http_client(headers=headers) as http, calc.attribute("acme"):
            http.post(url, json=QUESTION).raise_for_status()
            with http.stream("POST", url, json=STREAMED) as response:
                last = [line for line in response.iter_lines() if line][-1]
            print(f"acme: a stream that ends with {last!r}")
        with requests.Session() as session, calc.attribute("globex"):
            calc.wrap(session).headers.update(headers)
            try:
                while True:
                    session.post(url, json=QUESTION).raise_for_status()
            except BudgetExceeded as refusal:
                print(f"globex: refused after ${refusal.spent}")
        asyncio.run(ask_at_once(calc, url, headers))
        for row in sorted(calc.report("customer"), key=lambda row: str(row.customer)):
            print(f"{row.customer}: {row.calls} calls, ${row.cost}")


async def ask_at_once(calc: AiCostCalc, url: str, headers: dict[str, str]) -> None:
    """Two questions at the same time."""

    async def ask() -> None:
        async with session.post(url, json=QUESTION) as response:
            await response.json()

    async with aiohttp.ClientSession(headers=headers) as session:
        with calc.metered(session, customer_id="initech"):
            await asyncio.gather(ask(), ask())


if __name__ == "__main__":
    if "--real" in sys.argv:
        main("https://api.openai.com/v1", os.environ["OPENAI_API_KEY"])
    else:
        with ProviderSimulator(usage={"input_tokens": 12_000, "output_tokens": 1_500}) as provider:
            main(provider.openai_base_url, "not-needed")
