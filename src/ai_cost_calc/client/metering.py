"""Guards calls before they are made and bills them afterwards: what `wrap`, `guard` and `record` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ai_cost_calc.budgets.matching import BudgetSet
from ai_cost_calc.client.billing import Biller, EventIds, Spend
from ai_cost_calc.client.call import Call
from ai_cost_calc.client.estimating import Estimator
from ai_cost_calc.client.stats import Counters
from ai_cost_calc.context import Frame, current_frame
from ai_cost_calc.core.attribution import NOBODY, Attribution
from ai_cost_calc.core.budget import Budget, Claim, Refusal, Reservation
from ai_cost_calc.core.estimate import Estimate
from ai_cost_calc.core.event import Record, UsageEvent
from ai_cost_calc.core.flow import Book, Effect, Keep, Release, Reserve, Settle
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.errors import BudgetStoreError
from ai_cost_calc.ports.budgets import BudgetStore
from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers.readers import reading_of

if TYPE_CHECKING:
    from ai_cost_calc.delivery import Delivery

_OF_MODELS: Final = frozenset({"provider", "model"})
REMEMBERED: Final = 10_000
"""How many idempotency keys and ids of metered responses are remembered, so that none is counted twice."""


class Metering:
    """Everything a call needs between its request and its record."""

    reading_of = staticmethod(reading_of)

    def __init__(
        self, *, store: BudgetStore, delivery: Delivery, biller: Biller, estimator: Estimator, counters: Counters,
        ids: EventIds, clock: Callable[[], float], default_feature: str, lease_seconds: float,
    ) -> None:  # fmt: skip
        self.budgets = BudgetSet(())
        self._strict = self._warns = self.holds = self.by_model = False
        self.alike = True
        self.unknown: frozenset[str] = frozenset()
        self.store = store
        self.biller = biller
        self.estimator = estimator
        self.counters = counters
        self.clock = clock
        self.ids = ids
        self.lease_seconds = lease_seconds
        self.organization = biller.organization
        self._default_feature = default_feature
        self._seen: dict[str, None] = {}
        self.keep: Callable[[Record], None] = delivery.put
        """Puts a record into the journal."""
        self._anybody = Attribution(feature=default_feature)

    # What provider files ask for (ports.providers.Meter).

    def begin(self, request: CallRequest) -> Call:
        """Reserve for a call of a wrapped client; raises `BudgetExceeded` when it must not be made."""
        call = self._call(current_frame(), request)
        call.open()
        return call

    async def abegin(self, request: CallRequest) -> Call:
        """`begin`, for callers that must not block their event loop."""
        call = self._call(current_frame(), request)
        await call.aopen()
        return call

    def fault(self, where: str, error: BaseException) -> None:
        """Count and log a fault of ours."""
        self.counters.fault(where, error)

    # What the public surface asks for.

    def enforce(self, budgets: Sequence[Budget]) -> None:
        """Hold these budgets from now on."""
        self.budgets = BudgetSet(budgets)
        self.holds = bool(budgets)
        self._strict = any(budget.estimate == "strict" for budget in budgets)
        self._warns = any(budget.mode == "warn" for budget in budgets)
        self.alike = all(budget.unit == "usd" and budget.estimate == "learned" for budget in budgets)
        self.by_model = any(_OF_MODELS.intersection((*dict(budget.selectors), *budget.each)) for budget in budgets)

    def block(self, frame: Frame, estimate: Estimate | None = None) -> Call:
        """A block of code whose calls cannot be seen from here, to be opened."""
        return self._call(frame, None, estimate)

    def record(self, reading: Reading, *, token: str | None = None) -> None:
        """Book and keep a reading; with a `token`, once for ever.

        It is for the guarded block around it, or on its own where there is none, or a scope inside of the block says
        that it is for somebody else.
        """
        frame = current_frame()
        block, whom = self._block(frame), self.attribution(frame)
        if block is not None and block.attribution == whom:
            self.take(block, reading, token=token)
        elif not self._recorded_by_a_client(reading, block):
            self._book_alone(reading, whom, token)

    def _book_alone(self, reading: Reading, whom: Attribution, token: str | None) -> None:
        call = self.late(whom)
        call.read(reading, token=token)
        call.end()

    def late(self, whom: Attribution) -> Call:
        """A call that was made without a hold, to be read and ended."""
        call = Call(self, whom)
        call.open(reserve=False)
        return call

    def take(self, block: Call, reading: Reading, *, token: str | None = None) -> None:
        """Give a block what was read by hand, unless a wrapped client has recorded that response."""
        if self._recorded_by_a_client(reading, block):
            return
        if block.is_inherited:
            self._book_alone(reading, block.attribution, token)
        else:
            block.read(reading, token=token)

    def first_sight(self, name: str) -> bool:
        """Whether this idempotency key or response id is new here; it is remembered."""
        seen = self._seen
        if name in seen:
            return False
        seen[name] = None
        if len(seen) > REMEMBERED:
            seen.pop(next(iter(seen)), None)
        return True

    def _recorded_by_a_client(self, reading: Reading, block: Call | None) -> bool:
        if reading.response_id is not None:
            return reading.response_id in self._seen
        return block is not None and block.forget_unnamed(reading.usage)

    def attribution(self, frame: Frame) -> Attribution:
        """Whom a call made now is for; every call has a feature."""
        found = frame.attribution
        if found.feature is not None:
            return found
        if found is NOBODY:
            return self._anybody
        return Attribution(
            customer_id=found.customer_id, feature=self._default_feature, session_id=found.session_id, tags=found.tags
        )

    @property
    def reserved_ratio(self) -> float | None:
        """What was reserved in dollars over what it came to."""
        return self.estimator.learned.ratio

    # What a call asks for.

    def perform(self, effect: Effect) -> Any:
        """Do what the flow decided. Once the answer is paid for, our faults are counted, not raised."""
        if type(effect) is Reserve:
            return self._reserve(effect.reservation)
        try:
            if type(effect) is Keep:
                self.keep(effect.record)
            elif type(effect) is Settle:
                self._settle(effect)
            elif type(effect) is Release:
                self.store.release(effect.reservation, now=self.clock())
            elif type(effect) is Book:
                self._book(effect)
        except Exception as exc:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.counters.fault(type(effect).__name__.lower(), exc)
        return None

    def bookings(self, event: UsageEvent, attribution: Attribution, now: float) -> tuple[Claim, ...]:
        """What an event comes to on every budget it counts for."""
        came_to = self.estimator.came_to(event)
        return self.budgets.claims(
            attribution, event.provider, event.model, now, lambda budget: came_to.in_unit(budget) or 0
        )

    def estimate(self, request: CallRequest | None, attribution: Attribution, now: float) -> Estimate:
        """What a call, or a block without a request, could cost."""
        if request is None:
            return self.estimator.block(attribution)
        return self.estimator.request(request, attribution, strict=self._strict, now=now)

    def learn(
        self, provider: str | None, model: str | None, attribution: Attribution, claims: Sequence[Claim], came_to: Spend
    ) -> None:
        """Let estimates learn from how a call ended."""
        if not came_to.exact:
            return
        learned, nanos = self.estimator.learned, came_to.amounts.nanos or 0
        learned.observe(provider, model, attribution.feature, nanos, came_to.amounts.tokens)
        for claim in claims:
            if claim.budget.unit == "usd":
                learned.count(claim.amount, nanos)
                return

    def extend(self, reservation: Reservation) -> None:
        """Keep a hold alive for another lease."""
        try:
            self.store.extend(reservation, now=self.clock(), lease_seconds=self.lease_seconds)
        except Exception as exc:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.counters.fault("extend", exc)

    def _call(self, frame: Frame, request: CallRequest | None, estimate: Estimate | None = None) -> Call:
        block = None if frame.block is None else self._block(frame)
        return Call(self, self.attribution(frame), request, block=block, estimate=estimate)

    def _block(self, frame: Frame | None) -> Call | None:
        """The innermost open guarded block of this client and process; those of others hold other budgets."""
        while frame is not None and frame.block is not None:
            if frame.block.metering is self and not (frame.block.over or frame.block.is_inherited):
                return frame.block  # type: ignore[no-any-return]
            frame = frame.outer
        return None

    def _reserve(self, reservation: Reservation) -> Refusal | None:
        try:
            if self.unknown:
                self._refuse_unknown(reservation)
            refusal = self.store.reserve(reservation, now=self.clock(), lease_seconds=self.lease_seconds)
        except BudgetStoreError as exc:
            self.counters.fault("budget store", exc)
            raise
        except Exception as exc:
            self.counters.fault("budget store", exc)
            msg = "the budget store failed; see the attached cause"
            raise BudgetStoreError(msg) from exc
        if refusal is not None:
            self.counters.blocked += 1
        return refusal

    def _refuse_unknown(self, reservation: Reservation) -> None:
        """Refuse a call for a budget that must not guess: what it has spent could not be read from the ledger yet."""
        for claim in reservation.claims:
            if claim.budget.name in self.unknown:
                raise BudgetStoreError(
                    f"what budget {claim.budget.name!r} ({claim.scope}) has spent is not known: the ledger cannot be "
                    'read yet; with on_unavailable="open" calls go on meanwhile'
                )

    def _settle(self, effect: Settle) -> None:
        now = self.clock()
        self.store.settle(effect.reservation, effect.actuals, now=now)
        if self._warns:
            self._warn(effect.reservation.claims, now)

    def _book(self, effect: Book) -> None:
        now = self.clock()
        self.store.book(effect.reservation, now=now)
        if self._warns:
            self._warn(effect.reservation.claims, now)

    def _warn(self, claims: Sequence[Claim], now: float) -> None:
        """Count calls that went over a budget which only warns; say so once per window."""
        soft = [claim for claim in claims if claim.limit is None]
        for claim, state in zip(soft, self.store.state(soft, now=now), strict=True):
            budget = claim.budget
            if state.spent > budget.amount:
                spent, limit = budget.in_unit(state.spent), budget.in_unit(budget.amount)
                self.counters.warn(
                    budget.name, f"{claim.key}|{claim.window.id}",
                    f"budget {budget.name!r} ({claim.scope}) is exceeded: {spent:f} of {limit:f} {budget.unit}",
                )  # fmt: skip
