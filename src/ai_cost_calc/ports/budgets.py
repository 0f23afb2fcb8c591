"""Where the running state of budgets is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ai_cost_calc.core.budget import BudgetState, Claim, Refusal, Reservation
from ai_cost_calc.core.windows import Window


class BudgetStore(Protocol):
    """The running state of budgets: per key and window what is spent, and what running calls hold.

    Every store promises:

    - Atomic: an operation takes effect on all claims of a reservation at once; a refused `reserve` takes nothing.
    - Hard: under any concurrency, a claim with a limit is taken only if `core.budget.fits` holds at that instant for
      the sum of spent and held over the claim's windows. Claims without a limit (warnings) are always taken.
    - Idempotent: repeating an operation with the same reservation id changes nothing. `settle`, `release` and `book`
      end a reservation; the first of them counts, and a `reserve` that comes after holds nothing. A store remembers
      ended reservations for a while, not for ever.
    - Leases: a hold whose lease ended no longer counts; settling it afterwards still books the spend.
    - Known spend is never refused: `settle` and `book` always count, also what never had a hold.
    - Apart: each key, and each window of a key, has its own state.
    - Thread-safe: threads may share one instance.
    - Errors: a state that cannot be reached arrives as `BudgetStoreError`.

    `now` is unix seconds, passed in, never read from a clock. Amounts are whole units of the claim's budget, exact up
    to 2**53 in one window. `testing.budgets.BudgetStoreConformance` checks all of this.
    """

    def reserve(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> Refusal | None:
        """Hold every claim, or return why one did not fit and hold none."""
        ...

    def settle(self, reservation: Reservation, actuals: Sequence[int], /, *, now: float) -> None:
        """End the hold and book what each claim really came to, in the window of the reservation."""
        ...

    def release(self, reservation: Reservation, /, *, now: float) -> None:
        """End the hold and book nothing."""
        ...

    def extend(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> None:
        """Let the lease of a call that is still running end later, never earlier; one that has ended stays ended."""
        ...

    def book(self, reservation: Reservation, /, *, now: float) -> None:
        """Count the amounts of these claims as spent; they never had a hold."""
        ...

    def seed(self, key: str, window: Window, spent: int, /) -> None:
        """State was lost or is new: take the ledger's figure, unless the store already knows of more.

        Of a rolling window this is the newest sub-window alone, not all that count towards the limit.
        """
        ...

    def state(self, claims: Sequence[Claim], /, *, now: float) -> list[BudgetState]:
        """What is spent and held for each claim's key, over the windows that count."""
        ...

    def held(self, /, *, now: float) -> int:
        """How many reservations are held at this moment."""
        ...

    def close(self) -> None:
        """Let go of what the store opened."""
        ...
