"""The flow of one metered call, decided in a generator and done by a driver.

The generator says what should happen next (an effect); whoever drives it does it and sends the result back. Nothing
here does I/O, so the same flow serves threads, asyncio, context managers and streams, and is tested without them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from inspect import isawaitable
from typing import Any

import msgspec

from ai_cost_calc.core.budget import Refusal, Reservation
from ai_cost_calc.core.event import Record
from ai_cost_calc.errors import BudgetStoreError


class Reserve(msgspec.Struct, frozen=True, gc=False):
    """Hold every claim or none. Answered with a `Refusal`, or `None` when the hold was taken."""

    reservation: Reservation


class Invoke(msgspec.Struct, frozen=True):
    """Make the call. Answered with its `Bill`, once it has ended."""


class Settle(msgspec.Struct, frozen=True, gc=False):
    """Turn the hold into what each claim really came to, in the order of the claims."""

    reservation: Reservation
    actuals: Sequence[int]


class Release(msgspec.Struct, frozen=True, gc=False):
    """Give the hold back: the provider does not bill this call."""

    reservation: Reservation


class Book(msgspec.Struct, frozen=True, gc=False):
    """Count spend that never had a hold; the claims carry the true amounts."""

    reservation: Reservation


class Keep(msgspec.Struct, frozen=True, gc=False):
    """Put a record into the journal."""

    record: Record


Effect = Reserve | Invoke | Settle | Release | Book | Keep
Flow = Generator[Effect, Any, None]


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a call came to.

    Attributes:
        actuals: the true amount of each claim of the reservation; empty when the provider billed nothing.
        bookings: claims on budgets that the reservation did not know of, carrying true amounts.
        records: what goes into the journal.
    """

    actuals: Sequence[int] = ()
    bookings: Reservation | None = None
    records: Sequence[Record] = ()


_INVOKE = Invoke()


def metered_call(reservation: Reservation | None) -> Flow:
    """One metered call: reserve, call, settle or release, keep.

    Once the call was made its answer is paid for: whatever becomes of one effect, the others still follow. Performers
    count and log their own faults; those end here. An interrupt or a cancellation goes on when all is done.

    Args:
        reservation: the claims to hold, or `None` when no budget matches.

    Raises:
        BudgetExceeded: thrown out of the flow before `Invoke`, so the call is not made.
        BudgetStoreError: likewise, when state cannot be reached and a budget says to refuse then.
    """
    if reservation is not None:
        refusal: Refusal | None = None
        try:
            refusal = yield Reserve(reservation)
        except GeneratorExit:  # nobody drives this flow any more
            raise
        except BaseException as exc:  # noqa: BLE001 - it is raised again where it means that the call must not be made
            yield from _unanswered(reservation, exc)
        if refusal is not None:
            raise refusal.error()
    bill: Bill = yield _INVOKE
    interrupt: BaseException | None = None
    for effect in _ending(reservation, bill):
        try:
            yield effect
        except GeneratorExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the rest must follow
            interrupt = interrupt if isinstance(exc, Exception) else exc
    if interrupt is not None:
        raise interrupt


def _unanswered(reservation: Reservation, error: BaseException) -> Flow:
    """The state cannot be reached, or nobody waits for it any more; the call goes on where this ends quietly."""
    if not isinstance(error, Exception):  # interrupted or cancelled, perhaps after the hold was taken
        with suppress(Exception):
            yield Release(reservation)
        raise error
    if not any(claim.budget.on_unavailable == "closed" and claim.limit is not None for claim in reservation.claims):
        return
    if isinstance(error, BudgetStoreError):
        raise error
    raise BudgetStoreError(f"the budget store failed with {type(error).__name__}; the cause is attached") from error


def _ending(reservation: Reservation | None, bill: Bill) -> list[Effect]:
    effects: list[Effect] = []
    if reservation is not None:
        effects.append(Settle(reservation, bill.actuals) if bill.actuals else Release(reservation))
    if bill.bookings is not None:
        effects.append(Book(bill.bookings))
    for record in bill.records:
        effects.append(Keep(record))  # noqa: PERF401 - nearly always one, for which a comprehension is a call more
    return effects


def conclude(reservation: Reservation | None, bill: Bill, perform: Callable[[Effect], Any]) -> None:
    """Do all that ends a call once more, where it was interrupted nobody knows where.

    That changes nothing which was done: stores end a reservation once, and ledgers keep a record once, by their ids.
    """
    for effect in _ending(reservation, bill):
        perform(effect)


def drive(flow: Flow, perform: Callable[[Effect], Any], bill: Bill | None = None) -> None:
    """Drive a flow up to the call itself; then, with the call's bill, to its end.

    What the first part raises means that the call must not be made. Driving a flow beyond its end does nothing.
    """
    step = send = flow.send
    value: Any = bill
    while True:
        try:
            effect = step(value)
        except StopIteration:
            return
        if effect is _INVOKE:
            return
        step = send
        try:
            value = perform(effect)
        except BaseException as exc:  # noqa: BLE001 - the flow decides what a failed effect means
            step, value = flow.throw, exc


async def adrive(flow: Flow, perform: Callable[[Effect], Any | Awaitable[Any]], bill: Bill | None = None) -> None:
    """`drive`, for effects that may have to be awaited."""
    step = send = flow.send
    value: Any = bill
    while True:
        try:
            effect = step(value)
        except StopIteration:
            return
        if effect is _INVOKE:
            return
        step = send
        try:
            value = perform(effect)
            if value is not None and isawaitable(value):
                value = await value
        except BaseException as exc:  # noqa: BLE001 - the flow decides what a failed effect means
            step, value = flow.throw, exc
