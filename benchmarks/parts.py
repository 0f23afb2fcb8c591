"""The parts of the call path alone, and pricing against genai-prices."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import genai_prices

from ai_cost_calc import Budget, Usage, read_usage
from ai_cost_calc.budgets.matching import BudgetSet
from ai_cost_calc.budgets.memory import MemoryBudgetStore
from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Reservation, ReservationId
from ai_cost_calc.core.event import UsageEvent
from ai_cost_calc.delivery import Delivery
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.prices import load_price_book
from benchmarks.bodies import CHAT
from benchmarks.rows import Row, in_turn, micros, ratio_row

LOOPS = 2_000
WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)


def per_call(work: Callable[[], Any], loops: int = LOOPS) -> float:
    """Seconds that the processor spent on one call, over many."""
    start = time.thread_time()
    for _ in range(loops):
        work()
    return (time.thread_time() - start) / loops


def measure() -> Iterator[Row]:
    """Yield a row for each part."""
    yield _pricing()
    yield _pricing_all()
    yield from _alone(
        "read usage of a chat completion (bytes)", lambda: read_usage(CHAT, provider="openai", api="chat")
    )
    yield from _alone("read usage of a chat completion (dict)", _reader_of_dict())
    yield from _alone("match 3 budgets of 10,000", _matching())
    yield from _alone("reserve and settle 3 claims, memory", _reserving())
    with tempfile.TemporaryDirectory() as folder:
        delivery = Delivery(
            lambda: open_ledger(f"sqlite:///{folder}/b.db"), folder=Path(folder) / "pending",
            flush_interval_seconds=100_000,
        )  # fmt: skip
        event = UsageEvent(
            id="0" * 30, at=1, customer_id="acme", provider="openai", model="gpt-4o", cost_nanos=1,
            usage=Usage(input_tokens=5), price_version="genai-prices-0.2.3+000000000000",
        )  # fmt: skip
        yield from _alone("journal one event", lambda: delivery.put(event))
        delivery.close(10)


def _pricing() -> Row:
    book = load_price_book()
    usage = Usage(input_tokens=1200, output_tokens=340, cache_read_tokens=256)
    theirs = genai_prices.Usage(input_tokens=1200, output_tokens=340, cache_read_tokens=256)
    at = WHEN.timestamp()

    def own() -> Any:
        return book.price(usage, provider="openai", model="gpt-4o-2024-08-06", at=at)

    def peer() -> Any:
        return genai_prices.calc_price(theirs, "gpt-4o-2024-08-06", provider_id="openai", genai_request_timestamp=WHEN)

    assert own().total == peer().total_price, "the two disagree; their speed does not matter"
    pairs = in_turn(lambda: per_call(own), lambda: per_call(peer), 9)
    return ratio_row("price one call", *pairs, 0.02, "genai-prices")


def _pricing_all() -> Row:
    """Every model in turn, so that nothing of one call is at hand for the next; without a bar."""
    book = load_price_book()
    usage = Usage(input_tokens=1200, output_tokens=340)
    theirs = genai_prices.Usage(input_tokens=1200, output_tokens=340)
    at = WHEN.timestamp()
    names = [(model.provider, model.id) for model in book.models() if _found(model.provider, model.id)]

    def own() -> None:
        for provider, model in names:
            book.price(usage, provider=provider, model=model, at=at)

    def peer() -> None:
        for provider, model in names:
            genai_prices.calc_price(theirs, model, provider_id=provider, genai_request_timestamp=WHEN)

    pairs = in_turn(lambda: per_call(own, 1) / len(names), lambda: per_call(peer, 1) / len(names), 5)
    return ratio_row(f"price a call of each of {len(names):,} models", *pairs, float("inf"), "genai-prices")


def _found(provider: str, model: str) -> bool:
    """Whether genai-prices finds a model by its own id; for some it wants another name."""
    try:
        genai_prices.calc_price(genai_prices.Usage(), model, provider_id=provider, genai_request_timestamp=WHEN)
    except LookupError:
        return False
    return True


def _alone(path: str, work: Callable[[], Any]) -> Iterator[Row]:
    seconds = sorted(per_call(work) for _ in range(9))[4]
    yield Row(path, micros(seconds), "", seconds * 1e6, float("inf"), "µs")


def _reader_of_dict() -> Callable[[], Any]:
    body = json.loads(CHAT)
    return lambda: read_usage(body, provider="openai", api="chat")


def _matching() -> Callable[[], Any]:
    others = [Budget("1", per="day", customer_id=f"c{number}") for number in range(9_997)]
    three = [Budget("1", per="day"), Budget("1", per="month", each="customer"), Budget("1", per="hour", feature="chat")]
    budgets = BudgetSet([*three, *others])
    whom = Attribution(customer_id="acme", feature="chat")
    return lambda: budgets.claims(whom, "openai", "gpt-4o", WHEN.timestamp(), lambda _: 1)


def _reserving() -> Callable[[], Any]:
    store = MemoryBudgetStore()
    three = [Budget("999999", per="day"), Budget("999999", per="month"), Budget("999999", per="hour")]
    now = WHEN.timestamp()
    claims = BudgetSet(three).claims(Attribution(customer_id="acme"), None, None, now, lambda _: 1)
    names = iter(range(10**9))

    def once() -> None:
        reservation = Reservation(id=ReservationId(str(next(names))), claims=claims)
        store.reserve(reservation, now=now, lease_seconds=60)
        store.settle(reservation, [1, 1, 1], now=now)

    return once
