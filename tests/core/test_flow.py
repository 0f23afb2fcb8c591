"""The flow of a metered call, without any I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.budgets.memory import MemoryBudgetStore
from ai_cost_calc.core.budget import Budget, Refusal, Reservation
from ai_cost_calc.core.event import UsageEvent
from ai_cost_calc.core.flow import (
    Bill,
    Book,
    Effect,
    Invoke,
    Keep,
    Release,
    Reserve,
    Settle,
    adrive,
    drive,
    metered_call,
)
from ai_cost_calc.errors import BudgetExceeded, BudgetStoreError
from ai_cost_calc.testing.budget_calls import NOW, look, make_budget, make_claim, make_reservation


class Stopped(BaseException):
    """What ends a program or a task: no fault, and not to be swallowed."""


class Performer:
    """Does effects by writing them down; some fail.

    Args:
        answers: what happens instead of success, by the number of the effect: a value to answer, or what to raise.
    """

    def __init__(self, answers: dict[int, Any] | None = None) -> None:
        self.answers = answers or {}
        self.done: list[Effect] = []

    def __call__(self, effect: Effect) -> Any:
        """Write an effect down; answer, or fail."""
        answer = self.answers.get(len(self.done))
        self.done.append(effect)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def later(self, effect: Effect) -> Any:
        """The same, on an event loop."""
        await asyncio.sleep(0)
        return self(effect)

    @property
    def names(self) -> list[str]:
        """What was done."""
        return [type(effect).__name__ for effect in self.done]


def reservation(**fields: Any) -> Reservation:
    """A reservation on two budgets."""
    budgets = [make_budget(id="one", **fields), make_budget(id="two", **fields)]
    return make_reservation(*(make_claim(budget, 10) for budget in budgets))


def refusal(asked: Reservation) -> Refusal:
    """What a store answers when there is no room."""
    return Refusal(claim=asked.claims[0], spent=95, held=0)


def bill(records: int = 1, *, actuals: tuple[int, ...] = (3, 4), booked: Reservation | None = None) -> Bill:
    """What a call came to."""
    kept = [UsageEvent(id=f"{number}", at=1) for number in range(records)]
    return Bill(actuals=actuals, bookings=booked, records=kept)


def run(asked: Reservation | None, came_to: Bill, performer: Performer) -> None:
    """A whole call."""
    flow = metered_call(asked)
    drive(flow, performer)
    performer.done.append(Invoke())
    drive(flow, performer, came_to)


async def arun(
    asked: Reservation | None, came_to: Bill, performer: Performer, perform: Callable[[Effect], Any]
) -> None:
    """A whole call on an event loop."""
    flow = metered_call(asked)
    await adrive(flow, perform)
    performer.done.append(Invoke())
    await adrive(flow, perform, came_to)


def test_a_call_is_reserved_made_settled_booked_and_kept() -> None:
    """The effects come in this order, each once."""
    asked, booked, performer = reservation(), reservation(), Performer()
    came_to = bill(2, booked=booked)
    run(asked, came_to, performer)
    kept = [Keep(record) for record in came_to.records]
    assert performer.done == [Reserve(asked), Invoke(), Settle(asked, (3, 4)), Book(booked), *kept]


def test_a_call_that_is_not_billed_is_released() -> None:
    """Nothing came of it, so nothing is kept."""
    asked, performer = reservation(), Performer()
    run(asked, Bill(), performer)
    assert performer.done == [Reserve(asked), Invoke(), Release(asked)]


def test_a_call_without_budgets_is_kept() -> None:
    """Nothing to hold, and still on the books."""
    performer = Performer()
    run(None, bill(), performer)
    assert performer.names == ["Invoke", "Keep"]


def test_nothing_follows_before_the_bill() -> None:
    """A flow waits at the call itself, however long that takes."""
    asked, performer = reservation(), Performer()
    flow = metered_call(asked)
    drive(flow, performer)
    assert performer.done == [Reserve(asked)]
    drive(flow, performer, bill())
    assert performer.names == ["Reserve", "Settle", "Keep"]


def test_a_refused_call_is_not_made() -> None:
    """The caller gets the exception, and nothing else happens."""
    asked = reservation()
    performer = Performer({0: refusal(asked)})
    with pytest.raises(BudgetExceeded, match="95 tokens spent") as caught:
        run(asked, bill(), performer)
    assert performer.done == [Reserve(asked)]
    assert caught.value.budget == "one"


def test_finishing_again_does_nothing() -> None:
    """A stream that is exhausted and then closed is one call."""
    asked, performer = reservation(), Performer()
    flow = metered_call(asked)
    drive(flow, performer)
    for _ in range(3):
        drive(flow, performer, bill())
    assert performer.names == ["Reserve", "Settle", "Keep"]


# State that cannot be reached.


@pytest.mark.parametrize("fault", [BudgetStoreError("no connection"), RuntimeError("a bug")])
def test_open_budgets_let_calls_through_without_state(fault: Exception) -> None:
    """The call is made, and settled in case the state can be reached by then."""
    asked, performer = reservation(), Performer({0: fault})
    run(asked, bill(), performer)
    assert performer.names == ["Reserve", "Invoke", "Settle", "Keep"]


@pytest.mark.parametrize("fault", [BudgetStoreError("no connection"), RuntimeError("a bug")])
def test_closed_budgets_refuse_calls_without_state(fault: Exception) -> None:
    """The caller gets a `BudgetStoreError` with the cause attached, and the call is not made."""
    performer = Performer({0: fault})
    with pytest.raises(BudgetStoreError) as caught:
        run(reservation(on_unavailable="closed"), bill(), performer)
    assert fault in (caught.value, caught.value.__cause__)
    assert performer.names == ["Reserve"]


def test_warnings_never_close() -> None:
    """A budget that only warns refuses nothing, whatever it says about state that cannot be reached."""
    performer = Performer({0: BudgetStoreError("no connection")})
    run(reservation(on_unavailable="closed", mode="warn"), bill(), performer)
    assert performer.names == ["Reserve", "Invoke", "Settle", "Keep"]


# Faults and interrupts after the call: the answer is paid for.


@pytest.mark.parametrize("failing", range(2, 6))
def test_a_fault_of_ours_stops_nothing_that_follows(failing: int) -> None:
    """Whichever effect fails, the others are done, and the caller notices nothing."""
    performer = Performer({failing: RuntimeError("a bug")})
    run(reservation(), bill(2, booked=reservation()), performer)
    assert performer.names == ["Reserve", "Invoke", "Settle", "Book", "Keep", "Keep"]


@pytest.mark.parametrize("failing", range(2, 6))
def test_an_interrupt_waits_until_all_is_kept(failing: int) -> None:
    """Ctrl-C while settling loses no record, and still ends the program."""
    performer = Performer({failing: Stopped()})
    with pytest.raises(Stopped):
        run(reservation(), bill(2, booked=reservation()), performer)
    assert performer.names == ["Reserve", "Invoke", "Settle", "Book", "Keep", "Keep"]


@pytest.mark.parametrize("release_fails", [False, True])
def test_an_interrupted_reserve_is_given_back(*, release_fails: bool) -> None:
    """Whether the hold was taken is not known, so it is released; the interrupt goes on."""
    performer = Performer({0: Stopped(), 1: RuntimeError("a bug") if release_fails else None})
    asked = reservation()
    with pytest.raises(Stopped):
        run(asked, bill(), performer)
    assert performer.done == [Reserve(asked), Release(asked)]


async def test_a_cancelled_task_still_keeps_its_record() -> None:
    """A task that is cancelled while it waits for the settlement keeps what was spent, and is cancelled then."""
    asked, performer = reservation(), Performer()
    settling = asyncio.Event()

    async def perform(effect: Effect) -> Any:
        performer(effect)
        if isinstance(effect, Settle):
            settling.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(arun(asked, bill(), performer, perform))
    await settling.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert performer.names == ["Reserve", "Invoke", "Settle", "Keep"]


async def test_a_task_cancelled_while_it_reserves_holds_nothing() -> None:
    """The hold may have been taken by then, so it is released before the task ends."""
    asked, performer = reservation(), Performer()
    reserving = asyncio.Event()

    async def perform(effect: Effect) -> Any:
        performer(effect)
        if isinstance(effect, Reserve):
            reserving.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(arun(asked, bill(), performer, perform))
    await reserving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert performer.done == [Reserve(asked), Release(asked)]


@pytest.mark.parametrize("stops_at", [Reserve, Settle])
def test_a_coroutine_that_is_dropped_ends_quietly(stops_at: type) -> None:
    """When its event loop is gone nothing can be awaited any more, and nothing is tried."""
    performer = Performer()

    class Forever(Awaitable[None]):
        def __await__(self) -> Any:
            yield

    def perform(effect: Effect) -> Any:
        performer(effect)
        return Forever() if isinstance(effect, stops_at) else None

    coroutine = arun(reservation(), bill(), performer, perform)
    coroutine.send(None)
    coroutine.close()
    assert performer.names[-1] == stops_at.__name__


# Any call, any faults, any driver.


class Scenario(msgspec.Struct, frozen=True):
    """One call and what goes wrong with it."""

    asked: Reservation | None
    came_to: Bill
    answers: dict[int, Any]


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """A call with or without budgets, billed or not, on which any effect may fail."""
    asked = draw(st.none() | st.builds(reservation, on_unavailable=st.sampled_from(["open", "closed"])))
    booked = draw(st.none() | st.builds(reservation))
    billed = draw(st.booleans())
    came_to = bill(draw(st.integers(0, 3)), actuals=(3, 4) if billed else (), booked=booked)
    faults = st.sampled_from([RuntimeError("a bug"), BudgetStoreError("no connection"), Stopped()])
    answers: dict[int, Any] = draw(st.dictionaries(st.integers(0, 7), faults, max_size=3))
    if asked is not None and draw(st.booleans()):
        answers[0] = refusal(asked)
    return Scenario(asked, came_to, answers)


def what_happens(work: Callable[[Performer], None], scenario: Scenario) -> tuple[list[Effect], type | None]:
    """The effects in order, and the type of what was raised."""
    performer = Performer(scenario.answers)
    try:
        work(performer)
    except (BudgetExceeded, BudgetStoreError, RuntimeError, Stopped) as exc:
        return performer.done, type(exc)
    return performer.done, None


@given(scenario=scenarios())
def test_every_driver_does_the_same(scenario: Scenario) -> None:
    """In threads, on an event loop, and with effects that are awaited, a call has the same effects and the same end."""
    asked, came_to = scenario.asked, scenario.came_to
    sync = what_happens(lambda performer: run(asked, came_to, performer), scenario)
    assert sync == what_happens(lambda p: asyncio.run(arun(asked, came_to, p, p)), scenario)
    assert sync == what_happens(lambda p: asyncio.run(arun(asked, came_to, p, p.later)), scenario)


@given(scenario=scenarios())
def test_a_hold_is_ended_exactly_once(scenario: Scenario) -> None:
    """Whatever fails: a call that was made settles or releases once and keeps all; one that was not ends nothing."""
    done, raised = what_happens(lambda p: run(scenario.asked, scenario.came_to, p), scenario)
    kinds = [type(effect) for effect in done]
    ends = kinds.count(Settle) + kinds.count(Release)
    first = scenario.answers.get(0) if scenario.asked is not None else None
    if Invoke in kinds:
        assert ends == (scenario.asked is not None)
        assert kinds.count(Keep) == len(scenario.came_to.records)
        assert kinds.count(Book) == (scenario.came_to.bookings is not None)
        assert raised in (None, Stopped)
    elif isinstance(first, Refusal):
        assert (done, raised) == ([Reserve(scenario.asked)], BudgetExceeded)  # type: ignore[arg-type]
    else:
        assert raised is (Stopped if isinstance(first, Stopped) else BudgetStoreError)
        assert ends == isinstance(first, Stopped)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.integers(0, 5)), min_size=1, max_size=40))
def test_flows_that_overlap_leave_nothing_held(calls: list[tuple[int, int, int]]) -> None:
    """Calls that begin and end in any order, on a real store, pass a limit by their overruns at most."""
    store, budget = MemoryBudgetStore(), Budget(100, per="day", unit="tokens")
    perform = real_performer(store)
    running: list[tuple[int, Any, Bill]] = []
    spent = overrun = 0
    for reserved, actual, stays in calls:
        flow = metered_call(make_reservation(make_claim(budget, reserved)))
        before = sum(look(store, budget))
        try:
            drive(flow, perform)
        except BudgetExceeded:
            assert before + max(reserved, 1) > 100
            continue
        running.append((stays, flow, Bill(actuals=[actual])))
        spent += actual
        overrun += max(actual - reserved, 0)
        while len(running) > stays:
            _, oldest, came_to = running.pop(0)
            drive(oldest, perform, came_to)
    for _, flow, came_to in running:
        drive(flow, perform, came_to)
    assert look(store, budget) == (spent, 0)
    assert spent <= 100 + overrun
    assert store.held(now=NOW) == 0


def real_performer(store: MemoryBudgetStore) -> Callable[[Effect], Any]:
    """Does effects on a store."""

    def perform(effect: Effect) -> Any:
        if isinstance(effect, Reserve):
            return store.reserve(effect.reservation, now=NOW, lease_seconds=60)
        if isinstance(effect, Settle):
            return store.settle(effect.reservation, effect.actuals, now=NOW)
        assert isinstance(effect, Release)
        return store.release(effect.reservation, now=NOW)

    return perform
