"""What wrapping adds to one call of the openai SDK over a mock transport."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import httpx2
from openai import OpenAI

from ai_cost_calc import AiCostCalc, Budget
from benchmarks.our_worker import BODY
from benchmarks.parts import per_call
from benchmarks.rows import Row, in_turn, micros

CALLS = 150


def _client() -> OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=BODY, headers={"content-type": "application/json"})

    return OpenAI(api_key="k", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def measure() -> Iterator[Row]:
    """Yield what a wrapped call takes over a bare one."""
    with tempfile.TemporaryDirectory() as folder:
        budgets = [Budget("999999", per="day"), Budget("999999", per="month"), Budget("999999", per="hour")]
        with AiCostCalc(f"sqlite:///{folder}/sdk.db", budgets=budgets, flush_interval=100_000) as calc:
            wrapped, bare = calc.wrap(_client()), _client()

            def ask(client: OpenAI) -> object:
                return client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi " * 50}]
                )

            ours, theirs = in_turn(
                lambda: per_call(lambda: ask(wrapped), CALLS), lambda: per_call(lambda: ask(bare), CALLS), 15
            )
        added = sorted(a - b for a, b in zip(ours, theirs, strict=True))[len(ours) // 2]
        yield Row("added to one openai call", micros(added), f"bare {micros(sorted(theirs)[7])}", added * 1e6, 60, "µs")
