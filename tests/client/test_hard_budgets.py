"""Promises 1 and 2: a hard budget holds under any concurrency, and nothing stays held."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, Reading, Usage
from ai_cost_calc.testing import FakeClock, ProviderSimulator
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

openai = pytest.importorskip("openai", reason="the openai SDK is absent")

THREADS, TASKS = 100, 1_000


def _in_threads(count: int, work: Callable[[int], bool]) -> int:
    """Run `work` on as many threads at once and count how many said yes."""
    gate = threading.Barrier(count)

    def one(number: int) -> bool:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(one, range(count)))


def test_promise_1_100_threads_on_a_one_dollar_budget_make_exactly_10_ten_cent_calls(make_calc: MakeCalc) -> None:
    """Calls that cost and are estimated at $0.10 fit ten times into $1, whoever comes first."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])

    def call(_: int) -> bool:
        try:
            with calc.guard(customer_id="acme", estimate="0.10") as guarded:
                guarded.record(ten_cents())
        except BudgetExceeded:
            return False
        return True

    assert _in_threads(THREADS, call) == 10
    assert calc.report().total.cost == Decimal(1)
    assert calc.stats().holds == 0


async def test_promise_1_1000_tasks_on_a_one_dollar_budget_make_exactly_10_ten_cent_calls(make_calc: MakeCalc) -> None:
    """The same holds for tasks that all wait for their answer at the same time."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    answered = asyncio.Event()

    async def call() -> bool:
        try:
            async with calc.guard(customer_id="acme", estimate="0.10") as guarded:
                await answered.wait()
                guarded.record(ten_cents())
        except BudgetExceeded:
            return False
        return True

    tasks = [asyncio.create_task(call()) for _ in range(TASKS)]
    await asyncio.sleep(0)
    answered.set()
    assert sum(await asyncio.gather(*tasks)) == 10
    assert calc.report().total.cost == Decimal(1)
    assert calc.stats().holds == 0


def test_promise_1_requests_over_the_budget_are_never_sent(make_calc: MakeCalc) -> None:
    """100 threads share a wrapped client; the provider sees exactly the ten requests that the budget pays for."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    with (
        ProviderSimulator(usage={"input_tokens": 0, "output_tokens": 10_000}) as provider,
        openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened,
    ):
        client = calc.wrap(opened)

        def call(_: int) -> bool:
            try:
                with calc.guard(customer_id="acme", estimate="0.10"):
                    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
            except BudgetExceeded:
                return False
            return True

        assert _in_threads(THREADS, call) == 10
        assert len(provider.requests) == 10
    assert calc.report().total.cost == Decimal(1)
    assert calc.stats().holds == 0


@pytest.mark.parametrize("seed", range(5))
def test_promise_1_overshoot_is_at_most_what_calls_in_flight_cost_above_their_estimate(
    make_calc: MakeCalc, seed: int
) -> None:
    """With estimates that are wrong in both directions, spend above the limit is bounded by the sum of the errors."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    errors: list[Decimal] = []

    def call(number: int) -> bool:
        estimate = Decimal(random.Random(seed * 1_000 + number).randint(1, 20)) / 100
        try:
            with calc.guard(estimate=estimate) as guarded:
                guarded.record(ten_cents())
        except BudgetExceeded:
            return False
        errors.append(max(Decimal("0.10") - estimate, Decimal(0)))
        return True

    _in_threads(THREADS, call)
    assert calc.report().total.cost - 1 <= sum(errors)
    assert calc.stats().holds == 0


def test_promise_1_a_strict_budget_is_never_overshot(make_calc: MakeCalc) -> None:
    """With the strict estimate not one cent is spent above the limit, whatever the answers turn out to be."""
    calc = make_calc(budgets=[Budget("0.02", per="day", estimate="strict")])
    with ProviderSimulator(seed=3) as provider, openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened:
        client = calc.wrap(opened)

        def call(_: int) -> bool:
            try:
                client.chat.completions.create(
                    model="gpt-4o", max_tokens=200, messages=[{"role": "user", "content": "Tell me a story. " * 20}]
                )
            except BudgetExceeded:
                return False
            return True

        made = _in_threads(40, call)
    assert 0 < made < 40
    assert calc.report().total.cost <= Decimal("0.02")
    assert calc.stats().holds == 0


def test_promise_2_a_call_that_fails_gives_its_hold_back(make_calc: MakeCalc) -> None:
    """Errors that the provider does not bill leave the budget as it was."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    for _ in range(50):
        with pytest.raises(ZeroDivisionError), calc.guard(estimate="0.60"):
            raise ZeroDivisionError
    assert calc.stats().holds == 0
    assert calc.budgets.status()[0].spent == 0


def test_promise_2_a_hold_that_nobody_ends_comes_back_within_one_lease(make_calc: MakeCalc) -> None:
    """A block that never ended, as in a killed thread, blocks others for one lease and no longer."""
    clock = FakeClock()
    calc = make_calc(budgets=[Budget("1.00", per="total")], lease_seconds=60, clock=clock)
    contextvars.copy_context().run(calc.guard(estimate="0.80").__enter__)

    def fits() -> bool:
        try:
            with calc.guard(estimate="0.80"):
                return True
        except BudgetExceeded:
            return False

    assert not _in_new_thread(fits)
    clock.advance(61)
    assert _in_new_thread(fits)


def _in_new_thread(work: Callable[[], bool]) -> bool:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_a_refusal_carries_what_happened(make_calc: MakeCalc) -> None:
    """The exception names the budget, its scope, the amounts and when it resets."""
    calc = make_calc(budgets=[Budget("0.15", per="day", customer_id="acme", id="acme-day")])
    with calc.guard(customer_id="acme", estimate="0.10") as guarded:
        guarded.record(ten_cents())
    with pytest.raises(BudgetExceeded) as caught, calc.guard(customer_id="acme", estimate="0.10"):
        pytest.fail("the block must not run")
    refusal = caught.value
    assert (refusal.budget, refusal.scope, refusal.unit) == ("acme-day", "customer acme", "usd")
    assert (refusal.limit, refusal.spent, refusal.requested) == (Decimal("0.15"), Decimal("0.1"), Decimal("0.1"))
    assert refusal.resets_at is not None
    assert isinstance(refusal, RuntimeError)
    assert calc.stats().blocked == 1


def test_a_limit_of_zero_blocks_everything_that_matches_and_nothing_else(make_calc: MakeCalc) -> None:
    """`limit=0` is how one customer is shut out."""
    calc = make_calc(budgets=[Budget(0, per="day", customer_id="banned")])
    with pytest.raises(BudgetExceeded), calc.guard(customer_id="banned"):
        pytest.fail("the block must not run")
    with calc.guard(customer_id="acme"):
        pass


def test_each_customer_has_a_budget_of_its_own_also_when_never_seen_before(make_calc: MakeCalc) -> None:
    """One customer's spend leaves the next one's budget alone."""
    calc = make_calc(budgets=[Budget("0.15", per="month", each="customer")])
    for customer in ("acme", "globex"):
        with calc.guard(customer_id=customer, estimate="0.10") as guarded:
            guarded.record(ten_cents())
        with pytest.raises(BudgetExceeded), calc.guard(customer_id=customer, estimate="0.10"):
            pytest.fail("the block must not run")


def test_a_warning_budget_lets_calls_through_and_counts_them(
    make_calc: MakeCalc, caplog: pytest.LogCaptureFixture
) -> None:
    """`mode="warn"` reports once per window and never blocks."""
    calc = make_calc(budgets=[Budget("0.15", per="day", mode="warn", id="soft")])
    for _ in range(3):
        with calc.guard(estimate="0.10") as guarded:
            guarded.record(ten_cents())
    assert calc.stats().warned == {"soft": 2}
    assert [record.levelname for record in caplog.records if "soft" in record.getMessage()] == ["WARNING"]


def test_budgets_start_out_knowing_what_the_ledger_knows(make_calc: MakeCalc) -> None:
    """A restart forgets nothing: spend before it counts against the same window."""
    budgets = [Budget("0.15", per="month", each="customer"), Budget("5.00", per="day", rolling=True, id="last-day")]
    first = make_calc(budgets=budgets)
    with first.guard(customer_id="acme", estimate="0.10") as guarded:
        guarded.record(ten_cents())
    first.shutdown()
    second = make_calc(budgets=budgets)
    assert {row.id: row.spent for row in second.budgets.status()} == {
        budgets[0].name: Decimal("0.1"), "last-day": Decimal("0.1")
    }  # fmt: skip
    with pytest.raises(BudgetExceeded), second.guard(customer_id="acme", estimate="0.10"):
        pytest.fail("the block must not run")


def test_a_model_budget_counts_the_snapshots_that_answer_for_it(make_calc: MakeCalc) -> None:
    """`model="gpt-4o"` means what gpt-4o-2024-08-06 costs too, in force and after a restart."""
    budgets = [Budget("0.15", per="day", model="openai/gpt-4o", id="4o")]
    calc = make_calc(budgets=budgets)
    calc.record(ten_cents())
    assert calc.budgets.status()[0].spent == Decimal("0.1")
    calc.shutdown()
    assert make_calc(budgets=budgets).budgets.status()[0].spent == Decimal("0.1")


def test_budgets_in_calls_and_tokens(make_calc: MakeCalc) -> None:
    """Limits may count calls or tokens instead of money."""
    calc = make_calc(
        budgets=[Budget(2, per="day", unit="calls", id="c"), Budget(25_000, per="day", unit="tokens", id="t")]
    )
    calc.record(ten_cents())
    calc.record(ten_cents())
    assert {row.id: row.spent for row in calc.budgets.status()} == {"c": Decimal(2), "t": Decimal(20_000)}
    with pytest.raises(BudgetExceeded) as caught, calc.guard():
        pytest.fail("the block must not run")
    assert caught.value.unit == "calls"


def test_budgets_set_at_run_time_hold_at_once_and_survive(make_calc: MakeCalc) -> None:
    """`calc.budgets.set` is in force for the next call, kept in the ledger, and lifted by `remove`."""
    calc = make_calc()
    budget = calc.budgets.set(Budget(0, per="day", feature="chat"))
    with pytest.raises(BudgetExceeded), calc.guard(feature="chat"):
        pytest.fail("the block must not run")
    calc.shutdown()
    again = make_calc()
    assert again.budgets.list() == [budget]
    assert again.budgets.remove(budget.name)
    assert not again.budgets.remove(budget.name)
    with again.guard(feature="chat"):
        pass


@pytest.mark.parametrize("each", [(), ("customer",), ("model",), ("customer", "provider")])
def test_a_restart_does_not_make_free_what_has_no_price(make_calc: MakeCalc, each: tuple[str, ...]) -> None:
    """A fallback price counts for what was used before it too, beside known cost, for each that the budget is for."""
    usage = Usage(input_tokens=100_000)
    spent: list[list[Decimal]] = []
    for _ in range(2):
        calc = make_calc(budgets=[Budget("9.00", per="day", each=each)], fallback_price="5")
        if not spent:
            for model in ("house-model-1", "gpt-5"):
                with calc.attribute(customer_id="acme"):
                    provider = "openai" if model == "gpt-5" else "house"
                    calc.record(Reading(usage=usage, provider=provider, model=model))
        spent.append(sorted(status.spent for status in calc.budgets.status()))
        calc.shutdown()
    both = [Decimal("0.125"), Decimal("0.5")]  # gpt-5 at $1.25 a million tokens, the other at $5
    assert spent[0] == spent[1] == (both if {"model", "provider"} & {*each} else [sum(both)])


def test_a_model_without_a_price_is_refused_by_a_money_budget_unless_it_has_a_fallback(make_calc: MakeCalc) -> None:
    """Unknown is not zero: the refusal says how to give the model a price."""
    with ProviderSimulator() as provider, openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as client:

        def call(calc: AiCostCalc) -> None:
            with calc.metered(client):
                client.chat.completions.create(model="house-model-1", messages=[{"role": "user", "content": "hi"}])

        calc = make_calc(budgets=[Budget("1.00", per="day")], fallback_price="15.00")
        call(calc)
        status = calc.budgets.status()[0]
        assert status.spent > 0
        assert calc.report().total.unpriced_calls == 1
        assert calc.report().total.cost == 0
