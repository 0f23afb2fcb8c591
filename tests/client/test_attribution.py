"""Promise 4: spend goes to whoever caused it, in threads, tasks, generators, executors and nested scopes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ai_cost_calc import AiCostCalc
from tests.client.bodies import chat_completion

CUSTOMERS = [f"customer-{number}" for number in range(100)]


def _tokens_by_customer(calc: AiCostCalc) -> dict[str | None, int]:
    return {row.customer: row.usage.input_tokens for row in calc.report("customer")}


def test_promise_4_8_threads_find_every_usage_with_its_own_customer(calc: AiCostCalc) -> None:
    """Eight threads serve a hundred customers; each customer's tokens are exactly its own."""

    def serve(number: int) -> None:
        with calc.attribute(customer_id=CUSTOMERS[number]):
            calc.record(chat_completion(number + 1, 0))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(serve, range(100)))
    assert _tokens_by_customer(calc) == {name: number + 1 for number, name in enumerate(CUSTOMERS)}


async def test_promise_4_100_tasks_find_every_usage_with_its_own_customer(calc: AiCostCalc) -> None:
    """A hundred tasks that interleave at every await keep their customers apart."""

    async def serve(number: int) -> None:
        with calc.attribute(customer_id=CUSTOMERS[number]):
            await asyncio.sleep(0)
            calc.record(chat_completion(number + 1, 0))
            await asyncio.sleep(0)

    await asyncio.gather(*map(serve, range(100)))
    assert _tokens_by_customer(calc) == {name: number + 1 for number, name in enumerate(CUSTOMERS)}


def test_nested_scopes_merge_and_the_inner_one_wins(calc: AiCostCalc) -> None:
    """An inner scope adds to the outer one and overrides what both say."""
    with calc.attribute(customer_id="acme", feature="chat", tags={"plan": "pro", "run": "1"}):
        with calc.attribute(feature="search", session_id="s1", tags={"run": "2"}):
            calc.record(chat_completion(1, 0))
        calc.record(chat_completion(2, 0))
    rows = {
        (
            row.customer,
            row.feature,
            row.session,
            getattr(row, "tag:plan"),
            getattr(row, "tag:run"),
        ): row.usage.input_tokens
        for row in calc.report(["customer", "feature", "session", "tag:plan", "tag:run"])
    }
    assert rows == {("acme", "search", "s1", "pro", "2"): 1, ("acme", "chat", None, "pro", "1"): 2}


def test_a_call_without_a_feature_counts_for_the_default_one(calc: AiCostCalc) -> None:
    """Every call has a feature, so that a budget on the default one sees it."""
    calc.record(chat_completion(1, 0))
    assert [row.feature for row in calc.report("feature")] == ["ai_request"]


async def test_to_thread_keeps_the_scope(calc: AiCostCalc) -> None:
    """`asyncio.to_thread` carries the context, and with it the customer."""
    with calc.attribute(customer_id="acme"):
        await asyncio.to_thread(calc.record, chat_completion(1, 0))
    assert _tokens_by_customer(calc) == {"acme": 1}


def test_an_executor_keeps_the_scope_when_it_is_given_the_context(calc: AiCostCalc) -> None:
    """`copy_context().run` is how a bare executor or thread is told whom it works for."""
    with calc.attribute(customer_id="acme"), ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, calc.record, chat_completion(1, 0)).result()
    assert _tokens_by_customer(calc) == {"acme": 1}


def test_a_bare_thread_starts_without_a_scope(calc: AiCostCalc) -> None:
    """Python 3.11 to 3.13 start threads with an empty context; their spend is nobody's, never somebody else's."""
    with calc.attribute(customer_id="acme"):
        thread = threading.Thread(target=calc.record, args=(chat_completion(1, 0),))
        thread.start()
        thread.join()
    assert _tokens_by_customer(calc) == {None: 1}


def test_a_scope_left_open_in_a_generator_does_not_outlive_the_scope_around_it(calc: AiCostCalc) -> None:
    """A generator that yields inside of a scope cannot leave its customer behind for the code after it."""

    def stream() -> Generator[int, None, None]:
        with calc.attribute(customer_id="inner"):
            yield 1
            yield 2

    with calc.attribute(customer_id="outer"):
        items = stream()
        next(items)
    calc.record(chat_completion(1, 0))
    items.close()
    calc.record(chat_completion(2, 0))
    assert _tokens_by_customer(calc) == {None: 3}


def test_a_guarded_generator_keeps_its_customer_to_itself(calc: AiCostCalc) -> None:
    """What runs between two items belongs to the consumer, what runs inside belongs to the generator."""

    @calc.guard(customer_id=lambda name: name)
    def stream(name: str) -> Iterator[int]:
        for number in range(3):
            calc.record(chat_completion(1, 0))
            yield number

    first, second = stream("acme"), stream("globex")
    for _ in zip(first, second, strict=True):
        calc.record(chat_completion(10, 0))
    assert _tokens_by_customer(calc) == {None: 30, "acme": 3, "globex": 3}


async def test_a_guarded_async_generator_keeps_its_customer_to_itself(calc: AiCostCalc) -> None:
    """The same for async generators, interleaved in one task."""

    @calc.guard(customer_id=lambda name: name)
    async def stream(name: str) -> AsyncIterator[int]:
        for number in range(2):
            await asyncio.sleep(0)
            calc.record(chat_completion(1, 0))
            yield number

    first, second = stream("acme"), stream("globex")
    async for _ in first:
        await anext(second)
        calc.record(chat_completion(10, 0))
    with pytest.raises(StopAsyncIteration):
        await anext(second)
    assert _tokens_by_customer(calc) == {None: 20, "acme": 2, "globex": 2}


@pytest.mark.parametrize("bad", [7, "", " ", "x" * 256])
def test_a_label_that_cannot_be_one_is_refused_at_once(calc: AiCostCalc, bad: object) -> None:
    """A number or an empty string as customer hides a bug, so it is an error where it is written."""
    with pytest.raises((TypeError, ValueError), match="customer_id"):
        calc.attribute(customer_id=bad)  # type: ignore[arg-type]
