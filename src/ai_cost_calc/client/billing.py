"""Turns what was read from responses into events, and into the true amount for each budget that was asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ai_cost_calc.client.stats import Counters
from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Claim
from ai_cost_calc.core.estimate import Amounts
from ai_cost_calc.core.event import MICROS, Status, UsageEvent, event_id
from ai_cost_calc.core.money import NANOS_PER_USD
from ai_cost_calc.core.pricing import Cost
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.forks import renew_in_child

if TYPE_CHECKING:
    from ai_cost_calc.core.price_book import PriceBook

NO_USAGE = Usage()
Read = tuple[Reading, str | None]
"""A reading and its idempotency key."""
STATED: Final = "stated-by-provider"
"""The price version of a cost that the provider states, where no price of ours is known."""


class EventIds:
    """Unique, time-ordered ids: the millisecond, a random node per process, a counter."""

    def __init__(self) -> None:
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Take a name that no other process has."""
        self._node = os.urandom(5).hex()
        self._next = count().__next__

    def name(self) -> str:
        """A unique name for a reservation."""
        return f"{self._node}{self._next():x}"

    def __call__(self, now: float) -> str:
        """The next id for something that happens at `now` (unix seconds)."""
        return event_id(int(now * 1000), self._node, self._next())


class Biller:
    """Prices readings and makes events of them."""

    def __init__(self, *, book: Callable[[], PriceBook], ids: EventIds, counters: Counters, organization: str) -> None:
        from ai_cost_calc.prices.context import price_context  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        self._book = book
        self._context_of = price_context
        self._ids = ids
        self._counters = counters
        self.organization = organization

    def known_as(self, provider: str | None, model: str | None) -> str | None:
        """The price book's name for a model, which budgets are matched and calls are kept by; its own when unknown."""
        found = self._book().find(provider, model)
        return model if found is None else found.id

    def price(self, reading: Reading, at: float) -> Cost:
        """What a reading costs, with everything that was billed on top of it."""
        (_, cost), *others = self._costs(reading, at)
        return cost.plus(tuple(other for _, other in others)) if others else cost

    def _costs(self, reading: Reading, at: float, asked_for: str | None = None) -> list[tuple[Reading, Cost]]:
        """What a reading and each thing billed on top of it cost.

        A cost that the provider states wins over ours, which is kept beside it. It is the cost of the whole response:
        what was billed on top is in it already.
        """
        cost = self._price(reading, at)
        if cost.model is None and asked_for is not None:
            cost = self._price(msgspec.structs.replace(reading, model=asked_for), at)
        costs = [(reading, cost)]
        if reading.also:
            costs += [(part, self._price(part, at)) for part in reading.also]
        stated = reading.provider_cost_usd
        if stated is None or reading.usage is None:
            return costs
        whole = round(stated * NANOS_PER_USD)
        return [(part, _as_stated(cost, 0 if index else whole)) for index, (part, cost) in enumerate(costs)]

    def _price(self, reading: Reading, at: float) -> Cost:
        """What one reading costs alone, by our own figures."""
        book = self._book()
        cost = book.price(
            NO_USAGE if reading.usage is None else reading.usage, provider=reading.provider, model=reading.model, at=at,
            context=self._context_of(reading), calls=reading.calls,
        )  # fmt: skip
        if reading.usage is None:
            return Cost(nanos=None, price_version=cost.price_version, reason="the response carries no usage")
        return cost

    def events(
        self, readings: Sequence[Read], attribution: Attribution, *, at: float, status: Status = "ok",
        latency_ms: int | None = None, asked_for: str | None = None,
    ) -> list[UsageEvent]:  # fmt: skip
        """One event for each reading and for each thing billed on top of it.

        Args:
            asked_for: the requested model, whose price stands in where the one that answered has none.
        """
        events = []
        for reading, token in readings:
            for index, (part, cost) in enumerate(self._costs(reading, at, asked_for)):
                own = f"{token}/{index}" if token and index else token
                events.append(self._event(part, cost, attribution, at, status=status, latency_ms=latency_ms, token=own))
        return events

    def _event(
        self, reading: Reading, cost: Cost, attribution: Attribution, at: float, *, status: Status,
        latency_ms: int | None, token: str | None,
    ) -> UsageEvent:  # fmt: skip
        if cost.nanos is None or cost.unpriced:
            self._counters.unpriced["/".join(name for name in (reading.provider, reading.model) if name)] += 1
        if cost.nanos is not None and cost.computed_nanos is not None:
            self._counters.stated[reading.provider or ""] += cost.nanos - cost.computed_nanos
        event = UsageEvent(
            id=self._ids(at),
            at=int(at * MICROS),
            organization=self.organization,
            customer_id=attribution.customer_id,
            feature=attribution.feature,
            session_id=attribution.session_id,
            tags=attribution.tags,
            provider=reading.provider or cost.provider,
            model=cost.model or reading.model,
            usage=NO_USAGE if reading.usage is None else reading.usage,
            cost_nanos=cost.nanos,
            price_version=cost.price_version,
            latency_ms=latency_ms,
            response_id=reading.response_id,
            service_tier=reading.service_tier,
        )
        rarer = (
            reading.complete, reading.estimated, reading.speed, reading.region, reading.context, reading.calls,
            reading.anomaly, cost.unpriced, cost.computed_nanos, status, token,
        )  # fmt: skip
        return event if rarer == _USUAL else msgspec.structs.replace(event, **dict(zip(_RARER, rarer, strict=True)))


_RARER: Final = (
    "complete", "estimated", "speed", "region", "context", "calls",
    "anomaly", "unpriced", "computed_nanos", "status", "token",
)  # fmt: skip
"""What few events say. It is set apart because CPython calls with more than 15 names take four times as long."""
_USUAL: Final[tuple[Any, ...]] = (True, False, None, None, {}, 1, None, (), None, "ok", None)


def _as_stated(cost: Cost, nanos: int) -> Cost:
    version = STATED if cost.nanos is None else cost.price_version
    return msgspec.structs.replace(
        cost, nanos=nanos, computed_nanos=cost.nanos, price_version=version, unpriced=(), reason=None
    )


class Spend(msgspec.Struct, frozen=True):
    """What events come to together; `exact` is False when the cost of one of them is unknown."""

    amounts: Amounts
    exact: bool

    def actuals(self, claims: Sequence[Claim]) -> list[int]:
        """The true amount for each claim; where money is unknown, what was held stands in for it."""
        return [self._actual(claim) for claim in claims]

    def _actual(self, claim: Claim) -> int:
        known = self.amounts.in_unit(claim.budget) or 0
        return known if self.exact or claim.budget.unit != "usd" else max(known, claim.amount)


def spend(events: Sequence[UsageEvent]) -> Spend:
    """Add events up."""
    nanos = tokens = 0
    exact = True
    for event in events:
        usage = event.usage
        tokens += usage.input_tokens + usage.output_tokens
        if event.cost_nanos is None:
            exact = False
        else:
            nanos += event.cost_nanos
    return Spend(Amounts(nanos, tokens, len(events)), exact)
