"""A state machine that leads a budget store and a trivial model through the same operations. Needs hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    rule,
    run_state_machine_as_test,
)

from ai_cost_calc.core.budget import (
    Budget,
    BudgetState,
    Claim,
    Refusal,
    Reservation,
    ReservationId,
    fits,
)
from ai_cost_calc.core.windows import Window
from ai_cost_calc.ports.budgets import BudgetStore
from ai_cost_calc.testing.budget_calls import make_claim

START: Final = datetime(2026, 10, 24, 22, 59, 30, tzinfo=UTC).timestamp()  # before a day of 25 hours in Berlin
CUSTOMERS: Final = ("acme", "globex")
BUDGETS: Final = (
    Budget(100, per="day", unit="tokens", timezone="Europe/Berlin"),
    Budget(60, per="hour", unit="tokens", rolling=True, each="customer"),
    Budget(80, per="month", unit="tokens", each="customer"),
    Budget(150, per="total", unit="tokens"),
    Budget(10, per="hour", unit="tokens", mode="warn"),
)

SEARCH: Final = settings(
    deadline=None, stateful_step_count=40, report_multiple_bugs=False, suppress_health_check=[HealthCheck.too_slow]
)
"""A hundred sequences of forty operations."""

_amounts = st.integers(0, 40)
_leases = st.sampled_from([1.0, 60.0, 120.0, 7_200.0])
"""Seconds."""


class ModelBudgetStore:
    """The promises of a budget store in as few words as possible: everything is kept, everything is counted anew."""

    def __init__(self) -> None:
        self.spent: dict[tuple[str, str], int] = {}
        self.holds: dict[ReservationId, tuple[float, Sequence[Claim]]] = {}
        self.ended: set[ReservationId] = set()

    def reserve(self, reservation: Reservation, now: float, lease_seconds: float) -> Refusal | None:
        """Hold all or nothing."""
        self._expire(now)
        if reservation.id in self.holds or reservation.id in self.ended:
            return None
        for position, claim in enumerate(reservation.claims):
            state = self.state(claim, now)
            before = [earlier.amount for earlier in reservation.claims[:position] if earlier.key == claim.key]
            if not fits(claim.limit, state.spent, state.held + sum(before), claim.amount):
                return Refusal(claim=claim, spent=state.spent, held=state.held + sum(before))
        self.holds[reservation.id] = (now + lease_seconds, reservation.claims)
        return None

    def end(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        """End a reservation, once, and book these amounts."""
        if reservation.id not in self.ended:
            self.ended.add(reservation.id)
            self.holds.pop(reservation.id, None)
            for claim, amount in zip(reservation.claims, amounts, strict=True):
                place = claim.key, claim.window.id
                self.spent[place] = self.spent.get(place, 0) + amount

    def extend(self, reservation: Reservation, now: float, lease_seconds: float) -> None:
        """Move a lease's end."""
        self._expire(now)
        if reservation.id in self.holds:
            end, claims = self.holds[reservation.id]
            self.holds[reservation.id] = (max(end, now + lease_seconds), claims)

    def seed(self, key: str, window: Window, spent: int) -> None:
        """Raise a figure."""
        self.spent[key, window.id] = max(spent, self.spent.get((key, window.id), 0))

    def state(self, claim: Claim, now: float) -> BudgetState:
        """Add everything up."""
        self._expire(now)
        counted = claim.window.ids
        held = [
            other.amount
            for _, claims in self.holds.values()
            for other in claims
            if other.key == claim.key and other.window.id in counted
        ]
        return BudgetState(spent=sum(self.spent.get((claim.key, name), 0) for name in counted), held=sum(held))

    def held(self, now: float) -> int:
        """Count."""
        self._expire(now)
        return len(self.holds)

    def _expire(self, now: float) -> None:
        self.holds = {name: hold for name, hold in self.holds.items() if hold[0] > now}


class BudgetStoreMachine(RuleBasedStateMachine):
    """Reserve, settle, release, extend, book, seed and let time pass, in any order, on a store and on the model.

    Args:
        open_store: gives a new store with nothing in it.
    """

    running: Bundle[Reservation] = Bundle("running")
    ended: Bundle[Reservation] = Bundle("ended")

    def __init__(self, open_store: Callable[[], BudgetStore]) -> None:
        super().__init__()
        self.store = open_store()
        self.model = ModelBudgetStore()
        self.now = START
        self.count = 0

    @rule(target=running, budgets=st.lists(st.sampled_from(BUDGETS), min_size=1, max_size=4), amount=_amounts,
          customer=st.sampled_from(CUSTOMERS), lease=_leases)  # fmt: skip
    def reserve(self, budgets: list[Budget], amount: int, customer: str, lease: float) -> Reservation:
        """A call asks, of one budget perhaps twice."""
        reservation = self._reservation(budgets, amount, customer)
        self._reserve(reservation, lease)
        return reservation

    @rule(reservation=st.one_of(running, ended), lease=_leases)
    def reserve_again(self, reservation: Reservation, lease: float) -> None:
        """A request is repeated, or arrives late."""
        self._reserve(reservation, lease)

    @rule(target=ended, reservation=st.one_of(consumes(running), ended), data=st.data())
    def settle(self, reservation: Reservation, data: Any) -> Reservation:
        """A call ends, perhaps not for the first time."""
        size = len(reservation.claims)
        actuals = data.draw(st.lists(_amounts, min_size=size, max_size=size), label="actuals")
        self.store.settle(reservation, actuals, now=self.now)
        self.model.end(reservation, actuals)
        return reservation

    @rule(target=ended, reservation=st.one_of(consumes(running), ended))
    def release(self, reservation: Reservation) -> Reservation:
        """A call was not billed."""
        self.store.release(reservation, now=self.now)
        self.model.end(reservation, [0] * len(reservation.claims))
        return reservation

    @rule(target=ended, budgets=st.lists(st.sampled_from(BUDGETS), min_size=1, max_size=3), amount=_amounts,
          customer=st.sampled_from(CUSTOMERS))  # fmt: skip
    def book(self, budgets: list[Budget], amount: int, customer: str) -> Reservation:
        """Spend becomes known that nobody reserved."""
        reservation = self._reservation(budgets, amount, customer)
        self.store.book(reservation, now=self.now)
        self.model.end(reservation, [claim.amount for claim in reservation.claims])
        return reservation

    @rule(reservation=st.one_of(running, ended), lease=_leases)
    def extend(self, reservation: Reservation, lease: float) -> None:
        """A call gives a sign of life."""
        self.store.extend(reservation, now=self.now, lease_seconds=lease)
        self.model.extend(reservation, self.now, lease)

    @rule(budget=st.sampled_from(BUDGETS), customer=st.sampled_from(CUSTOMERS), spent=_amounts,
          ago=st.sampled_from([0, 60, 600]))  # fmt: skip
    def seed(self, budget: Budget, customer: str, spent: int, ago: int) -> None:
        """The ledger has a say."""
        claim = make_claim(budget, 0, now=self.now - ago, customer=customer)
        self.store.seed(claim.key, claim.window, spent)
        self.model.seed(claim.key, claim.window, spent)

    @rule(seconds=st.sampled_from([0.5, 30.0, 60.0, 119.5, 3_600.0, 86_400.0, 2_678_400.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def look(self) -> None:
        """The store and the model see the same state; looking is an operation too, one that ends dead leases."""
        claims = [
            make_claim(budget, 0, now=self.now, customer=customer) for budget in BUDGETS for customer in CUSTOMERS
        ]
        assert self.store.state(claims, now=self.now) == [self.model.state(claim, self.now) for claim in claims]
        assert self.store.held(now=self.now) == self.model.held(self.now)

    def teardown(self) -> None:
        """Once every call has ended or died, nothing stays held."""
        self.look()
        for reservation in [Reservation(id=name, claims=tuple(c)) for name, (_, c) in self.model.holds.items()][::2]:
            self.store.settle(reservation, [claim.amount for claim in reservation.claims], now=self.now)
        claims = [claim for _, claims in self.model.holds.values() for claim in claims]
        later = max([self.now, *(end for end, _ in self.model.holds.values())])
        assert self.store.held(now=later) == 0
        assert all(state.held == 0 for state in self.store.state(claims, now=later))
        self.store.close()

    def _reservation(self, budgets: list[Budget], amount: int, customer: str) -> Reservation:
        self.count += 1
        claims = tuple(make_claim(budget, amount, now=self.now, customer=customer) for budget in budgets)
        return Reservation(id=ReservationId(f"{self.count:024x}"), claims=claims)

    def _reserve(self, reservation: Reservation, lease: float) -> None:
        refusal = self.store.reserve(reservation, now=self.now, lease_seconds=lease)
        known = reservation.id in self.model.holds or reservation.id in self.model.ended
        assert refusal == self.model.reserve(reservation, self.now, lease)
        if refusal is None and not known:
            self._stays_within_limits(reservation)

    def _stays_within_limits(self, reservation: Reservation) -> None:
        for claim, state in zip(reservation.claims, self.store.state(reservation.claims, now=self.now), strict=True):
            assert claim.limit is None or state.spent + state.held <= claim.limit


def check_budget_store(open_store: Callable[[], BudgetStore], *, search: settings = SEARCH) -> None:
    """Search for a sequence of operations on which a store and the model differ.

    Args:
        open_store: gives a new store with nothing in it.
        search: how long, and whether to look for the shortest sequence once there is one.

    Raises:
        AssertionError: there is such a sequence; the output shows it.
    """

    class Machine(BudgetStoreMachine):
        def __init__(self) -> None:
            super().__init__(open_store)

    run_state_machine_as_test(Machine, settings=search)
