"""What is peculiar to the ledger in a SQLite file: its URL, its processes, and everything that can happen to a file."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest

from ai_cost_calc.errors import ConfigError, LedgerError, LedgerUnavailable
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ledgers._connections import READERS
from ai_cost_calc.ledgers._labels import HOUR
from ai_cost_calc.ledgers._sources import ROLLUPS
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import SpendQuery
from ai_cost_calc.testing._forks import exit_code, forked
from ai_cost_calc.testing.records import make_event, make_revenue, total

BATCH: Final = 50
NOBODY: Final = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's ledger is."""
    return tmp_path / "spend.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    """An empty ledger."""
    opened = SqliteLedger(path)
    yield opened
    opened.close()


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program that has the ledger's names at hand and speaks in lines."""
    prelude = """
        import os, sys
        from ai_cost_calc.errors import LedgerError, LedgerUnavailable
        from ai_cost_calc.ledgers.sqlite import SqliteLedger
        from ai_cost_calc.ports.ledgers import SpendQuery
        from ai_cost_calc.testing.records import make_event, total
        def say(*words): print(*words, flush=True)
    """
    source = textwrap.dedent(prelude) + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def assert_books_agree(ledger: SqliteLedger) -> int:
    """Rollups by day, by hour, and the events themselves must tell the same; return the number of events."""
    query = SpendQuery(by=("customer", "day"))
    by_events = ledger._spend(query, [])
    assert ledger._spend(query, ROLLUPS) == by_events
    assert ledger._spend(query, [rollup for rollup in ROLLUPS if rollup.size == HOUR]) == by_events
    return sum(row.calls for row in by_events)


class TestLocation:
    """Paths and URLs."""

    def test_a_relative_url_is_in_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three slashes and a name: the folder the program runs in."""
        monkeypatch.chdir(tmp_path)
        open_ledger("sqlite:///spend.db").close()
        assert (tmp_path / "spend.db").is_file()

    def test_an_absolute_url_makes_missing_folders(self, tmp_path: Path) -> None:
        """Four slashes are an absolute path, whose folders are made."""
        opened = open_ledger(f"sqlite:///{tmp_path}/a/b c/100%.db")
        assert isinstance(opened, SqliteLedger)
        opened.close()
        assert opened.path == tmp_path / "a/b c/100%.db"
        assert opened.path.is_file()
        assert str(opened.path) in repr(opened)

    def test_a_home_folder_may_be_written_as_a_tilde(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A tilde in a URL stands for the home folder, as no shell expands it there."""
        monkeypatch.setenv("HOME", str(tmp_path))
        open_ledger("sqlite:///~/spend.db").close()
        assert (tmp_path / "spend.db").is_file()

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:", "sqlite:///", "sqlite://spend.db", "sqlite:///:memory:"])
    def test_a_url_without_a_file_says_what_to_write(self, url: str) -> None:
        """The message shows both forms and the ledger in memory."""
        with pytest.raises(ConfigError, match=r"sqlite:///spend\.db .* sqlite:////.* memory:"):
            open_ledger(url)

    @pytest.mark.parametrize("url", ["spend.db", "oracle://x", "", "sqlite+x:///spend.db"])
    def test_an_unknown_scheme_lists_the_known(self, url: str) -> None:
        """The message names the ledgers that there are."""
        with pytest.raises(ConfigError, match=r"memory, sqlite"):
            open_ledger(url)

    def test_a_ledger_in_memory_has_no_name(self) -> None:
        """A name would promise that two ledgers share it."""
        with pytest.raises(ConfigError, match="write memory:"):
            open_ledger("memory:books")

    @pytest.mark.parametrize("options", ["synchronous=off", "timeout=5", "synchronous"])
    def test_unknown_options_are_refused(self, path: Path, options: str) -> None:
        """A misspelt option must not be taken for a promise."""
        with pytest.raises(ConfigError, match="synchronous=full"):
            SqliteLedger(f"sqlite:///{path}?{options}")

    @pytest.mark.parametrize(("options", "level"), [("", 1), ("?synchronous=normal", 1), ("?synchronous=full", 2)])
    def test_how_long_to_wait_for_the_disk(self, path: Path, options: str, level: int) -> None:
        """Write-ahead logging always, with a sync at every append only when asked for."""
        opened = SqliteLedger(f"sqlite:///{path}{options}")
        with opened._connections.writing() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        opened.close()


class TestReopening:
    """What a ledger knows after it was closed."""

    def test_everything_is_kept(self, path: Path) -> None:
        """Records, sums, tokens and budgets are there again."""
        first = SqliteLedger(path)
        event = make_event(cost="0.25", token="order-1")
        first.append([event, make_revenue(amount="2.00")])
        first.save_budget("daily", {"limit": "1.00"})
        first.close()
        second = SqliteLedger(path)
        assert second.append([event, make_event(token="order-1")]) == 0
        assert second.events(SpendQuery()) == [event]
        assert (total(second).cost_nanos, total(second).revenue_nanos) == (250_000_000, 2_000_000_000)
        assert second.budgets() == {"daily": {"limit": "1.00"}}
        second.close()

    def test_an_overflowing_sum_refuses_the_append(self, ledger: SqliteLedger) -> None:
        """SQLite would turn the sum into a float; the append fails instead, and the books stay whole."""
        ledger.append([make_revenue(amount_nanos=2**63 - 1)])
        with pytest.raises(LedgerError):
            ledger.append([make_event(), make_revenue(amount_nanos=1)])
        assert total(ledger).revenue_nanos == 2**63 - 1
        assert assert_books_agree(ledger) == 0

    def test_a_sum_over_groups_may_not_overflow(self, ledger: SqliteLedger) -> None:
        """Where one group's sum passes 64 bits only in the report, the report is an error, never a float."""
        ledger.append([make_revenue(amount_nanos=2**63 - 1), make_revenue(amount_nanos=1, at="2026-11-24")])
        with pytest.raises(LedgerError, match="overflow"):
            ledger.spend(SpendQuery())
        assert [row.revenue_nanos for row in ledger.spend(SpendQuery(by=("day",)))] == [2**63 - 1, 1]

    def test_text_that_is_no_text_is_refused(self, ledger: SqliteLedger) -> None:
        """Half of a surrogate pair cannot be written as UTF-8; the rest of the books is not harmed."""
        with pytest.raises(LedgerError):
            ledger.append([make_event(), make_event(response_id="\ud800")])
        assert assert_books_agree(ledger) == 0


class TestThreads:
    """One instance, several threads."""

    def test_more_readers_than_connections(self, ledger: SqliteLedger) -> None:
        """Readers beyond the number of connections wait for one, and all get the same answer."""
        ledger.append([make_event(cost="0.01", customer_id=f"c{number}") for number in range(100)])
        answers: list[int] = []

        def read() -> None:
            answers.extend(total(ledger).calls for _ in range(20))

        threads = [threading.Thread(target=read) for _ in range(3 * READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [100] * (20 * 3 * READERS)

    def test_a_report_does_not_hold_up_an_append(self, ledger: SqliteLedger) -> None:
        """While a reader is in its transaction, a writer commits, and the reader's view does not change."""
        ledger.append([make_event()])
        with ledger._connections.reading() as connection:
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
            assert ledger.append([make_event()]) == 1
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert total(ledger).calls == 2


class TestProcesses:
    """One file, several processes, some of which die."""

    APPEND: Final = f"""
        ledger = SqliteLedger(sys.argv[1])
        say("ready")
        sys.stdin.readline()
        for batch in range(int(sys.argv[2])):
            ids = [f"{{os.getpid()}}-{{batch}}-{{number}}" for number in range({BATCH})]
            ledger.append([make_event(id=id, customer_id=f"c{{len(id) % 3}}") for id in ids])
            say(batch)
    """

    def test_processes_append_at_once(self, path: Path) -> None:
        """Two processes that write as fast as they can both succeed, and every event counts once."""
        processes = [start(self.APPEND, path, 40) for _ in range(2)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.communicate("go\n", timeout=60)
            assert process.returncode == 0
        ledger = SqliteLedger(path)
        assert assert_books_agree(ledger) == 2 * 40 * BATCH
        ledger.close()

    def test_first_opens_at_once(self, path: Path) -> None:
        """Processes that all find no file make one schema between them."""
        program = """
            say("ready")
            sys.stdin.readline()
            ledger = SqliteLedger(sys.argv[1])
            say(ledger.append([make_event(id=str(os.getpid()))]))
            ledger.close()
        """
        processes = [start(program, path) for _ in range(4)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.communicate(timeout=60)[0] for process in processes] == ["1\n"] * 4
        ledger = SqliteLedger(path)
        assert assert_books_agree(ledger) == 4
        ledger.close()

    @pytest.mark.parametrize("acknowledged", [0, 3, 11])
    def test_a_killed_process_leaves_all_or_nothing(self, path: Path, acknowledged: int) -> None:
        """After kill -9 in the midst of appends, what was acknowledged is there, and no part of a batch."""
        process = start(self.APPEND, path, 1_000_000)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        for _ in range(acknowledged):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        said = acknowledged + len(process.stdout.read().splitlines())  # `communicate` would pass over what is buffered
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        ledger = SqliteLedger(path)
        kept = assert_books_agree(ledger)
        assert kept % BATCH == 0
        assert said <= kept // BATCH <= said + 1
        assert ledger.append([make_event()]) == 1
        ledger.close()

    def test_a_busy_database_is_worth_a_retry(self, path: Path) -> None:
        """While another process keeps the file locked, an append fails as unavailable; afterwards it succeeds."""
        ledger = SqliteLedger(path, busy_timeout_seconds=0.01)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="locked") as caught:
            ledger.append([make_event()])
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        other.execute("ROLLBACK")
        other.close()
        assert ledger.append([make_event()]) == 1
        ledger.close()

    def test_a_busy_database_is_tried_again(self, path: Path) -> None:
        """A lock that goes away while an append waits does not fail it, though the busy timeout has passed."""
        ledger = SqliteLedger(path, busy_timeout_seconds=0.0)
        other = sqlite3.connect(path, isolation_level=None)
        tries: list[str] = []

        def let_go_at_the_second_try(statement: str) -> None:
            tries.append(statement)
            if len(tries) == 2:
                other.execute("ROLLBACK")

        with ledger._connections.writing() as connection:
            connection.set_trace_callback(let_go_at_the_second_try)
        tries.clear()
        other.execute("BEGIN IMMEDIATE")
        assert ledger.append([make_event()]) == 1
        assert tries[:2] == ["BEGIN IMMEDIATE", "BEGIN IMMEDIATE"]
        other.close()
        ledger.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
class TestForks:
    """A child must not use, nor close, the connections of its parent."""

    def test_parent_and_children_append_to_one_file(self, ledger: SqliteLedger) -> None:
        """What children append beside a busy parent is in the parent's next sum, once."""
        stop = threading.Event()
        kept = []

        def append() -> None:
            while not stop.is_set():
                kept.append(ledger.append([make_event() for _ in range(5)]))

        parent = threading.Thread(target=append)
        parent.start()
        children = [forked(lambda: ledger.append([make_event(id=str(os.getpid()))]) - 1) for _ in range(5)]
        codes = [exit_code(child) for child in children]
        stop.set()
        parent.join()
        assert codes == [0] * 5
        assert assert_books_agree(ledger) == sum(kept) + 5

    def test_a_child_holds_locks_of_its_own(self, ledger: SqliteLedger, path: Path) -> None:
        """The parent closes its ledger while a child goes on: the child's later appends are not lost with the log."""
        ledger.append([make_event()])
        reading, writing = os.pipe()

        def go_on() -> int:
            ledger.append([make_event()])
            os.read(reading, 1)
            return ledger.append([make_event()]) - 1

        child = forked(go_on)
        while total(ledger).calls < 2:
            os.sched_yield()
        ledger.close()
        os.write(writing, b"x")
        assert exit_code(child) == 0
        os.close(reading)
        os.close(writing)
        again = SqliteLedger(path)
        assert assert_books_agree(again) == 3
        again.close()

    def test_a_fork_beside_a_long_report(self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fork does not wait for ever for a reader; the child leaves that connection alone and reads with others."""
        monkeypatch.setattr("ai_cost_calc.ledgers._connections.FORK_PATIENCE_SECONDS", 0.01)
        ledger.append([make_event()])
        with ledger._connections.reading():
            child = forked(lambda: total(ledger).calls - 1)
            assert exit_code(child) == 0
        assert total(ledger).calls == 1


class TestBrokenFiles:
    """Disks that are full, files that are damaged, folders that cannot be written."""

    def test_a_full_disk_keeps_all_or_nothing(self, path: Path) -> None:
        """When the file cannot grow, appends fail as unavailable and keep nothing; with room again they go on."""
        program = """
            import resource
            ledger = SqliteLedger(sys.argv[1])
            resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
            kept = 0
            try:
                while kept < 1_000_000:
                    kept += ledger.append([make_event(id=f"{kept + number}") for number in range(50)])
            except LedgerUnavailable as exc:
                say(kept, total(ledger).calls, type(exc.__cause__).__name__)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            say(ledger.append([make_event(id=f"{kept + number}") for number in range(50)]))
        """
        process = start(program, path)
        said = process.communicate(timeout=60)[0].split()
        kept = int(said[0])
        assert kept > 0
        assert said == [str(kept), str(kept), "OperationalError", "50"]
        ledger = SqliteLedger(path)
        assert assert_books_agree(ledger) == kept + 50
        ledger.close()

    def test_a_file_that_may_not_grow_is_unavailable(self, ledger: SqliteLedger) -> None:
        """SQLite's own limit of pages reports a full disk as the disk does."""
        with ledger._connections.writing() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerUnavailable, match="full"):
            ledger.append([make_event(customer_id=f"c{number}") for number in range(2_000)])
        assert assert_books_agree(ledger) == 0

    def test_a_file_that_is_no_database(self, path: Path) -> None:
        """The message says what to do; the file is left as it is."""
        path.write_bytes(b"not a database at all " * 1_000)
        with pytest.raises(LedgerUnavailable, match="move the file away"):
            SqliteLedger(path)
        assert path.read_bytes().startswith(b"not a database")

    def test_a_damaged_file(self, path: Path) -> None:
        """Pages overwritten with rubbish are found when they are read; the records are not at fault, and can wait."""
        ledger = SqliteLedger(path)
        ledger.append([make_event(customer_id=f"c{number}") for number in range(500)])
        ledger.close()
        content = path.read_bytes()
        path.write_bytes(content[:4_096] + b"\x99" * (len(content) - 4_096))
        with pytest.raises(LedgerUnavailable, match="restore a backup"):
            SqliteLedger(path).append([make_event()])

    def test_somebody_elses_database(self, path: Path) -> None:
        """A database that has a table of the same name is not taken over."""
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE events (anything)")
        connection.close()
        with pytest.raises(LedgerError, match="events already exists"):
            SqliteLedger(path)
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("events",)]
        connection.close()

    @pytest.mark.parametrize("how", ["file", "folder", "replaced"])
    def test_a_file_that_is_deleted_while_it_is_open(self, path: Path, how: str) -> None:
        """What is appended later is in the file that the path names then, for every instance; none of it is lost."""
        other = SqliteLedger(path.with_name("backup.db"))
        other.append([make_event(id="in the backup")])
        other.close()
        path = path.parent / "folder" / path.name
        ledgers = [SqliteLedger(path), SqliteLedger(path)]
        for number, ledger in enumerate(ledgers):
            ledger.append([make_event(id=f"before {number}")])
            assert total(ledger).calls == number + 1
        if how == "folder":
            shutil.rmtree(path.parent)
        else:
            for each in path.parent.iterdir():
                each.unlink()
        if how == "replaced":
            other.path.rename(path)
        kept = int(how == "replaced")
        for number, ledger in enumerate(ledgers):
            assert ledger.append([make_event(id=f"after {number}")]) == 1
            assert [total(each).calls for each in ledgers] == [kept + number + 1] * 2
        for ledger in ledgers:
            ledger.close()
        again = SqliteLedger(path)
        assert assert_books_agree(again) == kept + 2
        again.close()

    def test_a_folder_in_place_of_a_file(self, tmp_path: Path) -> None:
        """What cannot be opened is unavailable, with the cause attached."""
        with pytest.raises(LedgerUnavailable, match="unable to open"):
            SqliteLedger(tmp_path)

    def test_a_file_in_place_of_a_folder(self, path: Path) -> None:
        """A folder that cannot be made is unavailable, not an error of the operating system."""
        path.touch()
        with pytest.raises(LedgerUnavailable, match="cannot be reached") as caught:
            SqliteLedger(path / "spend.db")
        assert isinstance(caught.value.__cause__, OSError)

    def test_a_file_that_may_only_be_read(self, path: Path) -> None:
        """Appends fail as unavailable, since permissions can be put right; reports still work."""
        ledger = SqliteLedger(path)
        ledger.append([make_event()])
        path.chmod(0o444)

        def read_and_append() -> int:
            ledger.close()
            if os.geteuid() == 0:
                path.parent.chmod(0o777)
                os.seteuid(NOBODY)
            read_only = SqliteLedger(path)
            assert total(read_only).calls == 1
            with pytest.raises(LedgerUnavailable, match="readonly"):
                read_only.append([make_event()])
            return 0

        for folder in takewhile(lambda folder: folder != Path(tempfile.gettempdir()), path.parents):
            folder.chmod(0o755)
        child = forked(read_and_append)
        code = exit_code(child)
        ledger.close()
        assert code == 0
