"""Guard functions, coroutines and generators of your own; labels come from their arguments.

Runs against a simulated provider. `--real` calls OpenAI with the key in OPENAI_API_KEY, and spends money.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from openai import AsyncOpenAI, OpenAI

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator


@dataclass
class User:
    """Somebody who uses the application."""

    id: str


def main(openai: OpenAI, aopenai: AsyncOpenAI) -> None:
    """Call a guarded function, coroutine and generator."""
    with AiCostCalc("memory:", budgets=[Budget(2, per="total", unit="calls", feature="summarize")]) as calc:
        client, aclient = calc.wrap(openai), calc.wrap(aopenai)

        @calc.guard(feature="summarize", customer_id=lambda user, *_: user.id)
        def summarize(user: User, text: str) -> str:
            return client.responses.create(model="gpt-5-mini", input=f"Summarize for {user.id}: {text}").output_text

        @calc.guard(feature="translate", customer_id=lambda user, *_: user.id)
        async def translate(user: User, text: str) -> str:
            return (
                await aclient.responses.create(model="gpt-5-mini", input=f"In the language of {user.id}: {text}")
            ).output_text

        async def translate_and_close(user: User, text: str) -> None:
            async with aclient:
                await translate(user, text)

        @calc.guard(feature="chat", customer_id=lambda user: user.id)
        def chat(user: User) -> Iterator[str]:
            with client.responses.stream(model="gpt-5-mini", input=f"Greet {user.id}.") as stream:
                yield from (event.delta for event in stream if event.type == "response.output_text.delta")

        user = User("acme")
        summarize(user, "the printer is on fire again")
        summarize(user, "it is out now")
        try:
            summarize(user, "it burns again")
        except BudgetExceeded as refusal:
            print(f"refused: {refusal.scope}, {refusal.spent} of {refusal.limit} calls made")
        asyncio.run(translate_and_close(user, "the printer is on fire again"))
        print(f"streamed {len(''.join(chat(user)))} characters")
        for row in sorted(calc.report(["customer", "feature"]), key=lambda row: row.feature or ""):
            print(f"{row.customer} {row.feature}: {row.calls} calls, ${row.cost}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        with OpenAI() as client:
            main(client, AsyncOpenAI())
    else:
        with (
            ProviderSimulator(usage={"input_tokens": 12_000, "output_tokens": 1_500}) as provider,
            OpenAI(base_url=provider.openai_base_url, api_key="not-needed") as client,
        ):
            main(client, AsyncOpenAI(base_url=provider.openai_base_url, api_key="not-needed"))
