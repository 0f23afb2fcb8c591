"""Calls under budgets for tests of budget stores: one at a time, and many at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from sys import getswitchinterval, setswitchinterval
from typing import Any, Final

import msgspec

from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Budget, Claim, Refusal, Reservation, ReservationId, Subject
from ai_cost_calc.ports.budgets import BudgetStore

NOW: Final = datetime(2026, 11, 23, 14, 30, tzinfo=UTC).timestamp()
LEASE: Final = 120.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0

_numbers = itertools.count(1)


def make_budget(limit: int = 100, **fields: Any) -> Budget:
    """Make a budget for a test: so many tokens a day, unless said otherwise."""
    return Budget(limit, **{"per": "day", "unit": "tokens", **fields})


def make_claim(budget: Budget, amount: int, *, now: float = NOW, customer: str = "acme") -> Claim:
    """Make what a call of this customer asks of a budget at a time."""
    subject = Subject(attribution=Attribution(customer_id=customer))
    return Claim(budget, budget.key(subject), budget.window(now), amount, budget.scope(subject))


def make_reservation(*claims: Claim) -> Reservation:
    """Make a reservation with an id of its own."""
    return Reservation(id=ReservationId(f"{next(_numbers):024x}"), claims=claims)


def ask(budget: Budget, amount: int, *, now: float = NOW, customer: str = "acme") -> Reservation:
    """Make a reservation that asks one budget."""
    return make_reservation(make_claim(budget, amount, now=now, customer=customer))


def take(store: BudgetStore, budget: Budget, amount: int, *, now: float = NOW, customer: str = "acme") -> Reservation:
    """Reserve on one budget, where there must be room."""
    reservation = ask(budget, amount, now=now, customer=customer)
    assert store.reserve(reservation, now=now, lease_seconds=LEASE) is None
    return reservation


def look(store: BudgetStore, budget: Budget, *, now: float = NOW, customer: str = "acme") -> tuple[int, int]:
    """What is spent and held on a budget."""
    (state,) = store.state([make_claim(budget, 0, now=now, customer=customer)], now=now)
    return state.spent, state.held


def refuses(store: BudgetStore, reservation: Reservation, *, now: float = NOW) -> Refusal:
    """Reserve where there must be no room; why it was refused."""
    refusal = store.reserve(reservation, now=now, lease_seconds=LEASE)
    assert refusal is not None
    return refusal


class Ended(msgspec.Struct, frozen=True):
    """A call that was allowed: what it reserved and came to, the ticks around its reserve, and the tick of its end."""

    reserved: int
    actual: int
    asked: int
    allowed: int
    ended: int


class Caller:
    """One of many that make calls at the same time, each of them several at a time.

    Attributes:
        running: the calls that have not ended: reservation, what it will come to, and the ticks around its reserve.
        ended: the calls that have.
    """

    def __init__(self, store: BudgetStore, budgets: Sequence[Budget], tick: Callable[[], int]) -> None:
        self._store = store
        self._budgets = budgets
        self._tick = tick
        self.running: list[tuple[Reservation, int, int, int]] = []
        self.ended: list[Ended] = []

    def begin(self, reserved: int, actual: int) -> None:
        """Reserve for a call that will come to `actual`."""
        reservation = make_reservation(*(make_claim(budget, reserved) for budget in self._budgets))
        asked = self._tick()
        if self._store.reserve(reservation, now=NOW, lease_seconds=LEASE) is None:
            self.running.append((reservation, actual, asked, self._tick()))

    def end(self) -> None:
        """Settle the call that has run longest."""
        reservation, actual, asked, allowed = self.running.pop(0)
        self._store.settle(reservation, [actual] * len(self._budgets), now=NOW)
        self.ended.append(Ended(reservation.claims[0].amount, actual, asked, allowed, self._tick()))


def spend_at_once(
    store: BudgetStore, budgets: Sequence[Budget], costs: Sequence[tuple[int, int]], *, threads: int = 16, each: int = 4
) -> list[Ended]:
    """Make calls from many threads at once.

    Args:
        store: where the budgets are kept.
        budgets: what every call counts for.
        costs: what each call reserves and what it then comes to.
        threads: how many threads make calls.
        each: how many calls of a thread run at a time.

    Returns:
        The calls that were allowed.
    """
    tick = itertools.count().__next__

    def work(index: int) -> list[Ended]:
        caller = Caller(store, budgets, tick)
        for reserved, actual in costs[index::threads]:
            caller.begin(reserved, actual)
            if len(caller.running) == each:
                caller.end()
        while caller.running:
            caller.end()
        return caller.ended

    return [call for calls in at_once(work, threads) for call in calls]


def excess_in_flight(calls: Sequence[Ended]) -> int:
    """The most that calls in flight, when some call was allowed, together cost over what they had reserved."""
    return max(
        (
            sum(
                max(call.actual - call.reserved, 0)
                for call in calls
                if call.ended > last.asked and call.asked < last.allowed
            )
            for last in calls
        ),
        default=0,
    )


@contextmanager
def _restless() -> Iterator[None]:
    """Let threads take turns as often as Python can, so that races show."""
    before = getswitchinterval()
    setswitchinterval(1e-6)
    try:
        yield
    finally:
        setswitchinterval(before)


def at_once(work: Callable[[int], Any], count: int) -> list[Any]:
    """Run `work(0)`, `work(1)`, … in that many threads that all start together."""
    barrier = threading.Barrier(count)

    def run(index: int) -> Any:
        barrier.wait()
        return work(index)

    with _restless(), ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
