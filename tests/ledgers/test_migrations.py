"""Schemas change by numbered files: from every released schema, once, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from ai_cost_calc.core.event import UsageEvent
from ai_cost_calc.errors import LedgerError
from ai_cost_calc.ledgers import sqlite as sqlite_ledger
from ai_cost_calc.ledgers._migrations import CREATE_TABLE, Migration, load_migrations, pending
from ai_cost_calc.ledgers._queries import SQL_FOLDER
from ai_cost_calc.ledgers._records import ADJUSTMENT_COLUMNS, EVENT_COLUMNS, MEASURES, REVENUE_COLUMNS, event_row
from ai_cost_calc.ledgers._sources import EVENTS, ROLLUPS
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import SpendQuery
from ai_cost_calc.testing.adjustments import make_adjustment
from ai_cost_calc.testing.records import make_event, make_revenue, total

MIGRATIONS = load_migrations("sqlite")
SECOND = Migration(
    number=len(MIGRATIONS) + 1,
    name="notes",
    sql="CREATE TABLE notes (text TEXT);\nINSERT INTO notes VALUES ('; not the end');\n",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's ledger is."""
    return tmp_path / "spend.db"


def know(patch: pytest.MonkeyPatch, migrations: Sequence[Migration]) -> None:
    """Let the package have these migrations."""
    patch.setattr("ai_cost_calc.ledgers.sqlite.load_migrations", lambda _: tuple(migrations))


def database(path: Path, migrations: Sequence[Migration]) -> None:
    """Make a file with the schema that these migrations lead to, as a release with them would have."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(CREATE_TABLE)
    for migration in migrations:
        migration.apply(connection)
    connection.close()


def applied(path: Path) -> list[tuple[int, str]]:
    """The migrations that a file records."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT number, name FROM schema_migrations ORDER BY number").fetchall()
    connection.close()
    return rows


def test_files_are_numbered_without_a_gap() -> None:
    """Every `.sql` file of an engine is a migration, in order."""
    for folder in (SQL_FOLDER / "migrations").iterdir():
        files = sorted(file.stem for file in folder.glob("*.sql"))
        assert [migration.name for migration in load_migrations(folder.name)] == files
        assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))


@pytest.mark.parametrize("released", range(len(MIGRATIONS) + 1))
def test_every_schema_is_upgraded(path: Path, released: int) -> None:
    """A file that any earlier version of the package made is brought up to date when it is opened."""
    database(path, MIGRATIONS[:released])
    ledger = SqliteLedger(path)
    assert ledger.append([make_event(cost="0.25", tags={"plan": "pro"}), make_revenue()]) == 2
    assert total(ledger, where={"tag:plan": "pro"}).cost_nanos == 250_000_000
    ledger.close()
    assert applied(path) == [(migration.number, migration.name) for migration in MIGRATIONS]


def as_first_version(path: Path, events: Sequence[UsageEvent]) -> None:
    """Make a file of the first schema, and keep events in it with their sums, as that version did."""
    database(path, MIGRATIONS[:1])
    connection = sqlite3.connect(path)
    columns = [name for name in EVENT_COLUMNS if name not in {"context", "calls"}]
    rows = [dict(zip(EVENT_COLUMNS, event_row(event), strict=True)) for event in events]
    connection.executemany(sqlite_ledger._insert("events", columns), [[row[name] for name in columns] for row in rows])
    for rollup in ROLLUPS:
        connection.execute(sqlite_ledger._roll_up(rollup, EVENTS), {"last": 0})
    connection.commit()
    connection.close()


def test_what_an_older_version_recorded_can_be_adjusted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file from before there were adjustments is upgraded with its sums, and its events can be adjusted."""
    event = make_event(cost=None, customer_id="acme")
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_ledger, "MEASURES", [name for name in MEASURES if name != "adjusted_nanos"])
        as_first_version(path, [event, make_event(cost="0.25")])
    assert applied(path) == [(1, "0001_ledger")]
    upgraded = SqliteLedger(path)
    before = total(upgraded)
    assert (before.cost_nanos, before.unpriced_calls, before.adjusted_nanos) == (250_000_000, 1, 0)
    assert upgraded.adjust([make_adjustment(event, "0.50")]) == 1
    after = total(upgraded)
    assert (after.cost_nanos, after.unpriced_calls, after.adjusted_nanos) == (750_000_000, 0, 500_000_000)
    assert total(upgraded, where={"customer": "acme"}).cost_nanos == 500_000_000
    assert upgraded.events(SpendQuery(where={"customer": "acme"})) == [event]
    upgraded.close()
    assert applied(path) == [(migration.number, migration.name) for migration in MIGRATIONS]


def test_an_upgrade_keeps_what_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the missing migration is applied, and once."""
    first = SqliteLedger(path)
    first.append([make_event(cost="0.25")])
    first.close()
    know(monkeypatch, [*MIGRATIONS, SECOND])
    for _ in range(2):
        again = SqliteLedger(path)
        assert total(again).cost_nanos == 250_000_000
        again.close()
    assert applied(path)[-1] == (SECOND.number, "notes")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT text FROM notes").fetchall() == [("; not the end",)]
    connection.close()


def test_a_failed_migration_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails halfway is undone whole, and the file stays usable by the version that made it."""
    SqliteLedger(path).close()
    broken = Migration(number=SECOND.number, name="broken", sql="CREATE TABLE notes (text TEXT);\nNONSENSE;\n")
    with monkeypatch.context() as patch:
        know(patch, [*MIGRATIONS, broken])
        with pytest.raises(LedgerError, match="NONSENSE"):
            SqliteLedger(path)
    ledger = SqliteLedger(path)
    assert ledger.append([make_event()]) == 1
    ledger.close()
    assert applied(path) == [(migration.number, migration.name) for migration in MIGRATIONS]


def test_a_newer_schema_asks_for_a_newer_package(path: Path) -> None:
    """An older version leaves a newer file alone and says what to do."""
    database(path, [*MIGRATIONS, SECOND])
    asked = rf"schema {SECOND.number}, .* up to {len(MIGRATIONS)}; upgrade the package: pip install"
    with pytest.raises(LedgerError, match=asked):
        SqliteLedger(path)


def test_another_text_under_the_same_number_is_refused(path: Path) -> None:
    """A file that was made by an edited migration has a schema nobody knows."""
    other = Migration(number=1, name="0001_other", sql="CREATE TABLE other (x);\n")
    database(path, [other])
    with pytest.raises(LedgerError, match="0001_ledger"):
        SqliteLedger(path)


def test_what_is_pending_follows_the_numbers() -> None:
    """Nothing for a file that is up to date, everything for an empty one."""
    checksums = {migration.number: migration.checksum for migration in MIGRATIONS}
    assert pending(MIGRATIONS, checksums) == []
    assert pending([*MIGRATIONS, SECOND], checksums) == [SECOND]
    assert pending(MIGRATIONS, {}) == list(MIGRATIONS)


def test_tables_have_the_columns_that_are_written(path: Path) -> None:
    """A field that is added to a record needs a migration; a count of a usage does not, unless it is to be a column."""
    ledger = SqliteLedger(path)
    ledger.spend(SpendQuery())
    ledger.close()
    connection = sqlite3.connect(path)

    def columns(table: str) -> set[str]:
        return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}

    assert columns("events") == {"key", *EVENT_COLUMNS}
    assert columns("revenue") == {"key", *REVENUE_COLUMNS}
    for rollup in ROLLUPS:
        key = {"organization", rollup.grain, *rollup.labels}
        assert columns(rollup.table) == {*key, *MEASURES}
        assert columns(str(rollup.counts)) == {*key, "name", "count"}
    assert columns("adjustments") >= {"organization", "event", "number", *ADJUSTMENT_COLUMNS}
    for view in ("event_facts", "adjustment_facts", "revenue_facts"):
        assert columns(view) >= {"at", "tags", "session", *MEASURES}
    connection.close()
