"""Prices what was unpriced, and what was priced otherwise, by adjustments; what was recorded is never edited."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from ai_cost_calc.client.billing import NO_USAGE, STATED
from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.core.money import usd
from ai_cost_calc.core.pricing import Cost
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.ledgers import AdjustmentBook, SpendQuery

PAGE: Final = 1_000
"""How many events are looked at, and adjusted in one transaction, at a time."""


class RepricedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What adjustments of one model's calls come to.

    Attributes:
        calls: how many were adjusted.
        newly_priced: how many of them had no price, in whole or in part, and have one now.
        before: known cost of these calls before, in US dollars.
        after: known cost of these calls now.
    """

    provider: str | None
    model: str | None
    calls: int
    newly_priced: int
    before: Decimal
    after: Decimal


class Repriced(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    Attributes:
        run: its name, which each of its adjustments carries.
        price_version: the price book that was used.
        dry_run: whether nothing was kept.
        looked_at: calls that were looked at.
        adjusted: calls that were adjusted.
        newly_priced: of these, how many had no price, in whole or in part, and have one now.
        still_unpriced: calls that were looked at and still have no price, in whole or in part.
        difference: what known cost rose by, in US dollars.
        models: the adjustments by model, the largest difference first.
    """

    run: str
    price_version: str
    dry_run: bool
    looked_at: int
    adjusted: int
    newly_priced: int
    still_unpriced: int
    difference: Decimal
    models: tuple[RepricedModel, ...]


class Run:
    """One run: looks at events page by page, and adjusts each page in one transaction."""

    def __init__(
        self, book: AdjustmentBook, price: Callable[[Reading, float], Cost], version: str, *, now: float, reason: str,
        dry_run: bool,
    ) -> None:  # fmt: skip
        self.name = f"reprice-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{os.urandom(4).hex()}"
        self._book = book
        self._price = price
        self._version = version
        self._at = int(now * MICROS)
        self._reason = reason
        self._dry_run = dry_run
        self._looked_at = 0
        self._still_unpriced = 0
        self._models: dict[tuple[str | None, str | None], list[Adjustment]] = {}

    def over(self, query: SpendQuery, *, everything: bool) -> None:
        """Look at everything that a query selects."""
        after = ""
        while page := self._book.standings(query, unpriced=not everything, limit=PAGE, after=after):
            for now, made in zip(page, self._adjusted(page), strict=True):
                if made is not None:
                    self._models.setdefault((now.event.provider, now.event.model), []).append(made)
                self._still_unpriced += not (now.priced if made is None else _is_priced(made))
            self._looked_at += len(page)
            after = page[-1].event.id

    def result(self) -> Repriced:
        """What it all came to."""
        models = sorted(_models(self._models), key=lambda model: abs(model.after - model.before), reverse=True)
        return Repriced(
            run=self.name,
            price_version=self._version,
            dry_run=self._dry_run,
            looked_at=self._looked_at,
            adjusted=sum(model.calls for model in models),
            newly_priced=sum(model.newly_priced for model in models),
            still_unpriced=self._still_unpriced,
            difference=sum((model.after - model.before for model in models), Decimal(0)),
            models=tuple(models),
        )

    def _adjusted(self, page: Sequence[Standing]) -> list[Adjustment | None]:
        """Adjust a page; for each event the adjustment that was kept, if any."""
        wanted = [self._adjustment(now) for now in page]
        given = [one for one in wanted if one is not None]
        if not given or self._dry_run or self._book.adjust(given) == len(given):
            return wanted
        return [
            one if one and self._is_kept(one, now.event.at) else None for one, now in zip(wanted, page, strict=True)
        ]

    def _is_kept(self, wanted: Adjustment, at: int) -> bool:
        """Whether this adjustment of an event of that time was kept; another run may have come first."""
        query = SpendQuery(since=at, until=at + 1, organization=wanted.organization)
        return wanted in self._book.adjustments(query, limit=sys.maxsize)

    def _adjustment(self, now: Standing) -> Adjustment | None:
        """How an event's cost changes with the prices in force; known cost never becomes unknown."""
        event = now.event
        if event.computed_nanos is not None or event.price_version == STATED:
            return None  # what the provider stated is true
        if event.usage == NO_USAGE or now.price_version == self._version:
            return None  # what was never read has no price; what these prices gave they would give again
        reading = Reading(
            usage=event.usage, provider=event.provider, model=event.model, service_tier=event.service_tier,
            speed=event.speed, region=event.region, context=event.context, calls=event.calls,
        )  # fmt: skip
        cost = self._price(reading, event.at / MICROS)
        same = (cost.nanos, cost.unpriced) == (now.cost_nanos, now.unpriced)
        if cost.nanos is None or same or (now.priced and cost.unpriced):
            return None
        return Adjustment(
            event_id=event.id, organization=event.organization, at=self._at, run=self.name, reason=self._reason,
            old_nanos=now.cost_nanos, old_unpriced=now.unpriced, old_price_version=now.price_version,
            new_nanos=cost.nanos, new_unpriced=cost.unpriced, new_price_version=cost.price_version,
        )  # fmt: skip


def _is_priced(made: Adjustment) -> bool:
    return made.new_nanos is not None and not made.new_unpriced


def _models(made: Mapping[tuple[str | None, str | None], Sequence[Adjustment]]) -> Iterator[RepricedModel]:
    for (provider, model), adjustments in made.items():
        was_priced = [one.old_nanos is not None and not one.old_unpriced for one in adjustments]
        yield RepricedModel(
            provider=provider,
            model=model,
            calls=len(adjustments),
            newly_priced=sum(_is_priced(one) and not was for one, was in zip(adjustments, was_priced, strict=True)),
            before=usd(sum(one.old_nanos or 0 for one in adjustments)),
            after=usd(sum(one.new_nanos or 0 for one in adjustments)),
        )
