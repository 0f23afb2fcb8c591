"""Reports: rows of cost, revenue and margin, and the time spans people ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ai_cost_calc.core.event import MICROS
from ai_cost_calc.core.money import usd
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.core.windows import window_at, zone
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.ports.ledgers import DIMENSIONS, Ledger, SpendQuery, SpendRow, is_dimension

Since = str | datetime | date | timedelta | None
_SPAN: Final = re.compile(r"(\d+)\s*(m|h|d|w)", re.IGNORECASE)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NAMED: Final = {"today": "day", "week": "week", "month": "month", "year": "year"}
_WHOLE_HOURS: Final = ("days", "weeks")
_HOUR: Final = 3_600 * MICROS
_FAR: Final = 10**18
"""Thirty thousand years, in microseconds: beyond, ledgers and datetimes cannot count."""
_CENT: Final = Decimal("0.01")


class ReportRow:
    """One row of a report: an attribute per name in `by` (`row.customer`, …), and the figures in US dollars.

    Attributes:
        group: the values of `by`, by name; `None` where calls had none.
        cost: known cost. Calls without a price are not in it: see `unpriced_calls`.
        revenue: revenue in dollars.
        margin: revenue less cost.
        margin_percent: margin in percent of revenue; `None` where there is no revenue.
        calls: provider calls.
        unpriced_calls: calls whose cost is unknown, in whole or in part.
        unconverted_revenue: records of revenue in other currencies, which are not in `revenue`.
        estimated_cost: the part of the cost that rests on estimated usage.
        adjusted_cost: the part of the cost that adjustments made: cost now less cost as it was recorded.
        usage: counts added up.
    """

    __slots__ = (
        "adjusted_cost", "calls", "cost", "estimated_cost", "group", "margin", "margin_percent", "revenue",
        "unconverted_revenue", "unpriced_calls", "usage",
    )  # fmt: skip

    def __init__(self, by: Sequence[str], row: SpendRow) -> None:
        self.group: dict[str, str | None] = dict(zip(by, row.group, strict=True))
        self.cost = usd(row.cost_nanos)
        self.revenue = usd(row.revenue_nanos)
        self.margin = usd(row.revenue_nanos - row.cost_nanos)
        self.margin_percent = margin_percent(row.revenue_nanos, row.cost_nanos)
        self.calls = row.calls
        self.unpriced_calls = row.unpriced_calls
        self.unconverted_revenue = row.unconverted_revenue
        self.estimated_cost = usd(row.estimated_nanos)
        self.adjusted_cost = usd(row.adjusted_nanos)
        self.usage: Usage = row.usage

    def __getattr__(self, name: str) -> str | None:
        """The value of a dimension in `by`."""
        group: dict[str, str | None] = object.__getattribute__(self, "group")
        if name in group:
            return group[name]
        msg = f"this report has no {name!r}; it was grouped by {', '.join(group) or 'nothing'}"
        raise AttributeError(msg)

    def __repr__(self) -> str:
        """Show the group and the figures."""
        unpriced = f", unpriced_calls={self.unpriced_calls}" if self.unpriced_calls else ""
        return f"ReportRow({self.group}, cost={self.cost}, revenue={self.revenue}, calls={self.calls}{unpriced})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: money as decimal strings, so that nothing is rounded on the way."""
        return {
            **self.group,
            "cost": f"{self.cost:f}",
            "revenue": f"{self.revenue:f}",
            "margin": f"{self.margin:f}",
            "margin_percent": None if self.margin_percent is None else f"{self.margin_percent:f}",
            "calls": self.calls,
            "unpriced_calls": self.unpriced_calls,
            "unconverted_revenue": self.unconverted_revenue,
            "estimated_cost": f"{self.estimated_cost:f}",
            "adjusted_cost": f"{self.adjusted_cost:f}",
            "usage": self.usage.counts(),
        }


class Report(Sequence[ReportRow]):
    """The rows of a report, and their `total`."""

    def __init__(self, by: Sequence[str], rows: Iterable[SpendRow], total: SpendRow) -> None:
        self.by = tuple(by)
        self.rows = [ReportRow(self.by, row) for row in rows]
        self.total = ReportRow((), total)

    def __getitem__(self, index: Any) -> Any:
        """The row at an index, or rows of a slice."""
        return self.rows[index]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def __iter__(self) -> Iterator[ReportRow]:
        """Rows, highest cost first."""
        return iter(self.rows)

    def __repr__(self) -> str:
        """Show what it is grouped by, how many rows it has and the total."""
        return f"Report(by={self.by}, rows={len(self.rows)}, total={self.total})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"by": list(self.by), "rows": [row.as_dict() for row in self.rows], "total": self.total.as_dict()}


def margin_percent(revenue_nanos: int, cost_nanos: int) -> Decimal | None:
    """Margin in percent of revenue, to two places; `None` where there is no revenue to divide by."""
    if revenue_nanos <= 0:
        return None
    return (Decimal(revenue_nanos - cost_nanos) * 100 / Decimal(revenue_nanos)).quantize(_CENT)


def read_report(
    ledger: Ledger, *, by: str | Iterable[str], since: Since, until: Since, where: Mapping[str, str | None] | None,
    timezone: str, organization: str, now: float,
) -> Report:  # fmt: skip
    """Ask a ledger for a report.

    Raises:
        ConfigError: a name or a time is not understood.
    """
    names = _names(by)
    query = read_query(
        names, since=since, until=until, where=where, timezone=timezone, organization=organization, now=now
    )
    rows = ledger.spend(query)
    if not names:
        total = rows[0] if rows else SpendRow()
        return Report(names, rows or [total], total)
    totals = ledger.spend(SpendQuery(**{**_fields(query), "by": ()}))
    return Report(names, rows, totals[0] if totals else SpendRow())


def read_query(
    names: tuple[str, ...], *, since: Since, until: Since, where: Mapping[str, str | None] | None, timezone: str,
    organization: str, now: float,
) -> SpendQuery:  # fmt: skip
    """What people ask for, as a ledger understands it.

    Raises:
        ConfigError: a name or a time is not understood.
    """
    for name in (*names, *_conditions(where)):
        _check_dimension(name)
    _check_timezone(timezone)
    return SpendQuery(
        by=names, since=instant(since, now, timezone), until=instant(until, now, timezone), where=dict(where or {}),
        timezone=timezone, organization=organization,
    )  # fmt: skip


def _names(by: Any) -> tuple[str, ...]:
    """What to group by, each name once."""
    if not isinstance(by, Iterable):
        raise ConfigError(f"reports are grouped by a name such as 'customer', or by several, not by {by!r}")
    return (by,) if isinstance(by, str) else tuple(dict.fromkeys(by))


def _fields(query: SpendQuery) -> dict[str, Any]:
    return {name: getattr(query, name) for name in query.__struct_fields__}


def _conditions(where: Any) -> Mapping[str, str | None]:
    """Which records count, by dimension."""
    if where is None:
        return {}
    if not isinstance(where, Mapping) or not all(isinstance(value, str | None) for value in where.values()):
        msg = f'where must say dimensions and their values, such as {{"customer": "acme"}}, not {where!r}'
        raise ConfigError(msg)
    return where


def _check_dimension(name: object) -> None:
    if not is_dimension(name):
        msg = f"reports cannot be grouped by {name!r}; choose among {', '.join(DIMENSIONS)} or tag:<name>"
        raise ConfigError(msg)


def _check_timezone(name: str) -> None:
    try:
        zone(str(name))
    except ValueError as exc:
        raise ConfigError(str(exc)) from exc


def instant(value: Since, now: float, timezone: str = "UTC") -> int | None:
    """A point in time in unix microseconds, as people say it.

    Args:
        value: `30d`, `24h`, `90m`, `2w` ago (days and weeks begin with a whole hour); `today`, `week`, `month` or
            `year`, its beginning in the timezone; an ISO date or time; a `datetime`, `date` or `timedelta`; `None` for
            no bound.
        now: unix seconds.
        timezone: what dates and times without an offset are in.

    Raises:
        ConfigError: the value is none of these, or further away than any record can be.
    """
    if value is None:
        return None
    try:
        found = _instant(value, now, timezone)
    except OverflowError:
        found = _FAR
    if not -_FAR < found < _FAR:
        msg = f"time {value!r} is further away than any record; leave it out for no bound"
        raise ConfigError(msg)
    return found


def _instant(value: str | datetime | date | timedelta, now: float, timezone: str) -> int:
    if isinstance(value, timedelta):
        return int(now * MICROS) - value // timedelta(microseconds=1)
    if isinstance(value, str):
        return _said(value.strip(), now, timezone)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=zone(timezone))
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=zone(timezone))
    else:
        raise _not_understood(value)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _said(text: str, now: float, timezone: str) -> int:
    if match := _SPAN.fullmatch(text):
        unit = _UNITS[match[2].lower()]
        begin = int(now * MICROS) - timedelta(**{unit: int(match[1])}) // timedelta(microseconds=1)
        return begin - begin % _HOUR if unit in _WHOLE_HOURS else begin
    if text.lower() in _NAMED:
        return int(window_at(now, _NAMED[text.lower()], timezone).start * MICROS)  # type: ignore[arg-type]
    try:
        return _instant(datetime.fromisoformat(text), now, timezone)
    except ValueError as exc:
        raise _not_understood(text) from exc


def _not_understood(value: object) -> ConfigError:
    return ConfigError(
        f"time {value!r} is not understood; write 30d, 24h, today, month, or an ISO date such as 2026-11-01"
    )
