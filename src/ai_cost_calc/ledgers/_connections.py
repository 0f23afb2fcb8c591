"""Connections to one SQLite file: one to write, a few to read, none carried across a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from ai_cost_calc.errors import LedgerError, LedgerUnavailable
from ai_cost_calc.ledgers._labels import time_label

T = TypeVar("T")

READERS: Final = 4
ATTEMPTS: Final = 2
"""How often more a busy database is tried, each time waiting as long as the busy timeout."""
FORK_PATIENCE_SECONDS: Final = 5.0
"""How long a fork waits for running statements, so that no open connection is carried into the child."""

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PASSING: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}
_LOCKED_OUT: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_inherited: list[sqlite3.Connection] = []


@contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """Turn what sqlite3 and the file system raise into the errors of a ledger."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _translated(exc, path) from exc
    except OSError as exc:
        raise LedgerUnavailable(f"the ledger {path} cannot be reached: {exc}") from exc
    except (OverflowError, UnicodeEncodeError) as exc:
        raise LedgerError(f"a record cannot be kept: {exc}") from exc


def _translated(error: sqlite3.Error, path: Path) -> LedgerError:
    code = _code(error)
    if code in _DAMAGED:  # no fault of the records, which wait until the file is whole again
        return LedgerUnavailable(
            f"the ledger {path} is damaged, or no SQLite database ({error}); stop the programs that use it, "
            "restore a backup or move the file away (a new one will be made), and start them again"
        )
    if code in _LOCKED_OUT:
        return LedgerUnavailable(
            f"the ledger {path} cannot be opened or written to ({error}); check that it is a file, that its folder is "
            "there, and that this user may write to both"
        )
    if code in _PASSING:
        return LedgerUnavailable(f"the ledger {path} cannot be used at the moment: {error}")
    return LedgerError(f"the ledger {path} refused: {error}")


def _code(error: BaseException) -> int:
    """The primary result code; the upper bits only say more about it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: BaseException) -> bool:
    return _code(error) in _BUSY


def _persistently(action: Callable[[], T]) -> T:
    """Do something that a busy database may refuse at once, or after the busy timeout."""
    try:
        return action()
    except sqlite3.Error as exc:
        if not _is_busy(exc):
            raise
    import tenacity  # noqa: PLC0415 - takes longer to import than all else here, and is seldom needed

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_busy),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random(0, 0.1),
        reraise=True,
    )
    return retrying(action)


class _Lane:
    """One connection, opened when first used, and the lock that whoever uses it holds."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self.lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        """The open connection."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Close it; it opens again when used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def restart(self) -> None:
        """Start over in a forked child. What is still open belongs to the parent, and closing it here could harm it."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection = None
        self.lock = threading.Lock()


class Connections:
    """The connections of one ledger. Threads may share them.

    Args:
        path: the database file.
        synchronous: `NORMAL` or `FULL`.
        busy_timeout_seconds: how long a statement waits for another process.
    """

    def __init__(self, path: Path, *, synchronous: str, busy_timeout_seconds: float) -> None:
        self._path = path
        self._synchronous = synchronous
        self._busy_timeout_seconds = busy_timeout_seconds
        self._closed = False
        self._file: tuple[int, int] | None = None
        self._writer = _Lane(self._connect)
        self._readers = [_Lane(self._connect) for _ in range(READERS)]
        _open.add(self)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other can change the database beside; it is kept when the block ends well."""
        with ledger_errors(self._path), self._writer.lock:
            connection = _persistently(self._begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of the database that does not change while the block runs."""
        with ledger_errors(self._path), self._free_reader() as lane:
            connection = self._opened(lane)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @property
    def lost_its_file(self) -> bool:
        """Whether the path names another file than the open one, or none: what is written there is gone with it."""
        return self._file is not None and _identity(self._path) != self._file

    def close(self) -> None:
        """Close every connection once nobody uses it."""
        self._closed = True
        _open.discard(self)
        self.let_go()

    def let_go(self) -> None:
        """Close every connection once nobody uses it; the next use opens the file that the path names then.

        SQLite leaves the files beside it alone when the open one is not that file any more (`databaseIsUnmoved`).
        """
        with ledger_errors(self._path):
            for lane in self._lanes:
                with lane.lock:
                    lane.close()

    def before_fork(self, deadline: float) -> list[_Lane]:
        """Wait for running statements and close what is open: SQLite forbids to carry connections into a child.

        Returns:
            The lanes that are closed and held, to be let go after the fork.
        """
        held = [lane for lane in self._lanes if lane.lock.acquire(timeout=max(deadline - time.monotonic(), 0))]
        for lane in held:
            with suppress(sqlite3.Error):
                lane.close()
        return held

    def restart(self) -> None:
        """Start over in a forked child, with locks that nobody holds."""
        for lane in self._lanes:
            lane.restart()

    @property
    def _lanes(self) -> list[_Lane]:
        return [self._writer, *self._readers]

    @contextmanager
    def _free_reader(self) -> Iterator[_Lane]:
        """A reader that nobody uses, or the one to wait for."""
        lane = next((lane for lane in self._readers if lane.lock.acquire(blocking=False)), None)
        if lane is None:
            lane = self._readers[threading.get_ident() % READERS]
            lane.lock.acquire()
        try:
            yield lane
        finally:
            lane.lock.release()

    def _begin(self) -> sqlite3.Connection:
        connection = self._opened(self._writer)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _opened(self, lane: _Lane) -> sqlite3.Connection:
        if self._closed:
            raise LedgerError(f"the ledger {self._path} is closed")
        return lane.connection()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            _persistently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA cache_size = -16384")  # KiB
            connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages; a page that changes often is copied seldom
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        connection.create_function("time_label", 3, time_label, deterministic=True)
        self._file = _identity(self._path)
        return connection


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path names; `None` for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction; after a full disk or an I/O error SQLite has often done so itself."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


_open: weakref.WeakSet[Connections] = weakref.WeakSet()
_forking = threading.local()


def _before_fork() -> None:
    deadline = time.monotonic() + FORK_PATIENCE_SECONDS
    _forking.held = [lane for connections in list(_open) for lane in connections.before_fork(deadline)]


def _after_fork_in_parent() -> None:
    for lane in _forking.held:
        lane.lock.release()
    _forking.held = []


def _after_fork_in_child() -> None:
    for connections in list(_open):
        connections.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
