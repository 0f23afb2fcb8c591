"""Numbered migrations: which there are, which a database still needs, and how one is applied."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

from ai_cost_calc.errors import LedgerError
from ai_cost_calc.ledgers._queries import SQL_FOLDER

_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")

CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)
"""
APPLIED: Final = "SELECT number, checksum FROM schema_migrations"


class Connection(Protocol):
    """What a migration needs of a database connection; it stands inside a transaction."""

    def execute(self, sql: str, /) -> Any:
        """Run one statement."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step from a schema to the next."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What tells this text from another under the same number."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]

    def apply(self, connection: Connection) -> None:
        """Take this step, and record that it was taken."""
        for statement in _statements(self.sql):
            connection.execute(statement)
        values = f"{self.number}, '{self.name}', '{self.checksum}'"
        connection.execute(f"INSERT INTO schema_migrations (number, name, checksum) VALUES ({values})")  # noqa: S608 - our own file names


@cache
def load_migrations(engine: str) -> tuple[Migration, ...]:
    """The migrations of one engine, numbered from 1 without a gap."""
    files = sorted((SQL_FOLDER / "migrations" / engine).glob("*.sql"))
    numbers = {int(match[1]): file for file in files if (match := _FILE.fullmatch(file.name))}
    return tuple(
        Migration(number=number, name=numbers[number].stem, sql=numbers[number].read_text(encoding="utf-8"))
        for number in range(1, len(files) + 1)
    )


def pending(migrations: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """The migrations that a database still needs.

    Args:
        migrations: those this version of the package knows.
        applied: checksums by number, as the database records them.

    Raises:
        LedgerError: the database is newer than the package, or was made by other migrations than these.
    """
    if max(applied, default=0) > len(migrations):
        raise LedgerError(
            f"the database has schema {max(applied)}, this version of ai-cost-calc knows up to {len(migrations)}; "
            "upgrade the package: pip install --upgrade ai-cost-calc"
        )
    for migration in migrations:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise LedgerError(
                f"the database was made by another version of migration {migration.name}; "
                "open it with the release of ai-cost-calc that made it, export, and import into a new database"
            )
    return [migration for migration in migrations if migration.number not in applied]


def _statements(sql: str) -> Iterator[str]:
    """Each statement of a script: they end in a semicolon at the end of a line."""
    return (statement for part in re.split(r";\s*\n", sql) if (statement := part.strip()))
