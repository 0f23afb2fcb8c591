"""The ledger in one SQLite file, for a process or all processes of a host."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import msgspec

from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import Record, RevenueEvent, UsageEvent
from ai_cost_calc.errors import ConfigError, LedgerError
from ai_cost_calc.ledgers import _statements
from ai_cost_calc.ledgers._connections import Connections, ledger_errors
from ai_cost_calc.ledgers._labels import DAY
from ai_cost_calc.ledgers._migrations import APPLIED, CREATE_TABLE, load_migrations, pending
from ai_cost_calc.ledgers._queries import load_queries
from ai_cost_calc.ledgers._records import (
    ADJUSTMENT_COLUMNS,
    EVENT_COLUMNS,
    MEASURES,
    REVENUE_COLUMNS,
    adjustment_of,
    adjustment_row,
    event_of,
    event_row,
    revenue_row,
    standing_of,
)
from ai_cost_calc.ledgers._sources import ADJUSTMENTS, EVENTS, REVENUE, ROLLUPS, Source, Span, plan_spend
from ai_cost_calc.ledgers._totals import Totals
from ai_cost_calc.ports.ledgers import SpendQuery, SpendRow

_SCHEME: Final = "sqlite:"
_SYNCHRONOUS: Final = ("normal", "full")
_HINT: Final = "write sqlite:///spend.db for a file in the working folder, sqlite:////var/lib/spend.db for another"


class SqliteLedger:
    """Keeps records in one SQLite file. Threads share an instance, processes share the file.

    Args:
        location: a path, or a URL: `sqlite:///relative.db`, `sqlite:////absolute.db`. `?synchronous=full` waits for the
            disk at every append, so that a power cut loses nothing that was acknowledged; without it, a power cut may
            lose the last appends, a killed process none. Folders that are missing are made.
        busy_timeout_seconds: how long to wait for another process that writes.

    Raises:
        ConfigError: the URL names no file.
        LedgerError: the file is of a newer version of this package, or somebody else's.
        LedgerUnavailable: the file cannot be opened, is busy, damaged, or no database; the message says what to do.
    """

    def __init__(self, location: str | os.PathLike[str], *, busy_timeout_seconds: float = 2.0) -> None:
        self.path, synchronous = _place(os.fspath(location))
        self._connections = Connections(self.path, synchronous=synchronous, busy_timeout_seconds=busy_timeout_seconds)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        """Name the file."""
        return f"SqliteLedger({str(self.path)!r})"

    def append(self, records: Sequence[Record], /) -> int:
        """Keep these records, and add the new ones to the rollups in the same transaction."""
        events = [event_row(record) for record in records if isinstance(record, UsageEvent)]
        revenue = [revenue_row(record) for record in records if isinstance(record, RevenueEvent)]
        with self._writing() as connection:
            return _keep_events(connection, events) + _keep_revenue(connection, revenue)

    def spend(self, query: SpendQuery, /) -> list[SpendRow]:
        """Sum what the query selects, from rollups where they can answer exactly."""
        return self._spend(query, ROLLUPS)

    def events(self, query: SpendQuery, /, *, limit: int = 100, after: str | None = None) -> list[UsageEvent]:
        """The newest usage events, or those kept after another."""
        with self._reading() as connection:
            if after is None:
                statement = _statements.newest_events(query, limit)
            else:
                statement = _statements.later_events(query, limit, _key(connection, query.organization, after))
            return [event_of(row) for row in connection.execute(*statement)]

    def adjust(self, adjustments: Sequence[Adjustment], /) -> int:
        """Keep the adjustments that fit, and take them into the rollups in the same transaction."""
        rows = [adjustment_row(adjustment) for adjustment in adjustments]
        with self._connections.writing() as connection:
            return _keep(connection, "adjustments", _ADJUST, rows, then=_ROLL_UP_ADJUSTMENTS)

    def standings(
        self, query: SpendQuery, /, *, unpriced: bool = False, limit: int = 1_000, after: str = ""
    ) -> list[Standing]:
        """Events and what they cost now, in the order they were kept."""
        with self._connections.reading() as connection:
            place = _key(connection, query.organization, after)
            statement = _statements.standings(query, limit, place, unpriced=unpriced)
            return [standing_of(row) for row in connection.execute(*statement)]

    def adjustments(self, query: SpendQuery, /, *, limit: int = 100) -> list[Adjustment]:
        """The last adjustments, the newest first."""
        with self._connections.reading() as connection:
            rows = connection.execute(*_statements.adjustments(query, limit)).fetchall()
        return [adjustment_of(organization, event_id, values) for organization, event_id, *values in rows]

    def save_budget(self, budget_id: str, definition: Mapping[str, Any], /, *, organization: str = "default") -> None:
        """Keep a budget's definition, replacing an earlier one."""
        kept = msgspec.json.encode(dict(definition)).decode()
        with self._writing() as connection:
            connection.execute(
                _shared("save_budget"), {"organization": organization, "id": budget_id, "definition": kept}
            )

    def budgets(self, /, *, organization: str = "default") -> dict[str, dict[str, Any]]:
        """All definitions by id."""
        with self._reading() as connection:
            rows = connection.execute(_shared("budgets"), {"organization": organization}).fetchall()
        return {budget_id: msgspec.json.decode(kept) for budget_id, kept in rows}

    def remove_budget(self, budget_id: str, /, *, organization: str = "default") -> bool:
        """Forget a definition; False when there was none."""
        with self._writing() as connection:
            found = connection.execute(_shared("remove_budget"), {"organization": organization, "id": budget_id})
            return found.rowcount > 0

    def close(self) -> None:
        """Let go of the file."""
        self._connections.close()

    def _spend(self, query: SpendQuery, rollups: Sequence[Source]) -> list[SpendRow]:
        totals = Totals()
        with self._reading() as connection:
            since, until = _extent(connection, query)
            for span in plan_spend(query, since, until, rollups):
                _add(totals, connection, query, span)
        return totals.rows(query.by)

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        self._follow_the_path()
        return self._connections.writing()

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        self._follow_the_path()
        return self._connections.reading()

    def _follow_the_path(self) -> None:
        """Go on in the file that the path names, made anew if need be, when the open one was deleted or replaced."""
        if self._connections.lost_its_file:
            self._connections.let_go()
            self._migrate()

    def _migrate(self) -> None:
        """Bring the schema up to date; of several processes that try at once, one does it."""
        migrations = load_migrations("sqlite")
        with ledger_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connections.reading() as connection:
            if not pending(migrations, _applied(connection)):
                return
        for migration in migrations:
            with self._connections.writing() as connection:
                connection.execute(CREATE_TABLE)
                if migration in pending(migrations, _applied(connection)):
                    migration.apply(connection)


def _place(location: str) -> tuple[Path, str]:
    """The file and the `synchronous` setting that a path or URL names."""
    if not location.startswith(_SCHEME):
        return Path(location), "normal"
    path, _, options = location.removeprefix(_SCHEME).partition("?")
    name, _, synchronous = options.partition("=")
    if options and (name != "synchronous" or synchronous not in _SYNCHRONOUS):
        raise ConfigError(f"{location!r}: {options!r} is no option; the only one is synchronous=full or =normal")
    if not path.startswith("///") or path in ("///", "///:memory:"):
        raise ConfigError(f"{location!r} names no file; {_HINT}, memory: to keep nothing")
    return Path(path.removeprefix("///")).expanduser(), synchronous or "normal"


def _keep_events(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    then = [*_ROLL_UP_EVENTS]
    if any(row[_COUNTS] for row in rows):
        then += _ROLL_UP_COUNTS
    if any(row[_TAGS] for row in rows):
        then.append(_own("insert_tags"))
    return _keep(connection, "events", _INSERT_EVENT, rows, then=then)


def _keep_revenue(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    return _keep(connection, "revenue", _INSERT_REVENUE, rows, then=_ROLL_UP_REVENUE)


def _keep(connection: sqlite3.Connection, table: str, insert: str, rows: Sequence[Any], *, then: Iterable[str]) -> int:
    """Insert the rows that are new, and do what follows from those behind the last key; return how many there are."""
    if not rows:
        return 0
    last = _last_key(connection, table)
    new = connection.executemany(insert, rows).rowcount
    if new:
        for statement in then:
            connection.execute(statement, {"last": last})
    return new


def _last_key(connection: sqlite3.Connection, table: str) -> int:
    key: int = connection.execute(_own("last_key").format(table=table)).fetchone()[0]
    return key


def _key(connection: sqlite3.Connection, organization: str, event_id: str) -> int:
    """Where an event stands in the order in which events were kept; 0, before all of them, for `''`."""
    if not event_id:
        return 0
    found = connection.execute(_shared("key_of_event"), {"organization": organization, "id": event_id}).fetchone()
    if found is None:
        raise LedgerError(f"the ledger has no event with the id {event_id!r} to go on from")
    key: int = found[0]
    return key


def _extent(connection: sqlite3.Connection, query: SpendQuery) -> tuple[int, int]:
    """The span of a query; on a side where it leaves no record out, whole days, which the coarsest sums answer."""
    row = connection.execute(_shared("extent"), {"organization": query.organization}).fetchone()
    moments = [at for at in row if at is not None]
    if not moments:
        return 0, 0
    first, last = min(moments), max(moments)
    since = first // DAY * DAY if query.since is None or query.since <= first else query.since
    until = (last // DAY + 1) * DAY if query.until is None or query.until > last else query.until
    return since, until


def _add(totals: Totals, connection: sqlite3.Connection, query: SpendQuery, span: Span) -> None:
    """Count what one source says; without groups, SQL answers nulls when there was nothing to sum."""
    names = len(query.by)
    for row in connection.execute(*_statements.sums(query, span)):
        if row[-1] is not None:
            totals.add(_group(row[:names]), row[names:], {})
    if (counts := _statements.counts(query, span)) is not None:
        for *group, name, count in connection.execute(*counts):
            totals.add_count(_group(group), name, count)


def _group(values: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(value or None for value in values)


def _applied(connection: sqlite3.Connection) -> dict[int, str]:
    exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone()
    return dict(connection.execute(APPLIED).fetchall()) if exists else {}


def _shared(name: str) -> str:
    return load_queries("queries.sql")[name]


def _own(name: str) -> str:
    return load_queries("sqlite.sql")[name]


def _insert(table: str, columns: Sequence[str]) -> str:
    return _own("insert").format(table=table, columns=", ".join(columns), values=", ".join("?" * len(columns)))


def _roll_up(rollup: Source, facts: Source) -> str:
    return _own("roll_up").format(
        rollup=rollup.table,
        facts=facts.table,
        grain=rollup.grain,
        labels=", ".join(rollup.labels),
        measures=", ".join(MEASURES),
        sums=", ".join(f"sum({name})" for name in MEASURES),
        additions=", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES),
    )


def _roll_up_counts(rollup: Source) -> str:
    return _own("roll_up_counts").format(rollup=rollup.counts, grain=rollup.grain, labels=", ".join(rollup.labels))


_COUNTS: Final = EVENT_COLUMNS.index("counts")
_TAGS: Final = EVENT_COLUMNS.index("tags")
_INSERT_EVENT: Final = _insert("events", EVENT_COLUMNS)
_INSERT_REVENUE: Final = _insert("revenue", REVENUE_COLUMNS)
_ADJUST: Final = _own("adjust").format(
    columns=", ".join(ADJUSTMENT_COLUMNS), values=", ".join(f":{name}" for name in ADJUSTMENT_COLUMNS)
)
_ROLL_UP_EVENTS: Final = [_roll_up(rollup, EVENTS) for rollup in ROLLUPS]
_ROLL_UP_COUNTS: Final = [_roll_up_counts(rollup) for rollup in ROLLUPS]
_ROLL_UP_REVENUE: Final = [_roll_up(rollup, REVENUE) for rollup in ROLLUPS]
_ROLL_UP_ADJUSTMENTS: Final = [_roll_up(rollup, ADJUSTMENTS) for rollup in ROLLUPS]
