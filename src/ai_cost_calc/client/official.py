"""The surface of the official `ai-cost-calc` 1.3.13: a user of it changes nothing but the installed package."""

from __future__ import annotations

import atexit
import inspect
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from ai_cost_calc.context import Frame, current_frame
from ai_cost_calc.core.attribution import Attribution, attribution
from ai_cost_calc.core.event import LAST_AT, MICROS, RevenueEvent
from ai_cost_calc.core.money import NANOS_PER_USD
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.forks import this_process

if TYPE_CHECKING:
    from ai_cost_calc.client.call import Call
    from ai_cost_calc.client.guard import Guard
    from ai_cost_calc.client.metering import Metering

T = TypeVar("T")
NANOS_PER_CENT: Final = NANOS_PER_USD // 100
MAX_CENTS: Final = 10_000_000
MOST_UNTRACKED: Final = 100
"""How many guarded calls of one thread or task may wait for their `track`; the oldest then gives its hold back."""


class _Pending:
    """What one thread or task has used and reserved since it last tracked.

    Usage is remembered with the customer of the guarded call it followed, so that a request which fails before it
    tracks leaves nothing behind for the next customer on the same thread.
    """

    def __init__(self, owner: object, book: Callable[[list[tuple[str | None, Reading]]], None]) -> None:
        self.owner = weakref.ref(owner)
        self.process = this_process()
        self.customer: str | None = None
        self.readings: list[tuple[str | None, Reading]] = []
        self.calls: list[tuple[str, Call]] = []
        self._book = book

    def __del__(self) -> None:
        """A task that ends without tracking: its spend is real, so it is booked, to whom it is known to belong."""
        self.book()

    def book(self) -> None:
        """Nobody will track any more."""
        calls, self.calls = self.calls, []
        readings, self.readings = self.readings, []
        if self.process is not this_process():
            return
        for _, call in calls:
            call.end()
        if readings:
            self._book(readings)


_pending: ContextVar[dict[int, _Pending] | None] = ContextVar("ai_cost_calc_pending", default=None)


@atexit.register
def _book_at_exit() -> None:
    """The main thread ends without tracking; its context would only be let go when nothing works any more."""
    for pending in (_pending.get() or {}).values():
        pending.book()


def _owner() -> object:
    """The task that runs now, or else the thread: each has usage of its own, whatever context it inherited."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is not None:
            return task
    return threading.current_thread()


class OfficialSurface:
    """`add_usage`, `track`, `guarded_call` and `async_guarded_call`, over the same books as everything else."""

    _metering: Metering
    guard: Callable[..., Guard]

    def add_usage(self, *, model: str, input_tokens: int, output_tokens: int, vendor: str | None = None) -> None:
        """Remember usage for the next `track` of this thread or task. Never raises.

        Args:
            model: a slug such as `openai/gpt-4o`.
            input_tokens: input tokens, the cached ones included.
            output_tokens: output tokens, reasoning included.
            vendor: the provider, where the model's name does not say it.
        """
        usage, anomaly = Usage.corrected({"input_tokens": input_tokens, "output_tokens": output_tokens})
        here = self._here()
        provider = vendor if isinstance(vendor, str) else None
        here.readings.append(
            (here.customer, Reading(usage=usage, model=str(model), provider=provider, anomaly=anomaly))
        )

    def track(
        self,
        *,
        customer_id: str,
        revenue_amount_in_cents: int | None = None,
        event_type: str | None = None,
        unique_request_token: str | None = None,
        occurred_at: str | datetime | None = None,
    ) -> None:
        """Book what this thread or task has used since its last `track` to a customer, with its revenue. Never raises.

        Args:
            customer_id: whose it is.
            revenue_amount_in_cents: what the customer paid for it, in US cents, 0 to 10,000,000.
            event_type: the feature it was for; the client's default when left out.
            unique_request_token: your idempotency key: the same one is booked once, for ever.
            occurred_at: when it happened, ISO 8601; now when left out.
        """
        try:
            customer = self._understood(_customer, customer_id, "what was used is booked without a customer")
            feature = self._understood(_feature, event_type, "it counts for the default event type")
            at = self._understood(_instant, occurred_at, "it is booked as of now")
            token = None if unique_request_token is None else str(unique_request_token)
            whom = self._whom(customer, feature)
            self._book_pending(whom, at, token)
            if revenue_amount_in_cents is not None:
                self._book_revenue(revenue_amount_in_cents, whom, at, token)
        except Exception as exc:  # noqa: BLE001 - the official `track` never raises
            self._metering.fault("track", exc)

    def _understood(self, read: Callable[[Any], T], said: object, otherwise: str) -> T | None:
        """What an argument of `track` says; one that makes no sense is reported, and what was used is booked still."""
        try:
            return None if said is None else read(said)
        except (TypeError, ValueError, OverflowError) as exc:
            self._metering.counters.mistake("track", exc, otherwise)
            return None

    def guarded_call(
        self, *, customer_id: str, call: Callable[[], T], event_type: str | None = None,
        estimate: Decimal | int | str | None = None,
    ) -> T:  # fmt: skip
        """Make a call only when every budget allows it; `track` settles what it reserved.

        Args:
            customer_id: whose call it is.
            call: a function without arguments that makes it.
            event_type: the feature it is for; the client's default when left out.
            estimate: the most it can cost in US dollars; what such calls have cost when left out.

        Raises:
            BudgetExceeded: a budget does not allow it; `call` was not called.
            ValueError: no customer, or `call` cannot be called.
        """
        pending = self._here()
        pending.customer = self._customer(customer_id, call)
        guard = self.guard(customer_id=customer_id, feature=event_type, estimate=estimate)
        guard.__enter__()
        try:
            result = call()
        except BaseException as exc:
            self._failed(guard, pending, exc)
            raise
        self._wait_for_track(guard, pending)
        return result

    @overload
    async def async_guarded_call(
        self, *, customer_id: str, call: Callable[[], Awaitable[T]], event_type: str | None = None,
        estimate: Decimal | int | str | None = None,
    ) -> T: ...  # fmt: skip

    @overload
    async def async_guarded_call(
        self, *, customer_id: str, call: Callable[[], T], event_type: str | None = None,
        estimate: Decimal | int | str | None = None,
    ) -> T: ...  # fmt: skip

    async def async_guarded_call(
        self, *, customer_id: str, call: Callable[[], Any], event_type: str | None = None,
        estimate: Decimal | int | str | None = None,
    ) -> Any:  # fmt: skip
        """`guarded_call` for asyncio; `call` may return an awaitable."""
        pending = self._here()
        pending.customer = self._customer(customer_id, call)
        guard = self.guard(customer_id=customer_id, feature=event_type, estimate=estimate)
        await guard.__aenter__()
        try:
            result = call()
            if inspect.isawaitable(result):
                result = await result
        except BaseException as exc:
            self._failed(guard, pending, exc)
            raise
        self._wait_for_track(guard, pending)
        return result

    def _here(self) -> _Pending:
        """The pending usage of this thread or task and of this client."""
        all_pending = _pending.get()
        mine = (all_pending or {}).get(id(self))
        owner = _owner()
        if mine is None or mine.owner() is not owner or mine.process is not this_process():
            mine = _Pending(owner, self._book_untracked)
            _pending.set({**(all_pending or {}), id(self): mine})
        return mine

    def _customer(self, customer_id: object, call: object) -> str:
        if not isinstance(customer_id, str) or not customer_id.strip():
            msg = f"customer_id must be a string that is not empty, not {customer_id!r}"
            raise ValueError(msg)
        if not callable(call):
            msg = f"call must be a function without arguments, not {call!r}"
            raise ValueError(msg)  # noqa: TRY004 - the official client raises a ValueError
        return customer_id.strip()

    def _failed(self, guard: Guard, pending: _Pending, error: BaseException) -> None:
        """The call raised: book what was used all the same, to its customer, and give the rest of the hold back."""
        call = guard.leave()
        if call is None:
            return
        mine, pending.readings = _split(pending.readings, pending.customer)
        for reading in mine:
            call.read(reading)
        call.end(error=error)

    def _wait_for_track(self, guard: Guard, pending: _Pending) -> None:
        """Keep the hold for the `track` that should follow; the end of the task or of the lease gives it back."""
        call = guard.leave()
        if call is not None and call.holds:
            pending.calls.append((pending.customer or "", call))
            if len(pending.calls) > MOST_UNTRACKED:
                pending.calls.pop(0)[1].end()

    def _book_pending(self, whom: Attribution, at: float | None, token: str | None) -> None:
        pending = self._here()
        customer = whom.customer_id or ""
        mine, others = _split(pending.readings, customer)
        calls = [call for name, call in pending.calls if name == customer]
        pending.calls = [(name, call) for name, call in pending.calls if name != customer]
        pending.readings, pending.customer = [], None
        if not pending.calls:
            self._let_go(pending)
        self._book(mine, whom, at, token, calls)
        self._book_untracked(others)

    def _let_go(self, pending: _Pending) -> None:
        """Nothing waits here any more: a context that lives on must not keep this client alive."""
        _pending.set({key: other for key, other in (_pending.get() or {}).items() if other is not pending})

    def _book(
        self, readings: list[Reading], whom: Attribution, at: float | None, token: str | None, calls: list[Call]
    ) -> None:
        """Settle the first hold with everything that was used, and give the others back."""
        call = calls.pop(0) if calls else None
        if call is None:
            if not readings:
                return
            call = self._metering.late(whom)
        call.belongs_to(whom, at=at)
        for index, reading in enumerate(readings):
            call.read(reading, token=f"{token}:{index}" if token and index else token)
        call.end()
        for unused in calls:
            unused.end()

    def _book_untracked(self, readings: list[tuple[str | None, Reading]]) -> None:
        """Book usage that nobody tracked to the customer of its guarded call, or to nobody; it was spent."""
        for customer, reading in readings:
            frame = current_frame()
            whom = self._metering.attribution(frame)
            if customer is not None:
                whom = whom.merged(Attribution(customer_id=customer))
            self._book([reading], whom, None, None, [])

    def _book_revenue(self, cents: object, whom: Attribution, at: float | None, token: str | None) -> None:
        if isinstance(cents, bool) or not isinstance(cents, int) or not 0 <= cents <= MAX_CENTS:
            wanted = f"a whole number from 0 to {MAX_CENTS:,}"
            self._metering.counters.tell(f"revenue_amount_in_cents must be {wanted}, not {cents!r}; it was not booked")
            return
        metering = self._metering
        moment = metering.clock() if at is None else at
        metering.keep(
            RevenueEvent(
                id=metering.ids(moment),
                at=int(moment * MICROS),
                amount_nanos=cents * NANOS_PER_CENT,
                organization=metering.organization,
                customer_id=whom.customer_id,
                feature=whom.feature,
                external_id=token,
            )
        )

    def _whom(self, customer_id: str | None, event_type: str | None) -> Attribution:
        inner = Attribution(customer_id=customer_id, feature=event_type)
        return self._metering.attribution(Frame(current_frame().attribution.merged(inner), None, None, None))


def _customer(customer_id: Any) -> str | None:
    return attribution(customer_id=customer_id).customer_id


def _feature(event_type: Any) -> str | None:
    return attribution(feature=event_type).feature


def _instant(occurred_at: Any) -> float:
    """Unix seconds.

    Raises:
        ValueError: it is no time that a ledger can keep.
    """
    try:
        moment = occurred_at if isinstance(occurred_at, datetime) else datetime.fromisoformat(occurred_at)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        at = -1.0
    if not 0 <= at < LAST_AT // MICROS:
        raise ValueError("occurred_at must be a time in ISO 8601 from 1970 to 2199")
    return at


def _split(
    readings: list[tuple[str | None, Reading]], customer: str | None
) -> tuple[list[Reading], list[tuple[str | None, Reading]]]:
    """What is this customer's (or nobody's in particular), and what is another's."""
    mine = [reading for name, reading in readings if name is None or name == customer]
    return mine, [(name, reading) for name, reading in readings if name is not None and name != customer]
