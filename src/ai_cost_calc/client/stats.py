"""Counters of what went right and wrong, so that nothing is lost silently."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import msgspec

_REMEMBERED_WINDOWS = 10_000

logger = logging.getLogger("ai_cost_calc")


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What `AiCostCalc.stats()` shows.

    Attributes:
        delivered: records that the ledger has.
        duplicates: records that the ledger already had.
        waiting: records written but not yet in the ledger.
        quarantined: records the ledger refused for good, set aside with the reason.
        dropped: records lost, by reason; anything here is money not on the books.
        faults: faults of this library that were kept from the application, by place.
        holds: calls that hold part of a budget at this moment.
        blocked: calls that a budget refused.
        warned: calls that went over a budget that only warns, by budget.
        unpriced: calls whose cost is unknown, in whole or in part, by model.
        stated: where providers stated the cost, what that came to beyond our own figures, in US dollars by provider.
        reserved_ratio: what was reserved over what it came to; healthy between 0.8 and 1.2. `None` before any.
        price_version: the price book in use; `None` before the first use.
    """

    delivered: int = 0
    duplicates: int = 0
    waiting: int = 0
    quarantined: int = 0
    dropped: dict[str, int] = msgspec.field(default_factory=dict)
    faults: dict[str, int] = msgspec.field(default_factory=dict)
    holds: int = 0
    blocked: int = 0
    warned: dict[str, int] = msgspec.field(default_factory=dict)
    unpriced: dict[str, int] = msgspec.field(default_factory=dict)
    stated: dict[str, Decimal] = msgspec.field(default_factory=dict)
    reserved_ratio: float | None = None
    price_version: str | None = None


class Counters:
    """The counters of one client. Threads add to them without a lock: the counts are for people, not for money."""

    def __init__(self, report: Callable[[str, BaseException | None], None] | None = None) -> None:
        self.faults: Counter[str] = Counter()
        self.warned: Counter[str] = Counter()
        self.unpriced: Counter[str] = Counter()
        self.stated: Counter[str] = Counter()
        self.blocked = 0
        self._said: dict[str, None] = {}
        self._report = report

    def fault(self, where: str, error: BaseException) -> None:
        """Count and log a fault of ours; it never reaches the application's call."""
        self.faults[where] += 1
        log = logger.exception if self.faults[where] == 1 else logger.debug
        log("fault in %s: %s", where, type(error).__name__, exc_info=_without_values(error))
        self.tell(f"internal fault in {where}: {type(error).__name__}", error)

    def mistake(self, where: str, error: BaseException, instead: str) -> None:
        """Count and log what the application got wrong, and say what was done instead."""
        self.faults[where] += 1
        message = f"{where}: {error}; {instead}"
        logger.warning("%s", message)
        self.tell(message, error)

    def warn(self, budget_id: str, window: str, message: str) -> None:
        """Count a call that went over a budget which only warns; log it the first time in a window."""
        self.warned[budget_id] += 1
        if window not in self._said:
            self._said[window] = None
            if len(self._said) > _REMEMBERED_WINDOWS:
                self._said.pop(next(iter(self._said)), None)
            logger.warning("%s", message)

    def tell(self, message: str, error: BaseException | None = None) -> None:
        """Call the user's `on_error`; what that raises is counted and stops here."""
        if self._report is None:
            return
        try:
            self._report(message, error)
        except Exception:  # noqa: BLE001 - the user's callback must not break the user's call
            self.faults["on_error"] += 1


def _without_values(error: BaseException) -> BaseException | None:
    """Tracebacks show code, never values; the message of an exception may quote content, so only its type is logged."""
    return type(error)("details withheld").with_traceback(error.__traceback__) if type(error) in _PLAIN else None


_PLAIN = (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError)
