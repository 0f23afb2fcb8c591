"""Type-checked, never run: what users write keeps its types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import assert_type

import httpx2
import requests
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI

from ai_cost_calc import (
    AiCostCalc,
    AiCostCalcError,
    Budget,
    BudgetExceeded,
    Cost,
    CostResult,
    Money,
    Reading,
    Usage,
    read_usage,
)
from ai_cost_calc.client.budgets import BudgetStatus
from ai_cost_calc.client.reports import ReportRow
from ai_cost_calc.ledgers.memory import MemoryLedger
from ai_cost_calc.ports.ledgers import Ledger
from ai_cost_calc.testing import FakeClock, ProviderSimulator

calc = AiCostCalc()
calc = AiCostCalc(
    "sqlite:///spend.db",
    budgets=[
        Budget("25.00", "day"),
        Budget(Decimal("2.00"), per="month", each="customer"),
        Budget(0, per="total", customer_id="mallory"),
        Budget(1_000, per="hour", each=["customer", "tag:plan"], unit="calls", mode="warn", rolling=True),
    ],
    fallback_price="15.00",
    durability="disk",
    clock=FakeClock(),
)
calc = AiCostCalc(api_key="k", base_url="u", flush_interval=1, max_retries=0, default_event_type="chat")
ledger: Ledger = MemoryLedger()
calc = AiCostCalc(ledger)


def on_error(error: AiCostCalcError) -> None:
    """Take what `on_error` gives."""
    assert_type(error.message, str)
    assert_type(error.cause, BaseException | None)


calc = AiCostCalc(on_error=on_error)

# Wrapping keeps the type.

assert_type(calc.wrap(OpenAI()), OpenAI)
assert_type(calc.wrap(AsyncOpenAI()), AsyncOpenAI)
assert_type(calc.wrap(AzureOpenAI()), AzureOpenAI)
assert_type(calc.wrap(AsyncAzureOpenAI()), AsyncAzureOpenAI)
assert_type(calc.wrap(Anthropic()), Anthropic)
assert_type(calc.unwrap(AsyncAnthropic()), AsyncAnthropic)
assert_type(calc.wrap(requests.Session()), requests.Session)
assert_type(calc.metered_http_client(timeout=5), httpx2.Client)
assert_type(calc.metered_async_http_client(timeout=5), httpx2.AsyncClient)

with calc.metered(Anthropic(), customer_id="acme", tags={"plan": "pro"}) as claude:
    assert_type(claude, Anthropic)

with ProviderSimulator(seed=1, usage={"input_tokens": 1}) as provider:
    assert_type(provider.openai_base_url, str)

# Scopes and guards.

with calc.attribute(customer_id="acme", feature="chat", session_id="run-7", tags={"plan": "pro"}):
    pass

with calc.guard(customer_id="acme", estimate="0.10") as call:
    call.record({"usage": {}})
    assert_type(call.cost, Decimal | None)


async def in_async_code() -> None:
    """Both kinds of scopes work in coroutines."""
    async with calc.attribute(customer_id="acme"), calc.guard(feature="chat") as block:
        block.record(b"{}")
    assert_type(await calc.async_guarded_call(customer_id="acme", call=fetch), bytes)
    assert_type(await calc.async_guarded_call(customer_id="acme", call=lambda: 1), int)


async def fetch() -> bytes:
    """Stand for a call."""
    return b""


# The decorator keeps the signature.


@calc.guard(feature="summarize", customer_id=lambda user, text: user)
def summarize(user: str, text: str, *, length: int = 3) -> str:
    """Shorten a text."""
    return text[:length] + user


@calc.guard()
async def translate(text: str) -> str:
    """Translate a text."""
    return text


@calc.guard()
def chunks(text: str) -> Iterator[str]:
    """Give a text in pieces."""
    yield text


@calc.guard()
async def achunks(text: str) -> AsyncIterator[str]:
    """Give a text in pieces."""
    yield text


assert_type(summarize("u", "t", length=2), str)
taken: Callable[[str], Iterator[str]] = chunks


async def use() -> None:
    """Decorated coroutines and async generators stay what they are."""
    assert_type(await translate("t"), str)
    async for piece in achunks("t"):
        assert_type(piece, str)


# Prices.

assert_type(calc.price(Usage(input_tokens=1), provider="openai", model="gpt-5"), Cost)
assert_type(calc.price(read_usage(b"{}"), at=datetime(2026, 11, 23, tzinfo=UTC)).total, Decimal | None)
assert_type(calc.cost("openai/gpt-4o", input_tokens=1, output_tokens=1), CostResult | None)
assert_type(calc.estimate("gpt-5", input_text="…", max_output_tokens=800).strict, Decimal)
assert_type(read_usage({}, provider="anthropic", headers={}), Reading)
assert_type(read_usage("{}").usage, Usage | None)
assert_type(Money.usd("0.10") + Money.usd(1), Money)
assert_type(Usage() + Usage(), Usage)

# Reports and state.

for row in calc.report(["customer", "feature"], since=timedelta(days=30)):
    assert_type(row, ReportRow)
    assert_type(row.customer, str | None)
    assert_type(row.cost, Decimal)
    assert_type(row.margin_percent, Decimal | None)
    assert_type(row.usage, Usage)
assert_type(calc.report("day", since="30d", where={"feature": None}).total.calls, int)
assert_type(calc.budgets.set(Budget("1", per="day")), Budget)
assert_type(calc.budgets.status(), list[BudgetStatus])
assert_type(calc.budgets.remove("day"), bool)
assert_type(calc.reprice(since="30d", everything=True, reason="contract", dry_run=True).difference, Decimal)
assert_type(calc.adjustments(where={"model": "gpt-5"}, limit=1)[0].new_nanos, int | None)
assert_type(calc.stats().faults, dict[str, int])
assert_type(calc.flush(timeout=5), int)

# The official surface.

assert_type(calc.guarded_call(customer_id="acme", call=lambda: 1, event_type="chat"), int)
calc.add_usage(model="openai/gpt-4o", input_tokens=1, output_tokens=1, vendor="openai")
calc.track(customer_id="acme", revenue_amount_in_cents=250, unique_request_token="t", occurred_at="2026-11-23T12:00Z")

try:
    summarize("u", "t")
except BudgetExceeded as refusal:
    assert_type(refusal.limit, Decimal)
    assert_type(refusal.resets_at, datetime | None)
