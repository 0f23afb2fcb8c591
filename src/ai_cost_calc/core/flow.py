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
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.errors import BudgetStoreError


class Reserve(msgspec.Struct, frozen=True, gc=False):
    """Hold every claim or none. Answered with a `Refusal`, or `None` when the hold was taken."""

    reservation: Reservation


class Invoke(msgspec.Struct, frozen=True):
    """Make the call. Answered with its `Outcome`, once it has ended."""


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


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended.

    Attributes:
        readings: what was read from its responses, one per billed attempt.
        error: the exception that ended it, if one did.
        aborted: the caller left a stream before its end.
        latency_ms: from the request to the end of the answer.
    """

    readings: Sequence[Reading] = ()
    error: BaseException | None = None
    aborted: bool = False
    latency_ms: int | None = None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What an outcome comes to.

    Attributes:
        actuals: the true amount of each claim of the reservation; empty when the provider billed nothing.
        bookings: claims on budgets that the reservation did not know of, carrying true amounts.
        records: what goes into the journal.
    """

    actuals: Sequence[int] = ()
    bookings: Reservation | None = None
    records: Sequence[Record] = ()


_INVOKE = Invoke()


def metered_call(reservation: Reservation | None, bill_for: Callable[[Outcome], Bill]) -> Flow:
    """One metered call: reserve, call, settle or release, keep.

    Once the call was made its answer is paid for: whatever becomes of one effect, the others still follow. Performers
    count and log their own faults; those end here. An interrupt or a cancellation goes on when all is done.

    Args:
        reservation: the claims to hold, or `None` when no budget matches.
        bill_for: turns the outcome into a bill; must not raise.

    Raises:
        BudgetExceeded: thrown out of the flow before `Invoke`, so the call is not made.
        BudgetStoreError: likewise, when state cannot be reached and a budget says to refuse then.
    """
    if reservation is not None:
        yield from _hold(reservation)
    bill = bill_for((yield _INVOKE))
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


def _hold(reservation: Reservation) -> Flow:
    try:
        refusal: Refusal | None = yield Reserve(reservation)
    except GeneratorExit:  # nobody drives this flow any more
        raise
    except Exception as exc:
        if not any(claim.budget.on_unavailable == "closed" and claim.limit is not None for claim in reservation.claims):
            return
        if isinstance(exc, BudgetStoreError):
            raise
        raise BudgetStoreError(f"the budget store failed with {type(exc).__name__}; the cause is attached") from exc
    except BaseException:  # interrupted or cancelled, perhaps after the hold was taken
        with suppress(Exception):
            yield Release(reservation)
        raise
    if refusal is not None:
        raise refusal.error()


def _ending(reservation: Reservation | None, bill: Bill) -> list[Effect]:
    effects: list[Effect] = []
    if reservation is not None:
        effects.append(Settle(reservation, bill.actuals) if bill.actuals else Release(reservation))
    if bill.bookings is not None:
        effects.append(Book(bill.bookings))
    effects += [Keep(record) for record in bill.records]
    return effects


def start(flow: Flow, perform: Callable[[Effect], Any]) -> None:
    """Drive a flow up to the call itself. What it raises means that the call must not be made."""
    _run(flow, perform, None)


def finish(flow: Flow, perform: Callable[[Effect], Any], outcome: Outcome) -> None:
    """Drive a flow from the call's outcome to its end. Finishing it again does nothing."""
    _run(flow, perform, outcome)


def _run(flow: Flow, perform: Callable[[Effect], Any], value: Any) -> None:
    step = flow.send
    while True:
        try:
            effect = step(value)
        except StopIteration:
            return
        if effect is _INVOKE:
            return
        step = flow.send
        try:
            value = perform(effect)
        except BaseException as exc:  # noqa: BLE001 - the flow decides what a failed effect means
            step, value = flow.throw, exc


async def astart(flow: Flow, perform: Callable[[Effect], Any | Awaitable[Any]]) -> None:
    """`start`, for effects that are awaited."""
    await _arun(flow, perform, None)


async def afinish(flow: Flow, perform: Callable[[Effect], Any | Awaitable[Any]], outcome: Outcome) -> None:
    """`finish`, for effects that are awaited."""
    await _arun(flow, perform, outcome)


async def _arun(flow: Flow, perform: Callable[[Effect], Any | Awaitable[Any]], value: Any) -> None:
    step = flow.send
    while True:
        try:
            effect = step(value)
        except StopIteration:
            return
        if effect is _INVOKE:
            return
        step = flow.send
        try:
            value = perform(effect)
            if isawaitable(value):
                value = await value
        except BaseException as exc:  # noqa: BLE001 - the flow decides what a failed effect means
            step, value = flow.throw, exc
