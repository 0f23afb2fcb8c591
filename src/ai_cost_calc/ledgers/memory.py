"""The ledger in this process's memory: the plainest way to keep every promise, and gone with the process."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import Record, RevenueEvent, UsageEvent
from ai_cost_calc.errors import ConfigError, LedgerError
from ai_cost_calc.ledgers._labels import TIMES, time_label
from ai_cost_calc.ledgers._records import adjustment_row, event_of, event_row, measures_of, revenue_row
from ai_cost_calc.ledgers._totals import Totals
from ai_cost_calc.ports.ledgers import TAG, SpendQuery, SpendRow

_Key = tuple[str, ...]


class MemoryLedger:
    """Keeps records in lists. Every query looks at all of them.

    Args:
        url: `memory:`, as ledgers are named elsewhere.
    """

    def __init__(self, url: str = "memory:") -> None:
        if url not in ("memory:", "memory://"):
            raise ConfigError(f"ledger URL {url!r} is not possible: a ledger in memory has no name; write memory:")
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._events: dict[_Key, UsageEvent] = {}
        self._adjustments: list[Adjustment] = []
        self._last: dict[_Key, Adjustment] = {}
        self._keys: set[_Key] = set()
        self._budgets: dict[tuple[str, str], bytes] = {}
        self._closed = False
        _open.add(self)

    def append(self, records: Sequence[Record], /) -> int:
        """Keep the records that are new."""
        checked = [_checked(record) for record in records]
        with self._lock:
            self._refuse_if_closed()
            return sum(self._keep(record) for record in checked)

    def spend(self, query: SpendQuery, /) -> list[SpendRow]:
        """Sum what the query selects, record by record."""
        totals = Totals()
        records, last = self._snapshot()
        for record in records:
            if _matches(record, query):
                group = tuple(_value(record, name, query.timezone) for name in query.by)
                totals.add(group, *measures_of(record, last.get(_key(record))))
        return totals.rows(query.by)

    def events(self, query: SpendQuery, /, *, limit: int = 100, after: str | None = None) -> list[UsageEvent]:
        """The newest usage events, or those kept after another."""
        kept = [record for record in self._snapshot()[0] if isinstance(record, UsageEvent)]
        if after is None:
            kept.sort(key=lambda event: (event.at, event.id), reverse=True)
        elif after:
            kept = kept[_place(kept, query.organization, after) + 1 :]
        return list(islice((event for event in kept if _matches(event, query)), max(limit, 0)))

    def adjust(self, adjustments: Sequence[Adjustment], /) -> int:
        """Keep the adjustments that fit."""
        for adjustment in adjustments:
            adjustment_row(adjustment)  # raises for what could not be kept exactly
        with self._lock:
            self._refuse_if_closed()
            return sum(self._adjust(adjustment) for adjustment in adjustments)

    def standings(
        self, query: SpendQuery, /, *, unpriced: bool = False, limit: int = 1_000, after: str = ""
    ) -> list[Standing]:
        """Events and what they cost now, in the order they were kept."""
        kept = self.events(query, limit=sys.maxsize, after=after)
        with self._lock:
            found = [Standing(event, self._last.get(_key(event))) for event in kept]
        return list(islice((one for one in found if not (unpriced and one.priced)), max(limit, 0)))

    def adjustments(self, query: SpendQuery, /, *, limit: int = 100) -> list[Adjustment]:
        """The last adjustments, the newest first."""
        with self._lock:
            self._refuse_if_closed()
            found = [
                (one, self._events["usage", one.organization, one.event_id]) for one in reversed(self._adjustments)
            ]
        return list(islice((one for one, event in found if _matches(event, query)), max(limit, 0)))

    def save_budget(self, budget_id: str, definition: Mapping[str, Any], /, *, organization: str = "default") -> None:
        """Keep a budget's definition, replacing an earlier one."""
        kept = msgspec.json.encode(dict(definition))
        with self._lock:
            self._refuse_if_closed()
            self._budgets[organization, budget_id] = kept

    def budgets(self, /, *, organization: str = "default") -> dict[str, dict[str, Any]]:
        """All definitions by id."""
        with self._lock:
            self._refuse_if_closed()
            kept = sorted(self._budgets.items())
        return {budget_id: msgspec.json.decode(text) for (owner, budget_id), text in kept if owner == organization}

    def remove_budget(self, budget_id: str, /, *, organization: str = "default") -> bool:
        """Forget a definition; False when there was none."""
        with self._lock:
            self._refuse_if_closed()
            return self._budgets.pop((organization, budget_id), None) is not None

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def restart(self) -> None:
        """Go on in a forked child, with a lock that no thread of the parent holds."""
        self._lock = threading.Lock()

    def _keep(self, record: Record) -> bool:
        keys = set(_keys(record))
        if keys & self._keys:
            return False
        self._keys |= keys
        self._records.append(record)
        if isinstance(record, UsageEvent):
            self._events[_key(record)] = record
        return True

    def _adjust(self, adjustment: Adjustment) -> bool:
        key = ("usage", adjustment.organization, adjustment.event_id)
        event = self._events.get(key)
        if event is None or not Standing(event, self._last.get(key)).accepts(adjustment):
            return False
        self._adjustments.append(adjustment)
        self._last[key] = adjustment
        return True

    def _snapshot(self) -> tuple[list[Record], dict[_Key, Adjustment]]:
        """All records, and the last adjustment of each event that was adjusted."""
        with self._lock:
            self._refuse_if_closed()
            return self._records.copy(), self._last.copy()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LedgerError("the ledger in memory is closed")


def _checked(record: Record) -> Record:
    """The record as any ledger would give it back; raises for what could not be kept exactly."""
    if isinstance(record, UsageEvent):
        return event_of(event_row(record))
    revenue_row(record)
    return record


def _key(record: Record) -> _Key:
    """What adjustments find an event by."""
    return ("usage" if isinstance(record, UsageEvent) else "revenue"), record.organization, record.id


def _keys(record: Record) -> Iterator[_Key]:
    """What no second record of the organization may share."""
    kind = "usage" if isinstance(record, UsageEvent) else "revenue"
    yield kind, record.organization, "id", record.id
    if isinstance(record, UsageEvent) and record.token:
        yield kind, record.organization, "token", record.token
    if isinstance(record, RevenueEvent) and record.external_id:
        yield kind, record.organization, "external id", record.source, record.external_id


def _matches(record: Record, query: SpendQuery) -> bool:
    return (
        record.organization == query.organization
        and (query.since is None or record.at >= query.since)
        and (query.until is None or record.at < query.until)
        and all(_value(record, name, query.timezone) == (value or None) for name, value in query.where.items())
    )


def _value(record: Record, name: str, timezone: str) -> str | None:
    """The value of a dimension; revenue has no provider, model, session or tags."""
    if name in TIMES:
        return time_label(name, record.at, timezone)
    if name == "customer":
        return record.customer_id or None
    if name == "feature":
        return record.feature or None
    if not isinstance(record, UsageEvent):
        return None
    if name.startswith(TAG):
        return record.tags.get(name.removeprefix(TAG))
    return {"session": record.session_id, "provider": record.provider, "model": record.model}[name]


def _place(events: Sequence[UsageEvent], organization: str, event_id: str) -> int:
    for place, event in enumerate(events):
        if (event.organization, event.id) == (organization, event_id):
            return place
    raise LedgerError(f"the ledger has no event with the id {event_id!r} to go on from")


def _after_fork_in_child() -> None:
    for ledger in list(_open):
        ledger.restart()


_open: weakref.WeakSet[MemoryLedger] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
