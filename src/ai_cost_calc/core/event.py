"""The immutable facts that are kept: one provider call, one amount of revenue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from ai_cost_calc.core.usage import Usage

Status = Literal["ok", "aborted", "error"]

MICROS: int = 1_000_000
LAST_AT: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * MICROS
"""No record is as late as this; a time beyond is in another unit."""


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="usage", tag_field="type"):
    """One provider call. Recording the same `id` twice counts once.

    Attributes:
        id: unique and time-ordered.
        at: when the call was made, unix microseconds.
        cost_nanos: the cost in nano-dollars, `None` when the price is unknown.
        price_version: the price book it was priced with.
        unpriced: names of counts that had no price.
        complete: False when the usage is a lower bound.
        estimated: True when part of the usage was estimated by us.
        status: `ok`; `aborted`, the caller left a stream early; `error`, the call failed after it was billed.
        context: what else its price depends on (see `Reading.context`).
        calls: how many requests the usage is the sum of (see `Reading.calls`).
        computed_nanos: our own figure where the provider stated the cost (which is then `cost_nanos`).
        anomaly: why reported counts had to be corrected.
        token: the caller's own idempotency key, unique within an organization.
    """

    id: str
    at: int
    organization: str = "default"
    customer_id: str | None = None
    feature: str | None = None
    session_id: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    provider: str | None = None
    model: str | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    cost_nanos: int | None = None
    price_version: str = ""
    unpriced: tuple[str, ...] = ()
    complete: bool = True
    estimated: bool = False
    status: Status = "ok"
    latency_ms: int | None = None
    response_id: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    region: str | None = None
    context: dict[str, str] = msgspec.field(default_factory=dict)
    calls: int = 1
    computed_nanos: int | None = None
    anomaly: str | None = None
    token: str | None = None

    @property
    def priced(self) -> bool:
        """Whether the cost is known."""
        return self.cost_nanos is not None


class RevenueEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="revenue", tag_field="type"):
    """What a customer paid for something. Recording the same `id`, or source and `external_id`, twice counts once.

    Attributes:
        id: unique and time-ordered.
        at: when it was earned, unix microseconds.
        amount_nanos: billionths of one unit of `currency` (nano-dollars for USD).
        source: where the figure comes from: `event`, `stripe`, `csv`, `api`.
        external_id: the source's own id, unique per organization and source.
        period_start: first microsecond of the service period it is for, where it has one; likewise `period_end`.
    """

    id: str
    at: int
    amount_nanos: int
    organization: str = "default"
    customer_id: str | None = None
    feature: str | None = None
    currency: str = "USD"
    source: str = "event"
    external_id: str | None = None
    period_start: int | None = None
    period_end: int | None = None


Record = UsageEvent | RevenueEvent
"""What a journal holds and a ledger keeps."""


def event_id(millis: int, node: str, sequence: int) -> str:
    """A time-ordered id: 48 bits of unix milliseconds, the process's random node, a counter of the process."""
    return f"{millis:012x}{node}{sequence:08x}"
