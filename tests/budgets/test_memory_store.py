"""The budget store in memory keeps what every store promises, and what is its own."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import pytest

from ai_cost_calc.budgets import open_budget_store
from ai_cost_calc.budgets.memory import MemoryBudgetStore
from ai_cost_calc.core.budget import Budget, Claim, Refusal, Reservation
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.testing import BudgetStoreConformance
from ai_cost_calc.testing.budget_calls import (
    DAY,
    HOUR,
    LEASE,
    NOW,
    ask,
    excess_in_flight,
    look,
    make_budget,
    make_claim,
    make_reservation,
    refuses,
    spend_at_once,
    take,
)
from ai_cost_calc.testing.budgets import OpenStore


class TestMemoryBudgetStore(BudgetStoreConformance):
    """The promises of every budget store."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """A new store for each use."""
        return MemoryBudgetStore


@pytest.fixture
def store() -> MemoryBudgetStore:
    """An empty store."""
    return MemoryBudgetStore()


@pytest.mark.parametrize("seed", range(5))
def test_promise_1_a_hard_budget_holds_in_memory(store: MemoryBudgetStore, seed: int) -> None:
    """From threads, over three budgets at once, spend passes no limit by more than calls in flight overran."""
    dice = random.Random(seed)
    costs = [(dice.randint(0, 40), dice.randint(0, 80)) for _ in range(600)]
    budgets = [make_budget(900), make_budget(1_000, per="hour", rolling=True), make_budget(1_100, each="customer")]
    calls = spend_at_once(store, budgets, costs, threads=24)
    for budget in budgets:
        spent, held = look(store, budget)
        assert held == 0
        assert 0 < spent == sum(call.actual for call in calls) <= budget.amount + excess_in_flight(calls)


async def test_promise_1_a_hard_budget_holds_between_tasks(store: MemoryBudgetStore) -> None:
    """Of a thousand tasks that reserve what they cost, as many run as the limit has room for."""
    budget = Budget("1.00", per="day")

    async def call() -> bool:
        reservation = ask(budget, 100_000_000)
        if store.reserve(reservation, now=NOW, lease_seconds=LEASE) is not None:
            return False
        await asyncio.sleep(0)
        store.settle(reservation, [100_000_000], now=NOW)
        return True

    assert sum(await asyncio.gather(*(call() for _ in range(1_000)))) == 10
    assert look(store, budget) == (1_000_000_000, 0)


# Clocks that jump.


@pytest.mark.parametrize("jump", [HOUR / 2, 3 * HOUR, 400 * DAY])
@pytest.mark.parametrize("kind", ["calendar", "rolling"])
def test_a_clock_that_jumps_ahead_and_back_forgets_nothing(store: MemoryBudgetStore, jump: float, kind: str) -> None:
    """What was spent before a clock went wrong counts once it is right again."""
    budget = make_budget(100, per="hour", rolling=kind == "rolling")
    store.settle(take(store, budget, 60), [60], now=NOW)
    store.settle(take(store, budget, 20, now=NOW + jump), [20], now=NOW + jump)
    assert look(store, budget) == (60, 0)
    refusal = refuses(store, ask(budget, 41))
    assert (refusal.spent, refusal.held) == (60, 0)
    take(store, budget, 40)


def test_rolling_sums_follow_the_clock_both_ways(store: MemoryBudgetStore) -> None:
    """However the clock jumps among the minutes, what counts is the sum over the hour before it."""
    budget = make_budget(10**6, per="hour", rolling=True)
    dice = random.Random(7)
    spent: list[tuple[int, int]] = []
    for _ in range(2_000):
        minute = dice.randrange(240)
        now = NOW + 60 * minute
        amount = dice.randrange(50)
        store.settle(take(store, budget, dice.randrange(50), now=now), [amount], now=now)
        spent.append((minute, amount))
        expected = sum(amount for when, amount in spent if minute - 60 <= when <= minute)
        assert look(store, budget, now=now) == (expected, 0)
        assert refuses(store, ask(budget, 10**6 + 1, now=now), now=now).spent == expected


# What runs inside of an operation.


class Dropped:
    """A stream that is settled by its finalizer, as one that nobody reads to its end is."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self.settle = settle
        self.itself = self  # only the garbage collector ends it

    def __del__(self) -> None:
        self.settle()


class Collecting(tuple[Claim, ...]):
    """Claims during whose reading the garbage collector happens to run."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Claim]:
        gc.collect()
        return super().__iter__()


def test_a_finalizer_may_settle_inside_of_another_operation(store: MemoryBudgetStore) -> None:
    """The garbage collector may run while the store is at work; what it settles neither waits nor breaks anything."""
    budgets = [make_budget(100), make_budget(100, per="hour", rolling=True)]
    first, second = (make_reservation(*(make_claim(budget, 60) for budget in budgets)) for _ in range(2))
    second = Reservation(id=second.id, claims=Collecting(second.claims))
    refusals: list[Refusal | None] = []

    def work() -> None:
        store.reserve(first, now=NOW, lease_seconds=LEASE)
        Dropped(partial(store.settle, first, [7, 8], now=NOW))
        refusals.append(store.reserve(second, now=NOW, lease_seconds=LEASE))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "the store waits for itself"
    assert refusals == [None]
    assert [look(store, budget) for budget in budgets] == [(7, 60), (8, 60)]


class Interrupted(BaseException):
    """What a signal handler raises, as Ctrl-C does."""


@pytest.fixture
def interrupting() -> Iterator[Callable[[Callable[[], object]], bool]]:
    """Run something that a signal interrupts after a few microseconds; whether it did."""
    dice = random.Random(11)
    armed = False

    def handler(_: int, frame: FrameType | None) -> None:
        # A signal may come a little after its timer was stopped; what measures coverage would keep its lock for ever.
        if armed and frame is not None and "coverage" not in frame.f_code.co_filename:
            raise Interrupted

    def run(work: Callable[[], object]) -> bool:
        nonlocal armed
        try:
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + dice.random() * 8e-6)
                work()
            finally:
                armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            return True
        return False

    before = signal.signal(signal.SIGALRM, handler)
    yield run
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # drops a late signal, which would end the process
    signal.signal(signal.SIGALRM, before)


def test_an_interrupt_leaves_nothing_held(
    store: MemoryBudgetStore, interrupting: Callable[[Callable[[], object]], bool]
) -> None:
    """Ctrl-C at any instant holds and books all or nothing; doing it again completes it."""
    turns = 5_000
    budgets = [make_budget(60), make_budget(10**6, per="hour", rolling=True), make_budget(10**6, per="total")]
    interrupts = 0
    for now in (NOW + 7 * turn for turn in range(turns)):
        calls = [make_reservation(*(make_claim(budget, 35, now=now) for budget in budgets)) for _ in range(2)]
        for call in calls:  # the second is refused where the first was taken
            interrupts += interrupting(partial(store.reserve, call, now=now, lease_seconds=LEASE))
        for call in calls:
            interrupts += interrupting(partial(store.settle, call, [0, 1, 1], now=now))
            store.settle(call, [0, 1, 1], now=now)
        assert [look(store, budget, now=now)[1] for budget in budgets] == [0, 0, 0]
    assert interrupts > turns / 100
    assert look(store, budgets[2]) == (2 * turns, 0)
    assert store.held(now=NOW) == 0


def test_an_interrupt_while_leases_end_leaves_nothing_held(
    store: MemoryBudgetStore, interrupting: Callable[[Callable[[], object]], bool]
) -> None:
    """Ctrl-C while a lease is ended gives back all that it held, on every budget."""
    budgets = [make_budget(10**6, per="total", id=f"{number}") for number in range(5)]
    interrupts = 0
    for now in (NOW + 7 * turn for turn in range(3_000)):
        call = make_reservation(*(make_claim(budget, 35) for budget in budgets))
        store.reserve(call, now=now, lease_seconds=5)
        interrupts += interrupting(partial(store.held, now=now + 6))
        assert [look(store, budget, now=now + 6)[1] for budget in budgets] == [0] * 5
    assert interrupts > 30


# Memory stays bounded.


def test_ended_reservations_are_remembered_for_a_while() -> None:
    """Many calls leave behind no more than the ids of the last ones, which still end only once."""
    small = MemoryBudgetStore(ended=100)
    budget = make_budget(10**6)
    calls = [take(small, budget, 1) for _ in range(1_000)]
    for call in calls:
        small.settle(call, [1], now=NOW)
    assert len(small._ended) + len(small._ended_before) <= 200
    for call in calls[-100:]:
        small.settle(call, [1], now=NOW)
    assert look(small, budget) == (1_000, 0)


def test_windows_long_past_are_dropped() -> None:
    """Customers who came once, hours ago, take no room; what counts now is kept."""
    small = MemoryBudgetStore(windows=50)
    budget = make_budget(100, per="hour", each="customer")
    for number in range(1_000):
        now = NOW + 600 * number
        small.settle(take(small, budget, 9, now=now, customer=f"customer {number}"), [9], now=now)
        small.settle(take(small, budget, 1, now=now, customer="regular"), [1], now=now)
    assert len(small._accounts) <= 52
    assert sum(len(account.windows) for account in small._accounts.values()) <= 52
    last = NOW + 600 * 999
    assert look(small, budget, now=last, customer="regular") == (round(last % HOUR / 600) + 1, 0)


def test_sub_windows_long_past_are_dropped() -> None:
    """A rolling budget keeps the minutes that count, and few others."""
    small = MemoryBudgetStore(windows=10)
    budget = make_budget(100, per="hour", rolling=True)
    for minute in range(600):
        now = NOW + 60 * minute
        small.settle(take(small, budget, 1, now=now), [1], now=now)
    assert look(small, budget, now=NOW + 60 * 599) == (61, 0)
    (account,) = small._accounts.values()
    assert 61 <= len(account.windows) <= 64


def test_leases_of_calls_that_ended_are_forgotten(store: MemoryBudgetStore) -> None:
    """A process that makes calls for years does not keep a lease for each; those of running calls still end."""
    budget = make_budget(10**6)
    running = [take(store, budget, 1) for _ in range(10)]
    for _ in range(5_000):
        store.settle(take(store, budget, 1), [1], now=NOW)
    assert len(store._leases) <= 200
    assert store.held(now=NOW + LEASE - 1) == len(running)
    assert store.held(now=NOW + LEASE) == 0


# Forks.


def test_a_forked_child_waits_for_no_lock_and_holds_nothing(store: MemoryBudgetStore) -> None:
    """A child starts with what was spent, none of its parent's holds, and a lock that nobody has."""
    budgets = [make_budget(100), make_budget(100, per="hour", rolling=True)]
    for budget in budgets:
        store.settle(take(store, budget, 30), [30], now=NOW)
    running = make_reservation(*(make_claim(budget, 70) for budget in budgets))
    assert store.reserve(running, now=NOW, lease_seconds=LEASE) is None

    def in_child() -> None:
        assert store.held(now=NOW) == 0
        assert [look(store, budget) for budget in budgets] == [(30, 0), (30, 0)]
        own = make_reservation(*(make_claim(budget, 70) for budget in budgets))
        assert store.reserve(own, now=NOW, lease_seconds=LEASE) is None
        store.settle(own, [70, 70], now=NOW)
        assert [look(store, budget) for budget in budgets] == [(100, 0), (100, 0)]

    with _held_by_another_thread(store):
        assert _passes_in_child(in_child)
    assert [look(store, budget) for budget in budgets] == [(30, 70), (30, 70)]


@contextmanager
def _held_by_another_thread(store: MemoryBudgetStore) -> Iterator[None]:
    """A thread is inside of an operation all the while."""
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with store._lock:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def _passes_in_child(check: Callable[[], None]) -> bool:
    """Run a check in a forked child; False when it fails or hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads: the point here
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            check()
        except BaseException:  # noqa: BLE001 - a child never goes on as a test
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


# How a store is opened.


def test_stores_open_by_url() -> None:
    """`memory:` is a store of its own each time it is opened."""
    first, second = open_budget_store("memory:"), open_budget_store("memory://")
    first.book(ask(make_budget(), 5), now=NOW)
    assert look(first, make_budget()) == (5, 0)
    assert look(second, make_budget()) == (0, 0)
    first.close()


@pytest.mark.parametrize(
    ("url", "hint"), [("redis://host", "starts with one of memory:"), ("memory:mine", "has no name")]
)
def test_urls_of_no_store_are_refused(url: str, hint: str) -> None:
    """The message says which URLs are possible."""
    with pytest.raises(ConfigError, match=hint):
        open_budget_store(url)


def test_amounts_must_be_as_many_as_claims(store: MemoryBudgetStore) -> None:
    """A settlement that leaves out a budget is a mistake, and changes nothing."""
    budgets = [make_budget(100), make_budget(100, per="hour")]
    reservation = make_reservation(*(make_claim(budget, 10) for budget in budgets))
    store.reserve(reservation, now=NOW, lease_seconds=LEASE)
    with pytest.raises(ValueError, match="1 amounts for 2 claims"):
        store.settle(reservation, [5], now=NOW)
    assert [look(store, budget) for budget in budgets] == [(0, 10), (0, 10)]
