"""One guarded call, or one guarded block of code, from its reservation to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ai_cost_calc.budgets.matching import BudgetSet, Matched
from ai_cost_calc.client.billing import Read, Spend, spend
from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Budget, Claim, Reservation, ReservationId
from ai_cost_calc.core.estimate import Estimate
from ai_cost_calc.core.event import Status, UsageEvent
from ai_cost_calc.core.flow import Bill, adrive, conclude, drive, metered_call
from ai_cost_calc.core.money import usd
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.forks import this_process

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from ai_cost_calc.client.metering import Metering
    from ai_cost_calc.core.usage import Usage
    from ai_cost_calc.ports.providers import CallRequest

_BEATS_PER_LEASE: Final = 4
MOST_UNNAMED: Final = 1_000
"""How many answers without an id a block remembers; a block may last as long as its process."""
_UNBILLED: Final = Bill()


class Hold:
    """What one call holds of its budgets, and the flow that waits for the call's bill."""

    __slots__ = ("claims", "flow", "reservation")

    def __init__(self, reservation: Reservation | None) -> None:
        self.reservation = reservation
        self.claims = () if reservation is None else reservation.claims
        self.flow = metered_call(reservation)


class Call:
    """One guarded call of a wrapped client, or (without a request) a guarded block whose calls we cannot see.

    The first metered call inside a block uses the block's hold instead of a second one, so that both hold once.

    Attributes:
        attribution: whom it is for.
        events: what was recorded, once it has ended.
        over: whether it has ended; what is read after that belongs to no block any more.
    """

    # What few calls need is set on those alone; making a call is on the way of each.
    _block: Call | None = None
    _borrowed: Hold | None = None
    _request: CallRequest | None = None
    _provider: str | None = None
    _model: str | None = None
    _asked: BudgetSet | None = None
    _counts_for: frozenset[str] = frozenset()
    _beat_at = 0.0
    _unnamed: deque[Usage] | None = None
    _due: Bill | None = None
    events: Sequence[UsageEvent] = ()
    over = False

    def __init__(
        self, metering: Metering, attribution: Attribution, request: CallRequest | None = None, *,
        block: Call | None = None, estimate: Estimate | None = None,
    ) -> None:  # fmt: skip
        self.metering = metering
        self._process = this_process()
        self.attribution = attribution
        self._started = self._at = metering.clock()
        self._given = estimate
        self._holds: list[Hold] = []
        self._readings: list[Read] = []
        if block is not None:
            self._block = block
        if request is not None:
            self._request = request
            self._provider = request.provider
            self._model = metering.biller.known_as(request.provider, request.model)

    # Before the call.

    def open(self, *, reserve: bool = True) -> None:
        """Reserve; raises `BudgetExceeded` when the call must not be made."""
        hold = None
        try:
            hold = self._hold() if reserve else Hold(None)
            drive(hold.flow, self.metering.perform)
            self._holds.append(hold)
        except BaseException as error:
            self._not_opened(hold, error)
            raise

    async def aopen(self) -> None:
        """`open`, for budget stores that are awaited."""
        hold = None
        try:
            hold = self._hold()
            await adrive(hold.flow, self.metering.perform)
            self._holds.append(hold)
        except BaseException as error:
            self._not_opened(hold, error)
            raise

    def _not_opened(self, hold: Hold | None, error: BaseException) -> None:
        """Hold nothing; where this was interrupted, the hold may have been taken."""
        self._give_back()
        if hold is not None and not isinstance(error, Exception):
            self._holds.clear()
            conclude(hold.reservation, _UNBILLED, self.metering.perform)

    def _hold(self) -> Hold:
        metering = self.metering
        self._asked = metering.budgets
        if not metering.holds:
            return Hold(None)
        matched = metering.budgets.matched(self.attribution, self._provider, self._model, self._started)
        claims = self._claims(matched) if matched.asked else ()
        if self._block is not None and claims:
            claims = self._borrow(self._block, claims)
        return Hold(Reservation(id=ReservationId(metering.ids.name()), claims=claims) if claims else None)

    def _claims(self, matched: Matched) -> tuple[Claim, ...]:
        """What to hold on each budget; estimated only now that a budget asks."""
        estimate = self._given or self.metering.estimate(self._request, self.attribution, self._started)
        nanos = estimate.expected.nanos
        if self.metering.alike and estimate.learned and nanos is not None:
            return matched.claims(nanos)
        return tuple(
            [
                Claim(budget, key, window, self._amount(budget, estimate), scope)
                for budget, key, window, scope in matched.asked
            ]
        )

    def _amount(self, budget: Budget, estimate: Estimate) -> int:
        amount = estimate.claim(budget)
        if amount is None and budget.mode == "block":
            raise _not_priced(budget, self._provider, self._model)
        return amount or 0

    # The hold of the block around this call.

    def _borrow(self, block: Call, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Use the block's hold for what it covers; return the claims that it does not."""
        hold = self._borrowed = block.lend()
        if hold is None:
            return claims
        held = {claim.key: claim for claim in hold.claims}
        short = [c for c in claims if c.key in held and c.budget.estimate == "strict" and c.amount > held[c.key].amount]
        if short and block._given is None:
            self._finish(hold, _UNBILLED)
            self._borrowed = None
            return claims
        self._counts_for = frozenset([claim.key for claim in claims])
        return tuple(claim for claim in claims if claim.key not in held)

    def lend(self) -> Hold | None:
        """Hand the hold to a call inside of this block; only one call can have it."""
        try:
            return self._holds.pop()
        except IndexError:
            return None

    def _give_back(self) -> None:
        if self._borrowed is not None and self._block is not None:
            self._block._holds.append(self._borrowed)  # noqa: SLF001 - the same class
            self._borrowed = None

    # While the call runs.

    def read(self, reading: Reading, *, token: str | None = None) -> None:
        """Take in what a response says; with a `token`, once for ever."""
        if token is not None and not self.metering.first_sight(token):
            return
        if self._request is not None:
            if reading.response_id is not None:
                self.metering.first_sight(reading.response_id)
            elif self._block is not None and reading.usage is not None:
                self._block.note_unnamed(reading.usage)
        self._readings.append((reading, token))

    def note_unnamed(self, usage: Usage) -> None:
        """Note what a call inside used whose answer has no id: recorded by hand as well, nothing else tells it."""
        if self._unnamed is None:
            self._unnamed = deque(maxlen=MOST_UNNAMED)
        self._unnamed.append(usage)
        if self._block is not None:
            self._block.note_unnamed(usage)

    def forget_unnamed(self, usage: Usage | None) -> bool:
        """Whether a call inside of this block used exactly that; each tells of one recording by hand."""
        if self._unnamed is None or usage is None or usage not in self._unnamed:
            return False
        with suppress(ValueError):  # another thread may have been quicker
            self._unnamed.remove(usage)
        return True

    def beat(self) -> None:
        """Still running: lengthen the lease, a few times per lease at most."""
        metering = self.metering
        now = metering.clock()
        if now - (self._beat_at or self._started) > metering.lease_seconds / _BEATS_PER_LEASE:
            self._beat_at = now
            for hold in (*self._holds, self._borrowed):
                if hold is not None and hold.reservation is not None:
                    metering.extend(hold.reservation)

    # After the call.

    def end(self, *, error: BaseException | None = None, aborted: bool = False) -> None:
        """Settle what was read, or release; only the first time counts, and only in the process that began it."""
        if self.is_inherited:
            return None
        self.over = True
        hold = self.lend()
        if hold is None:
            return self._end_lent_block()
        status: Status = "aborted" if aborted else "error" if error else "ok"
        try:
            self._due = self._bill(hold, status)
            drive(hold.flow, self.metering.perform, self._due)
            if self._borrowed is not None:
                self._return_borrowed(self._borrowed)
        except BaseException as interrupt:
            if not isinstance(interrupt, Exception):
                self._end_again(hold, status)
            raise
        return None

    def _end_again(self, hold: Hold, status: Status) -> None:
        """The end was interrupted: what is left of it must not stay held, nor be lost."""
        if self._due is None:
            self.events = ()
            self._due = self._bill(hold, status)
        conclude(hold.reservation, self._due, self.metering.perform)
        if self._borrowed is not None:
            self._return_borrowed(self._borrowed)

    def _finish(self, hold: Hold, bill: Bill) -> None:
        """End a hold that was lent."""
        try:
            drive(hold.flow, self.metering.perform, bill)
        except BaseException as interrupt:
            if not isinstance(interrupt, Exception):
                conclude(hold.reservation, bill, self.metering.perform)
            raise

    def _end_lent_block(self) -> None:
        """The hold went to a call inside; what was read here as well is booked on its own."""
        readings, self._readings = self._readings, []
        if readings and self._request is None and self._due is None:
            late = Call(self.metering, self.attribution)
            late._started = self._started
            late._readings = readings
            late.open(reserve=False)
            late.end()
            self.events = [*self.events, *late.events]

    def _bill(self, hold: Hold, status: Status) -> Bill:
        if not self._readings:
            return _UNBILLED
        try:
            return self._billed(hold, status)
        except Exception as exc:  # noqa: BLE001 - a fault of ours must not lose the hold or break the call
            self.metering.fault("bill", exc)
            return Bill(actuals=[claim.amount for claim in hold.claims])

    def _billed(self, hold: Hold, status: Status) -> Bill:
        metering = self.metering
        latency = int((metering.clock() - self._started) * 1000)
        events = metering.biller.events(
            self._readings, self.attribution, at=self._at, status=status, latency_ms=max(0, latency),
            asked_for=self._model,
        )  # fmt: skip
        self.events = [*self.events, *events] if self.events else events
        came_to = spend(events)
        if self._request is None or not self._request.batch:
            metering.learn(self._provider, self._model, self.attribution, hold.claims, came_to)
        # With all of these budgets asked before the call, only the answer's model and provider can show further ones.
        booked = metering.holds and (metering.by_model or self._asked is not metering.budgets)
        return Bill(
            actuals=self._actuals(hold.claims, came_to),
            bookings=self._bookings(events, hold) if booked else None,
            records=events,
        )

    def _actuals(self, claims: tuple[Claim, ...], came_to: Spend) -> list[int]:
        if self.metering.alike and came_to.exact:
            return [came_to.amounts.nanos or 0] * len(claims)
        return came_to.actuals(claims)

    def _bookings(self, events: Sequence[UsageEvent], hold: Hold) -> Reservation | None:
        """Budgets without a hold: those that only the answer shows to be meant, those set while the call ran."""
        metering = self.metering
        held = {claim.key for claim in hold.claims}
        if self._borrowed is not None:
            held.update(claim.key for claim in self._borrowed.claims)
        claims = tuple(
            claim
            for event in events
            for claim in metering.bookings(event, self.attribution, self._started)
            if claim.key not in held
        )
        # What several processes may read is booked under the name they share: a store counts it once for all of them.
        name = next((token for _, token in self._readings if token), None) or metering.ids.name()
        return Reservation(id=ReservationId(name), claims=claims) if claims else None

    def _return_borrowed(self, borrowed: Hold) -> None:
        """Settle the block's hold with what this call came to; an unbilled call leaves it to the next one."""
        if not self._readings:
            return self._give_back()
        came_to: Spend = spend(self.events)
        amounts = zip(borrowed.claims, self._actuals(borrowed.claims, came_to), strict=True)
        # Those of the block that this call does not count for, such as its customer's, come to nothing through it.
        actuals = [actual if claim.key in self._counts_for else 0 for claim, actual in amounts]
        self._finish(borrowed, Bill(actuals=actuals))
        self._borrowed = None
        if self._block is not None:
            self.metering.learn(None, None, self._block.attribution, borrowed.claims, came_to)
        return None

    def belongs_to(self, attribution: Attribution, *, at: float | None) -> None:
        """Say for whom and when it was, once that is known."""
        self.attribution = attribution
        if at is not None:
            self._at = at

    @property
    def is_inherited(self) -> bool:
        """Whether a parent process began it, and will end it."""
        return self._process is not this_process()

    # What users see of a guarded block.

    @property
    def holds(self) -> bool:
        """Whether it still holds part of a budget, or has something read that is not booked."""
        return bool(self._readings) or any(hold.reservation is not None for hold in self._holds)

    @property
    def started_at(self) -> float:
        """When it began, unix seconds."""
        return self._started

    @property
    def cost(self) -> Decimal | None:
        """US dollars recorded here so far; `None` while nothing is, or when a price is unknown."""
        known = [event.cost_nanos for event in self.events]
        return None if not known or None in known else usd(sum(nanos or 0 for nanos in known))


def _not_priced(budget: Budget, provider: str | None, model: str | None) -> BudgetExceeded:
    message = (
        f"budget {budget.name!r} cannot tell what a call of {provider}/{model} may cost: no price is known. Give the "
        'model a price, pass AiCostCalc(fallback_price="15.00") in dollars per million tokens, or use unit="tokens"'
    )
    zero = budget.in_unit(0)
    resets: datetime | None = None
    return BudgetExceeded(
        message, budget=budget.name, scope=budget.scope(), limit=budget.in_unit(budget.amount), spent=zero, held=zero,
        requested=zero, unit=budget.unit, resets_at=resets,
    )  # fmt: skip
