"""The promises of budget stores, as tests, catch stores that break them."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

import pytest
from hypothesis import Phase, settings

from ai_cost_calc.budgets.memory import MemoryBudgetStore
from ai_cost_calc.core.budget import Refusal, Reservation
from ai_cost_calc.testing import BudgetStoreConformance
from ai_cost_calc.testing.budget_calls import make_budget
from ai_cost_calc.testing.budget_machine import SEARCH, check_budget_store


class Keeps(MemoryBudgetStore):
    """Keeps the claims that fit when another does not."""

    def reserve(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> Refusal | None:
        """Reserve claim by claim."""
        for number, claim in enumerate(reservation.claims):
            one = Reservation(id=type(reservation.id)(f"{reservation.id}-{number}"), claims=(claim,))
            refusal = super().reserve(one, now=now, lease_seconds=lease_seconds)
            if refusal is not None:
                return refusal
        return None


class Immortal(MemoryBudgetStore):
    """Never ends a lease."""

    def reserve(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> Refusal | None:
        """Reserve for ever."""
        return super().reserve(reservation, now=now, lease_seconds=float("inf"))


class Forgetful(MemoryBudgetStore):
    """Does not remember what has ended."""

    def settle(self, reservation: Reservation, actuals: Sequence[int], /, *, now: float) -> None:
        """Settle again and again."""
        self._ended.clear()
        super().settle(reservation, actuals, now=now)


class Racy(MemoryBudgetStore):
    """Looks first, and takes what it saw later."""

    def reserve(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> Refusal | None:
        """Check, let others in, then hold without asking again."""
        look = MemoryBudgetStore()
        for claim, state in zip(reservation.claims, self.state(reservation.claims, now=now), strict=True):
            look.seed(claim.key, claim.window, state.spent + state.held)
        refusal = look.reserve(reservation, now=now, lease_seconds=lease_seconds)
        threading.Event().wait(random.Random(reservation.id).random() / 1_000)
        if refusal is None:
            super().settle(reservation, [claim.amount for claim in reservation.claims], now=now)
        return refusal


@pytest.mark.parametrize("broken", [Keeps, Immortal, Forgetful])
def test_the_state_machine_finds_broken_stores(broken: type[MemoryBudgetStore]) -> None:
    """A sequence of operations on which the store differs from the model is found."""
    quick = settings(SEARCH, phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises(AssertionError):
        check_budget_store(broken, search=quick)


def test_threads_find_stores_that_look_before_they_take() -> None:
    """A check that is not one step with the hold lets more calls in than there is room for."""
    with pytest.raises(AssertionError):
        BudgetStoreConformance().test_a_hundred_threads_get_in_exactly_as_often_as_there_is_room(
            Racy(), make_budget(100)
        )
