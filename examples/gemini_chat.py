"""Chat with Gemini on behalf of two customers, streamed and not, under a budget for each.

Runs against a simulated provider. `--real` calls Google with the key in GEMINI_API_KEY, and spends money.
Needs Google's SDK: `pip install google-genai`.
"""

from __future__ import annotations

import sys

from google import genai

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator

MODEL = "gemini-2.5-flash"


def main(gemini: genai.Client) -> None:
    """Two messages of one customer, and as many of the other as its budget allows."""
    budgets = [Budget("0.004", per="day", each="customer")]
    with AiCostCalc("memory:", budgets=budgets) as calc, calc.metered(gemini) as client:
        with calc.attribute(customer_id="acme", feature="chat"):
            chat = client.chats.create(model=MODEL)
            chat.send_message("How deep is the Sognefjord?")
        with calc.attribute(customer_id="globex", feature="chat"):
            chat = client.chats.create(model=MODEL)
            try:
                for question in ("How long is it?", "How wide is it?", "How old is it?"):
                    chunks = list(chat.send_message_stream(question))
                    print(f"{question} {len(chunks)} chunks")
            except BudgetExceeded as refused:
                print(f"{question} refused: {refused.spent} of {refused.limit} dollars are spent")
        for row in calc.report("customer"):
            print(f"{row.customer}: {row.calls} calls, {row.usage.output_tokens} tokens out, ${row.cost}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        with genai.Client() as client:
            main(client)
    else:
        with (
            ProviderSimulator(usage={"input_tokens": 2_000, "output_tokens": 400}) as provider,
            genai.Client(api_key="not-needed", http_options={"base_url": provider.google_base_url}) as client,
        ):
            main(client)
