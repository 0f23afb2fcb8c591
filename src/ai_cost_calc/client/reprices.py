"""`calc.reprice` and `calc.adjustments`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ai_cost_calc.errors import LedgerError

if TYPE_CHECKING:
    from ai_cost_calc.client.budgets import Budgets
    from ai_cost_calc.client.metering import Metering
    from ai_cost_calc.client.reports import Since
    from ai_cost_calc.client.repricing import Repriced
    from ai_cost_calc.client.resources import Books, Prices
    from ai_cost_calc.config import Config
    from ai_cost_calc.core.adjustment import Adjustment
    from ai_cost_calc.ports.ledgers import AdjustmentBook


class Reprices:
    """`reprice` and `adjustments`."""

    config: Config
    budgets: Budgets
    _books: Books
    _metering: Metering
    _prices: Prices
    _clock: Callable[[], float]
    flush: Callable[..., int]

    def reprice(
        self, *, since: Since = None, until: Since = None, where: Mapping[str, str | None] | None = None,
        everything: bool = False, reason: str = "reprice", dry_run: bool = False, timezone: str = "UTC",
    ) -> Repriced:  # fmt: skip
        """Price recorded calls that have no price, with the prices in force now; each at the time it was made.

        Adjustments are kept beside what was recorded, with old and new cost, both price versions, time, reason and the
        name of this run. Running it again changes nothing more; a run that was interrupted can be run again.

        Args:
            since: as in `report`; likewise `until`, `where` and `timezone`.
            everything: also calls that have a price already. A cost that the provider stated stays.
            reason: is kept with each adjustment.
            dry_run: only say what it would come to.

        Raises:
            ConfigError: a name or time is not understood.
            LedgerError: the ledger cannot be read or written, or keeps no adjustments.
        """
        from ai_cost_calc.client.reports import read_query  # noqa: PLC0415 - keeps `import ai_cost_calc` quick
        from ai_cost_calc.client.repricing import Run  # noqa: PLC0415 - likewise

        self.flush()
        ledger = self._adjustment_book()
        now = self._clock()
        query = read_query(
            (), since=since, until=until, where=where, timezone=timezone, organization=self.config.organization, now=now
        )
        version = self._prices.book().version
        run = Run(ledger, self._metering.biller.price, version, now=now, reason=reason, dry_run=dry_run)
        run.over(query, everything=everything)
        if not dry_run:
            self.budgets.refresh()
        return run.result()

    def adjustments(
        self, *, since: Since = None, until: Since = None, where: Mapping[str, str | None] | None = None,
        limit: int = 100, timezone: str = "UTC",
    ) -> list[Adjustment]:  # fmt: skip
        """The last adjustments of the calls that are asked for, the newest first.

        Args:
            since: when the calls were made, as in `report`; likewise `until`, `where` and `timezone`.
            limit: how many at most.

        Raises:
            ConfigError: a name or time is not understood.
            LedgerError: the ledger cannot be read, or keeps no adjustments.
        """
        from ai_cost_calc.client.reports import read_query  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        query = read_query(
            (), since=since, until=until, where=where, timezone=timezone, organization=self.config.organization,
            now=self._clock(),
        )  # fmt: skip
        return self._adjustment_book().adjustments(query, limit=limit)

    def _adjustment_book(self) -> AdjustmentBook:
        ledger: Any = self._books.current()
        if not hasattr(ledger, "adjust"):
            msg = f"{type(ledger).__name__} keeps no adjustments; it would have to be an AdjustmentBook as well"
            raise LedgerError(msg)
        book: AdjustmentBook = ledger
        return book
