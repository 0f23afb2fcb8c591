"""SQL of the queries that depend on what is asked: text from fixed sets, users' values as parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ai_cost_calc.ledgers._labels import TIMES
from ai_cost_calc.ledgers._queries import load_queries
from ai_cost_calc.ledgers._records import ADJUSTMENT_COLUMNS, EVENT_COLUMNS, MEASURES
from ai_cost_calc.ledgers._sources import ADJUSTMENTS, EVENTS, Source, Span
from ai_cost_calc.ports.ledgers import TAG, SpendQuery

_QUERIES: Final = load_queries("queries.sql") | load_queries("sqlite.sql")
_END: Final = 2**62
_EVENT_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_ADJUSTMENT_COLUMNS: Final = ", ".join(f"last_{name}" for name in ADJUSTMENT_COLUMNS)
_UNPRICED_NOW: Final = "AND (now_nanos IS NULL OR now_unpriced IS NOT NULL)"
_MEASURES: Final = [f"sum({name})" for name in MEASURES]


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    parameters: Mapping[str, Any]


def sums(query: SpendQuery, span: Span) -> Statement:
    """Sum one source: rows of the groups of `by`, then `MEASURES`; without groups one row, of nulls for no records."""
    return _sums(query, span, span.source.table, [], _MEASURES)


def counts(query: SpendQuery, span: Span) -> Statement | None:
    """Sum the finer counts of one source: rows of the groups of `by`, the count's name, and the sum."""
    table = span.source.counts
    return None if table is None else _sums(query, span, table, ["name"], ["sum(count)"])


def newest_events(query: SpendQuery, limit: int) -> Statement:
    """The newest events that a query selects."""
    return _events("newest_events", query, {"limit": max(limit, 0)})


def later_events(query: SpendQuery, limit: int, after: int) -> Statement:
    """The events that a query selects and that were kept after the one with the key `after`."""
    return _events("later_events", query, {"limit": max(limit, 0), "after": after})


def standings(query: SpendQuery, limit: int, after: int, *, unpriced: bool) -> Statement:
    """The events that a query selects, with their last adjustment, kept after the one with the key `after`."""
    parameters: dict[str, Any] = {"limit": max(limit, 0), "after": after}
    return _events("standings", query, parameters, extra=_UNPRICED_NOW if unpriced else "")


def adjustments(query: SpendQuery, limit: int) -> Statement:
    """The newest adjustments of events that a query selects."""
    return _events("newest_adjustments", query, {"limit": max(limit, 0)}, source=ADJUSTMENTS)


def _sums(query: SpendQuery, span: Span, table: str, names: Sequence[str], columns: Sequence[str]) -> Statement:
    source = span.source
    parameters = {"first": span.first, "last": span.last, **_parameters(query)}
    groups = [*(_expression(name, source, parameters) for name in query.by), *names]
    sql = _QUERIES["sums_step_by_step" if _reads_steps(query, source) else "sums"].format(
        columns=", ".join([*groups, *columns]),
        tagged=_tagged(query, parameters),
        source=table,
        grain=source.grain,
        conditions=_conditions(query, source, parameters),
        grouping=f"GROUP BY {', '.join(str(place + 1) for place in range(len(groups)))}" if groups else "",
    )
    return Statement(sql, parameters)


def _events(
    name: str, query: SpendQuery, parameters: dict[str, Any], *, source: Source = EVENTS, extra: str = ""
) -> Statement:
    parameters |= {"first": query.since or 0, "last": _END if query.until is None else query.until}
    parameters |= _parameters(query)
    sql = _QUERIES[name].format(
        columns=_EVENT_COLUMNS,
        adjusted=_ADJUSTMENT_COLUMNS,
        tagged=_tagged(query, parameters),
        conditions=_conditions(query, source, parameters),
        extra=extra,
    )
    return Statement(sql, parameters)


def _parameters(query: SpendQuery) -> dict[str, Any]:
    return {"organization": query.organization, "timezone": query.timezone}


def _reads_steps(query: SpendQuery, source: Source) -> bool:
    """Whether the column behind the time in a rollup's key is known."""
    return source.size > 1 and source.labels[0] in query.where


def _tagged(query: SpendQuery, parameters: dict[str, Any]) -> str:
    """What to join events with, so that those with the tag asked for are found by its index."""
    name = _wanted_tag(query)
    if name is None:
        return ""
    tag, value = _add(parameters, name.removeprefix(TAG)), _add(parameters, query.where[name])
    return _QUERIES["tagged"].format(name=tag, value=value)


def _conditions(query: SpendQuery, source: Source, parameters: dict[str, Any]) -> str:
    tag = _wanted_tag(query)
    conditions = ["organization = :organization"] + ([f"{source.event} = event"] if tag else [])
    for name, value in query.where.items():
        if name != tag:
            expression = _expression(name, source, parameters)
            conditions.append(f"{expression} = {_add(parameters, value or '')}")
    if query.where.get("session"):
        conditions.append("session <> ''")  # what the index leaves out, said for the planner to know
    return " AND ".join(conditions)


def _wanted_tag(query: SpendQuery) -> str | None:
    return next((name for name, value in query.where.items() if value and name.startswith(TAG)), None)


def _expression(name: str, source: Source, parameters: dict[str, Any]) -> str:
    """The value of a dimension in a row of a source; `''` for none."""
    if name in TIMES:
        at = source.grain if source.size == 1 else f"{source.grain} * {source.size}"
        return f"time_label('{name}', {at}, :timezone)"
    if name.startswith(TAG):
        return _QUERIES["tag_value"].format(name=_add(parameters, name.removeprefix(TAG)))
    return name


def _add(parameters: dict[str, Any], value: str | None) -> str:
    """Add a value of the user's; return what stands for it in SQL."""
    name = f"p{len(parameters)}"
    parameters[name] = value
    return f":{name}"
