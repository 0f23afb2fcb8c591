"""Adjustments of what a call cost. The call itself stays as it was recorded."""

from __future__ import annotations

import msgspec

from ai_cost_calc.core.event import UsageEvent


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """One adjustment of the cost of one usage event.

    Attributes:
        event_id: the event.
        at: when the adjustment was made, unix microseconds.
        run: what made it; all adjustments of one run have the same.
        reason: why, in the words of whoever asked for it.
        old_nanos: what the event cost until now, `None` when that was unknown; likewise what begins with `old_`.
        new_nanos: what it costs from now on; likewise what begins with `new_`.
    """

    event_id: str
    at: int
    run: str
    reason: str
    old_nanos: int | None
    new_nanos: int | None
    old_unpriced: tuple[str, ...] = ()
    new_unpriced: tuple[str, ...] = ()
    old_price_version: str = ""
    new_price_version: str = ""
    organization: str = "default"


class Standing(msgspec.Struct, frozen=True):
    """A usage event as it was recorded, and the last adjustment of it, if any."""

    event: UsageEvent
    last: Adjustment | None = None

    @property
    def cost_nanos(self) -> int | None:
        """What the event costs now, `None` when that is unknown."""
        return self.event.cost_nanos if self.last is None else self.last.new_nanos

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Names of counts that have no price now."""
        return self.event.unpriced if self.last is None else self.last.new_unpriced

    @property
    def price_version(self) -> str:
        """The price book of the cost as it is now."""
        return self.event.price_version if self.last is None else self.last.new_price_version

    @property
    def priced(self) -> bool:
        """Whether all of it has a price now."""
        return self.cost_nanos is not None and not self.unpriced

    def accepts(self, adjustment: Adjustment) -> bool:
        """Whether an adjustment starts from what the event costs now, and changes it."""
        now = (self.cost_nanos, self.unpriced, self.price_version)
        old = (adjustment.old_nanos, adjustment.old_unpriced, adjustment.old_price_version)
        new = (adjustment.new_nanos, adjustment.new_unpriced, adjustment.new_price_version)
        return old == now != new
