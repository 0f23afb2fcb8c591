"""Where records are kept and summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import Record, UsageEvent
from ai_cost_calc.core.money import usd
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.core.windows import zone

Dimension = Literal["customer", "feature", "provider", "model", "session", "hour", "day", "month"] | str
"""What spend can be grouped and filtered by; `tag:plan` is the value of the tag `plan`."""

DIMENSIONS: Final = ("customer", "feature", "provider", "model", "session", "hour", "day", "month")
TAG: Final = "tag:"


def is_dimension(name: object) -> bool:
    """Whether spend can be grouped and filtered by this."""
    return name in DIMENSIONS or (isinstance(name, str) and name.startswith(TAG) and name != TAG)


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to sum, and how to group them.

    Attributes:
        by: dimensions of the rows, in order; empty for one row with everything.
        since: first microsecond that counts (unix), or `None` for the beginning.
        until: first microsecond that no longer counts, or `None` for no end.
        where: dimension to value; `None` as a value means records without one.
        timezone: IANA name that `hour`, `day` and `month` are cut by: `2026-11-23T14`, `2026-11-23`, `2026-11`. An hour
            that daylight saving repeats is one group.
        organization: whose records.

    Raises:
        ValueError: a dimension or the timezone is unknown; the message says what there is.
    """

    by: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    where: Mapping[str, str | None] = msgspec.field(default_factory=dict)
    timezone: str = "UTC"
    organization: str = "default"

    def __post_init__(self) -> None:
        """Refuse what no ledger could answer."""
        for name in (*self.by, *self.where):
            if not is_dimension(name):
                raise ValueError(f"dimension {name!r} is unknown; choose among {', '.join(DIMENSIONS)} or tag:<name>")
        zone(self.timezone)


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """One group of a spend query.

    Attributes:
        group: the value of each dimension in `by`; `None` where records have none.
        cost_nanos: known cost; calls without a price are not in it but in `unpriced_calls`.
        revenue_nanos: revenue in US dollars, as nano-dollars.
        estimated_nanos: the part of the cost that rests on estimated usage.
        adjusted_nanos: the part of the cost that adjustments made: cost now less cost as it was recorded.
        calls: usage events.
        unpriced_calls: calls whose cost is unknown, in whole or in part.
        unconverted_revenue: records of revenue in other currencies than US dollars; not in `revenue_nanos`.
        usage: counts added up; seconds of audio to the microsecond.
    """

    group: tuple[str | None, ...] = ()
    cost_nanos: int = 0
    revenue_nanos: int = 0
    estimated_nanos: int = 0
    adjusted_nanos: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    unconverted_revenue: int = 0
    usage: Usage = msgspec.field(default_factory=Usage)

    @property
    def margin_nanos(self) -> int:
        """Revenue less known cost."""
        return self.revenue_nanos - self.cost_nanos

    def __str__(self) -> str:
        """Show the group and its cost."""
        return f"{'/'.join(map(str, self.group)) or 'total'}: ${usd(self.cost_nanos)}"


class Ledger(Protocol):
    """Where records are kept and summed. Every ledger promises:

    - Idempotent: in one organization, appending a usage event or revenue whose id is already kept changes nothing; nor
      does a usage event whose `token`, or revenue whose source and external id, are already kept.
    - All or nothing: an `append` that raises has kept none of its records.
    - Read your writes: once `append` returns, `spend` counts those records.
    - Exact: sums are whole numbers, never floats; a record without a price adds nothing to the cost and one to
      `unpriced_calls`. A record whose numbers cannot be kept exactly is refused.
    - Whole: records without a customer, feature, … are a group of their own, `None`; an empty label is the same as
      none. Revenue has no provider, model, session or tags.
    - Apart: a query sees only its own organization.
    - Thread-safe: threads may share one instance, also across a fork.
    - Errors: faults arrive as `LedgerError` with the cause attached, `LedgerUnavailable` where a retry may help. A
      closed ledger refuses with `LedgerError`.
    """

    def append(self, records: Sequence[Record], /) -> int:
        """Keep these records; return how many were new."""
        ...

    def spend(self, query: SpendQuery, /) -> list[SpendRow]:
        """Sum what the query selects; rows are ordered by cost, highest first, then by group, `None` first.

        With an empty `by` there is always exactly one row.
        """
        ...

    def events(self, query: SpendQuery, /, *, limit: int = 100, after: str | None = None) -> list[UsageEvent]:
        """The newest usage events that the query selects (`by` is ignored), newest first, by time and then by id.

        With `after`, the id of an event, those that were kept later than it, in the order they were kept: to follow a
        ledger live, or to read all of it page by page. An empty `after` starts with the first event ever kept.

        Raises:
            LedgerError: the organization has no event with the id `after`.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections. Closing twice is fine."""
        ...


class BudgetBook(Protocol):
    """Where budget definitions set at run time are kept. A ledger may implement this as well.

    Definitions are plain mappings of `Budget` arguments that JSON can hold, so that a ledger need not know more than
    they do.
    """

    def save_budget(self, budget_id: str, definition: Mapping[str, Any], /, *, organization: str = "default") -> None:
        """Keep this definition under its id, replacing an earlier one."""
        ...

    def budgets(self, /, *, organization: str = "default") -> dict[str, dict[str, Any]]:
        """All definitions by id."""
        ...

    def remove_budget(self, budget_id: str, /, *, organization: str = "default") -> bool:
        """Forget a definition; False when there was none."""
        ...


class AdjustmentBook(Protocol):
    """Where adjustments of costs are kept. A ledger may implement this as well, and then promises:

    - Nothing is edited: `events` go on showing what was recorded; adjustments are kept beside it, all of them.
    - Counted: once `adjust` returns, `spend` shows each event's cost, and whether it is priced, as adjusted last, in
      every group and span that the event is in. `calls` and `usage` do not change.
    - Compared: an adjustment is kept only if the event stands at its `old_` values at that instant, and its `new_` ones
      differ. So the same adjustment twice counts once, and of two that start from the same one counts. One for an
      event that the organization does not have is not kept either.
    - All or nothing: an `adjust` that raises has kept none of its adjustments.
    - Apart: an organization sees and adjusts only its own events.
    - Exact, thread-safe, and with the errors of `Ledger`.
    """

    def adjust(self, adjustments: Sequence[Adjustment], /) -> int:
        """Keep those adjustments that fit, in this order; return how many there were."""
        ...

    def standings(
        self, query: SpendQuery, /, *, unpriced: bool = False, limit: int = 1_000, after: str = ""
    ) -> list[Standing]:
        """Events that the query selects (`by` is ignored) and what they cost now, in the order they were kept.

        Args:
            unpriced: only those whose cost is unknown now, in whole or in part.
            limit: how many at most.
            after: the id of an event; only what was kept later. Empty for the beginning.

        Raises:
            LedgerError: the organization has no event with the id `after`.
        """
        ...

    def adjustments(self, query: SpendQuery, /, *, limit: int = 100) -> list[Adjustment]:
        """The last adjustments of the events that the query selects (`by` is ignored), the newest first."""
        ...
