"""`calc.guard` as a block and as a decorator, and how blocks and wrapped clients inside of them count once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from decimal import Decimal

import pytest

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, ConfigError
from ai_cost_calc.testing import ProviderSimulator
from tests.client.bodies import chat_completion, ten_cents
from tests.conftest import MakeCalc

openai = pytest.importorskip("openai", reason="the openai SDK is absent")


def test_a_decorated_function_is_guarded_by_its_own_arguments(make_calc: MakeCalc) -> None:
    """Labels may be functions of the arguments; name, signature and result stay."""
    calc = make_calc(budgets=[Budget(0, per="day", customer_id="banned")])

    @calc.guard(feature="summarize", customer_id=lambda user, text: user)
    def summarize(user: str, text: str) -> str:
        """Shorten a text."""
        calc.record(chat_completion(1, 1))
        return text[:3]

    assert summarize("acme", "a long text") == "a l"
    assert (summarize.__name__, summarize.__doc__) == ("summarize", "Shorten a text.")
    assert list(inspect.signature(summarize).parameters) == ["user", "text"]
    with pytest.raises(BudgetExceeded):
        summarize("banned", text="a long text")
    (row,) = calc.report(["customer", "feature"])
    assert (row.customer, row.feature, row.calls) == ("acme", "summarize", 1)


async def test_a_decorated_coroutine_stays_one(make_calc: MakeCalc) -> None:
    """Frameworks that look for coroutine functions find one, and refusals are raised when it is awaited."""
    calc = make_calc(budgets=[Budget("0.15", per="day")])

    @calc.guard(estimate="0.10")
    async def ask() -> int:
        await asyncio.sleep(0)
        calc.record(ten_cents())
        return 1

    assert inspect.iscoroutinefunction(ask)
    assert await ask() == 1
    with pytest.raises(BudgetExceeded):
        await ask()


def test_a_decorated_generator_settles_however_it_ends(make_calc: MakeCalc) -> None:
    """Exhausted, closed early, or ended by an exception: the hold is gone and what was recorded is booked."""
    calc = make_calc(budgets=[Budget("10.00", per="day")])

    @calc.guard(estimate="0.10")
    def stream(*, fail: bool = False) -> Iterator[int]:
        calc.record(chat_completion(1, 1))
        yield 1
        if fail:
            raise ZeroDivisionError
        yield 2

    assert inspect.isgeneratorfunction(stream)
    assert list(stream()) == [1, 2]
    closed = stream()
    assert next(closed) == 1
    assert calc.stats().holds == 1
    closed.close()
    with pytest.raises(ZeroDivisionError):
        list(stream(fail=True))
    assert calc.stats().holds == 0
    assert calc.report().total.calls == 3


def test_a_decorated_generator_takes_what_its_consumer_sends_and_throws(make_calc: MakeCalc) -> None:
    """`send`, `throw` and the return value work as without the decorator."""
    calc = make_calc()

    @calc.guard()
    def echo() -> Generator[object, object, str]:
        got: object = None
        try:
            while True:
                got = yield got
        except KeyError:
            return "done"

    generator = echo()
    next(generator)
    assert generator.send("hello") == "hello"
    with pytest.raises(StopIteration) as stopped:
        generator.throw(KeyError)
    assert stopped.value.value == "done"


async def test_a_decorated_async_generator_settles_however_it_ends(make_calc: MakeCalc) -> None:
    """The same for async generators."""
    calc = make_calc(budgets=[Budget("10.00", per="day")])

    @calc.guard(estimate="0.10")
    async def stream() -> AsyncIterator[int]:
        calc.record(chat_completion(1, 1))
        yield 1
        await asyncio.sleep(0)
        yield 2

    assert inspect.isasyncgenfunction(stream)
    assert [item async for item in stream()] == [1, 2]
    closed = stream()
    assert await anext(closed) == 1
    await closed.aclose()
    assert calc.stats().holds == 0
    assert calc.report().total.calls == 2


def test_a_block_and_a_wrapped_client_inside_of_it_hold_and_count_once(make_calc: MakeCalc) -> None:
    """The call uses the block's hold: a budget that fits one call lets it through, and its cost is booked once."""
    calc = make_calc(budgets=[Budget("0.10", per="day")])
    with (
        ProviderSimulator(usage={"input_tokens": 0, "output_tokens": 9_000}) as provider,
        openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened,
    ):
        client = calc.wrap(opened)
        with calc.guard(estimate="0.10") as guarded:
            response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
            guarded.record(response)
    assert (calc.report().total.calls, calc.report().total.cost) == (1, Decimal("0.09"))
    assert calc.budgets.status()[0].spent == Decimal("0.09")
    assert calc.stats().holds == 0


def test_nested_blocks_hold_once(make_calc: MakeCalc) -> None:
    """A guarded function that calls another one does not need the budget twice."""
    calc = make_calc(budgets=[Budget("0.10", per="day")])
    with calc.guard(estimate="0.10"), calc.guard(estimate="0.10") as inner:
        inner.record(ten_cents())
    assert calc.report().total.calls == 1
    assert calc.stats().holds == 0


def test_a_second_call_inside_a_block_needs_room_of_its_own(make_calc: MakeCalc) -> None:
    """The block's hold covers the first call; the next one is refused when the budget is spent."""
    calc = make_calc(budgets=[Budget("0.10", per="day")])
    with (
        ProviderSimulator(usage={"input_tokens": 0, "output_tokens": 10_000}) as provider,
        openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened,
    ):
        client = calc.wrap(opened)

        def ask() -> None:
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])

        with calc.guard(estimate="0.10"):
            ask()
            with pytest.raises(BudgetExceeded):
                ask()
        assert len(provider.requests) == 1


def test_a_refused_block_leaves_no_scope_behind(make_calc: MakeCalc) -> None:
    """What runs after a refusal is nobody's again."""
    calc = make_calc(budgets=[Budget(0, per="day", customer_id="banned")])
    with pytest.raises(BudgetExceeded), calc.guard(customer_id="banned"):
        pytest.fail("the block must not run")
    calc.record(chat_completion(1, 1))
    assert [row.customer for row in calc.report("customer")] == [None]


def test_an_exception_of_the_block_reaches_the_caller_unchanged(make_calc: MakeCalc) -> None:
    """The guard never replaces or wraps what the block raises."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught, calc.guard():
        raise error
    assert caught.value is error


def test_functions_as_labels_make_no_sense_for_a_block(make_calc: MakeCalc) -> None:
    """A block has no arguments to fill them from, and the error says so."""
    calc = make_calc()
    with pytest.raises(ConfigError, match="customer_id"), calc.guard(customer_id=lambda user: user):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("bad", [0.1, "a lot", True, "-0.10"])
def test_an_estimate_is_money(make_calc: MakeCalc, bad: object) -> None:
    """Floats and words are refused where they are written."""
    with pytest.raises(ConfigError, match="estimate"):
        make_calc().guard(estimate=bad)  # type: ignore[arg-type]


def _spent_by_customer(calc: AiCostCalc) -> dict[str, Decimal]:
    return {row.scope: row.spent for row in calc.budgets.status() if row.spent}


@pytest.mark.parametrize("inner", ["guard", "attribute", "client"])
def test_what_a_block_does_for_another_customer_counts_for_that_customer(make_calc: MakeCalc, inner: str) -> None:
    """The organization's budget is asked once; each customer's own budget counts what was done for him."""
    calc = make_calc(budgets=[Budget("1", per="day"), Budget("0.10", per="day", each="customer")])
    with (
        ProviderSimulator(usage={"input_tokens": 0, "output_tokens": 10_000}) as provider,
        openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened,
    ):
        client = calc.wrap(opened)
        with calc.guard(customer_id="acme", estimate="0.10"):
            if inner == "guard":
                with calc.guard(customer_id="globex") as guarded:
                    guarded.record(ten_cents())
            else:
                with calc.attribute(customer_id="globex"):
                    if inner == "attribute":
                        calc.record(ten_cents())
                    else:
                        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    assert _spent_by_customer(calc) == {"organization": Decimal("0.1"), "customer globex": Decimal("0.1")}
    assert {row.customer: row.cost for row in calc.report("customer")} == {"globex": Decimal("0.1")}
    assert calc.stats().holds == 0
    with calc.guard(customer_id="acme", estimate="0.10"):
        pass  # all of that customer's budget is left
    assert _spent_by_customer(make_calc(budgets=calc.budgets.list())) == _spent_by_customer(calc)


async def test_a_coroutine_that_a_plain_function_returns_is_guarded_until_it_ends(make_calc: MakeCalc) -> None:
    """SDKs hide coroutines behind wrappers: the customer and the hold last until the answer is there."""
    calc = make_calc(budgets=[Budget("0.10", per="day", each="customer")])
    with ProviderSimulator(usage={"input_tokens": 0, "output_tokens": 10_000}) as provider:
        async with openai.AsyncOpenAI(base_url=provider.openai_base_url, api_key="k") as client:
            create = calc.wrap(client).chat.completions.create
            assert not inspect.iscoroutinefunction(create)
            guarded = calc.guard(customer_id=lambda **said: said["user"], estimate="0.10")(create)
            said = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "user": "acme"}
            answer, late = guarded(**said), guarded(**said)
            await answer
            with pytest.raises(BudgetExceeded):
                await late
            with pytest.raises(BudgetExceeded):
                guarded(**said)
        assert len(provider.requests) == 1
    assert {row.customer: row.calls for row in calc.report("customer")} == {"acme": 1}
    assert calc.stats().holds == 0


async def test_generators_that_plain_functions_return_are_guarded_until_they_end(make_calc: MakeCalc) -> None:
    """What they do while they are consumed is for the customer of the call that made them."""
    calc = make_calc()

    def steps() -> Iterator[int]:
        yield 1
        calc.record(ten_cents())
        yield 2

    async def asteps() -> AsyncIterator[int]:
        yield 1
        calc.record(ten_cents())
        yield 2

    def begin() -> Iterator[int]:
        return steps()

    def abegin() -> AsyncIterator[int]:
        return asteps()

    guard = calc.guard(customer_id="acme")
    assert list(guard(begin)()) == [1, 2]
    assert [step async for step in guard(abegin)()] == [1, 2]
    assert {row.customer: row.calls for row in calc.report("customer")} == {"acme": 2}
