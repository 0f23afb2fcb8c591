"""Which tables answer a spend query: the coarsest sums that fit exactly, finer ones at the edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ai_cost_calc.ledgers._labels import DAY, HOUR, TIMES, fitting_grain
from ai_cost_calc.ledgers._records import LABELS
from ai_cost_calc.ports.ledgers import TAG, SpendQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One table or view of sums.

    Attributes:
        table: its name.
        grain: the column of time: `day` and `hour` count from 1970 in UTC, `at` is microseconds.
        size: microseconds of one unit of `grain`.
        labels: columns that tell its rows apart, in the order of its key.
        counts: where the finer counts of the same rows are, by name; `None` where there are none.
        event: the column that has the key of the event that a row is about.
    """

    table: str
    grain: str
    size: int
    labels: tuple[str, ...]
    counts: str | None
    event: str = "key"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that one source answers for, in units of its grain: `first <= grain < last`."""

    source: Source
    first: int
    last: int


def _rollup(table: str, grain: str, size: int, *labels: str) -> Source:
    return Source(table=table, grain=grain, size=size, labels=labels, counts=f"{table}_counts")


EVENTS: Final = Source(table="event_facts", grain="at", size=1, labels=LABELS, counts="event_counts")
ADJUSTMENTS: Final = Source(table="adjustment_facts", grain="at", size=1, labels=LABELS, counts=None, event="adjusted")
REVENUE: Final = Source(table="revenue_facts", grain="at", size=1, labels=LABELS, counts=None)

ROLLUPS: Final = (
    _rollup("rollup_day_feature_model", "day", DAY, "feature", "provider", "model"),
    _rollup("rollup_day_customer", "day", DAY, "customer"),
    _rollup("rollup_hour_feature_model", "hour", HOUR, "feature", "provider", "model"),
    _rollup("rollup_hour", "hour", HOUR, "customer", "feature", "provider", "model"),
)
"""Sums kept beside the events, those with the fewest rows first."""

_NOT_ON_REVENUE: Final = {"session", "provider", "model"}


def plan_spend(query: SpendQuery, since: int, until: int, rollups: Sequence[Source] = ROLLUPS) -> list[Span]:
    """Cut a span of time into what each source answers, so that together they count every record once.

    Args:
        query: its dimensions say which sources tell the groups apart.
        since: first microsecond.
        until: first microsecond that no longer counts.
        rollups: sums that may be used.
    """
    needed = {*query.by, *query.where}
    grain = _grain(needed, since, until, query.timezone)
    labels = needed - TIMES.keys()
    usable = [rollup for rollup in rollups if rollup.size <= grain and labels <= set(rollup.labels)]
    steps = [next((rollup for rollup in usable if rollup.size == size), None) for size in (DAY, HOUR)]
    facts = [EVENTS, ADJUSTMENTS] if _leaves_out_revenue(query.where) else [EVENTS, ADJUSTMENTS, REVENUE]
    return list(_cover(since, until, [*([step] for step in steps if step), facts]))


def _cover(since: int, until: int, steps: Sequence[Sequence[Source]]) -> Iterator[Span]:
    """Whole units of the coarsest step, and the finer steps before and after them."""
    if since >= until:
        return
    sources, *finer = steps
    size = sources[0].size
    first, last = -(-since // size), until // size
    if first >= last:
        yield from _cover(since, until, finer)
        return
    yield from _cover(since, first * size, finer)
    yield from (Span(source, first, last) for source in sources)
    yield from _cover(last * size, until, finer)


def _grain(needed: set[str], since: int, until: int, timezone: str) -> int:
    """The coarsest grain of UTC that tells the hours, days or months asked for apart."""
    if not needed & TIMES.keys():
        return DAY
    return min(fitting_grain(since, until, timezone), HOUR if "hour" in needed else DAY)


def _leaves_out_revenue(where: Mapping[str, str | None]) -> bool:
    return any(value and (name in _NOT_ON_REVENUE or name.startswith(TAG)) for name, value in where.items())
