"""One process, from the first record to the end: what is delivered, what waits, what is counted."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import shutil
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery import Delivery, DeliveryStats, backlog
from ai_cost_calc.delivery.segment import Segment, is_free, journals
from ai_cost_calc.errors import LedgerError, LedgerUnavailable
from tests.delivery.support import (
    NEVER_SECONDS,
    PATIENCE_SECONDS,
    ScriptedLedger,
    leave_behind,
    make_event,
    make_events,
    open_descriptors,
)

MakeDelivery = Callable[..., Delivery]


@pytest.fixture
def ledger() -> ScriptedLedger:
    """A ledger in memory."""
    return ScriptedLedger()


@pytest.fixture
def make_delivery(tmp_path: Path, ledger: ScriptedLedger) -> Iterator[MakeDelivery]:
    """Deliveries into that ledger, which deliver only when asked to."""
    made: list[Delivery] = []

    def make(**options: Any) -> Delivery:
        settings = {"folder": tmp_path / "journals", "flush_interval_seconds": NEVER_SECONDS, **options}
        delivery = Delivery(settings.pop("open_ledger", lambda: ledger), **settings)
        made.append(delivery)
        return delivery

    yield make
    ledger.gate.set()
    for delivery in made:
        delivery.close(PATIENCE_SECONDS)


def _put(delivery: Delivery, names: Any) -> None:
    for event in make_events(names):
        delivery.put(event)


@pytest.mark.parametrize("durability", ["none", "process", "disk"])
def test_what_was_put_is_delivered(make_delivery: MakeDelivery, ledger: ScriptedLedger, durability: str) -> None:
    """Under every durability, a flush brings every record to the ledger, as it was put, and nothing is left."""
    delivery = make_delivery(durability=durability)
    events = make_events(range(1203))
    for event in events:
        delivery.put(event)
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert list(ledger.kept.values()) == events
    assert max(ledger.appends) <= 500
    assert delivery.stats() == DeliveryStats(delivered=1203)


def test_records_are_delivered_without_being_asked(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """The thread looks for itself, every interval."""
    all_there = threading.Event()
    ledger.refuse = lambda record: all_there.set() if record.id == "last" else None
    delivery = make_delivery(flush_interval_seconds=0.001)
    _put(delivery, ["first"])
    assert ledger.entered.wait(PATIENCE_SECONDS)
    _put(delivery, ["last"])
    assert all_there.wait(PATIENCE_SECONDS)


def test_nothing_runs_before_the_first_record(make_delivery: MakeDelivery, tmp_path: Path) -> None:
    """Building a delivery, asking and closing it starts no thread, opens no ledger and makes no file."""

    def open_ledger() -> ScriptedLedger:
        pytest.fail("the ledger was opened for nothing")

    threads = threading.active_count()
    delivery = make_delivery(open_ledger=open_ledger)
    assert (delivery.flush(1), delivery.adopt(1), delivery.stats()) == (0, 0, DeliveryStats())
    assert threading.active_count() == threads
    assert delivery.close(1) == 0
    assert not (tmp_path / "journals").exists()


def test_eight_threads_lose_and_double_nothing(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """8 threads of 1,000 puts each, delivered and rotated all the while, arrive once each."""
    delivery = make_delivery(flush_interval_seconds=0.0005, segment_bytes=20_000, batch_size=97)
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait(PATIENCE_SECONDS)
        _put(delivery, [f"{thread}-{number}" for number in range(1000)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert delivery.stats() == DeliveryStats(delivered=8000)
    assert len(ledger.kept) == 8000


async def test_tasks_put_without_waiting(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """100 tasks put while the ledger hangs; the event loop goes on, and all arrives later."""
    delivery = make_delivery(flush_interval_seconds=0.0005)
    ledger.gate.clear()

    async def work(task: int) -> None:
        for number in range(20):
            delivery.put(make_event(f"{task}-{number}"))
            await asyncio.sleep(0)

    await asyncio.gather(*(work(task) for task in range(100)))
    assert delivery.stats().waiting == 2000
    ledger.gate.set()
    assert await asyncio.to_thread(delivery.flush, PATIENCE_SECONDS) == 0
    assert len(ledger.kept) == 2000


def test_waiting_follows_what_was_put_and_delivered(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """A batch counts as waiting until the ledger has answered."""
    delivery = make_delivery()
    ledger.gate.clear()
    _put(delivery, range(30))
    assert delivery.flush(0) == 30
    assert ledger.entered.wait(PATIENCE_SECONDS)
    assert delivery.stats().waiting == 30
    assert delivery.flush(0.01) == 30
    ledger.gate.set()
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert delivery.stats().waiting == 0


def test_a_ledger_that_was_down_gets_everything_once(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """Records put before and during an outage arrive after it, each once; every failed attempt is a fault told of."""
    faults: list[str] = []
    ledger.failures = [LedgerUnavailable("HTTP 500") for _ in range(12)]
    ledger.gate.clear()
    delivery = make_delivery(
        wait=lambda event, seconds: event.wait(min(seconds, 0.001)),
        on_fault=lambda where, error: faults.append(f"{where}: {error}"),
    )
    _put(delivery, range(700))
    delivery.flush(0)
    assert ledger.entered.wait(PATIENCE_SECONDS)
    _put(delivery, range(700, 1400))
    ledger.gate.set()
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert len(ledger.kept) == 1400
    assert delivery.stats() == DeliveryStats(delivered=1400)
    assert faults == ["ledger: HTTP 500"] * 12


@pytest.mark.parametrize("hangs", [True, False])
def test_closing_is_bounded_and_keeps_what_is_left(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, *, hangs: bool
) -> None:
    """Whether the ledger hangs or fails, `close` ends in time, says what is left, and the next start delivers it."""
    if hangs:
        ledger.gate.clear()
    else:
        ledger.failures = [LedgerUnavailable("down") for _ in range(1000)]
    delivery = make_delivery()
    _put(delivery, range(40))
    delivery.flush(0)
    assert ledger.entered.wait(PATIENCE_SECONDS)
    began = time.monotonic()
    assert delivery.close(0.1) == 40
    assert time.monotonic() - began < 5.0  # a tenth of a second and a busy machine
    assert delivery.stats().waiting == 40
    ledger.gate.set()
    delivery._shipper.stop(PATIENCE_SECONDS)
    ledger.failures = []
    assert make_delivery().adopt(PATIENCE_SECONDS) == (0 if hangs else 40), "a ledger that answers late still counts"
    assert sorted(ledger.kept, key=int) == [str(number) for number in range(40)]


def test_a_flush_is_worth_an_early_attempt(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """Between two attempts a flush hurries the shipper, unless the ledger named the time: then only the end does."""
    waits: list[tuple[int, bool, float]] = []
    failed = [threading.Event(), threading.Event()]
    down, busy = LedgerUnavailable("down"), LedgerUnavailable("busy")
    busy.retry_after = 77.0  # type: ignore[attr-defined]  # what a ledger adds to say when to come again
    ledger.failures = [down, busy]

    def wait(event: threading.Event, seconds: float) -> None:
        if attempts := len(ledger.appends):
            waits.append((attempts, event is delivery._shipper._stop, seconds))
            failed[attempts - 1].set()
        event.wait(PATIENCE_SECONDS)

    delivery = make_delivery(wait=wait)
    _put(delivery, "a")
    delivery.flush(0)
    assert failed[0].wait(PATIENCE_SECONDS)
    delivery.flush(0)
    assert failed[1].wait(PATIENCE_SECONDS)
    assert delivery.flush(0.05) == 1
    assert ledger.appends == [1, 1]
    assert waits[-1] == (2, True, 77.0)
    delivery._shipper.stop(PATIENCE_SECONDS)
    assert list(ledger.kept) == ["a"]


def test_a_poison_record_holds_up_nothing(make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path) -> None:
    """Among 500 one is set aside alone, in the journal it is done with, and a later start does not meet it again."""
    ledger.refuse = lambda record: LedgerError("breaks a rule") if record.id == "321" else None
    delivery = make_delivery()
    _put(delivery, range(500))
    assert delivery.close(PATIENCE_SECONDS) == 0
    stats = delivery.stats()
    assert (stats.delivered, stats.quarantined, stats.waiting, stats.dropped) == (499, 1, 0, {})
    [entry] = (tmp_path / "journals" / "quarantine.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(entry)["record"]["id"] == "321"
    assert backlog(tmp_path / "journals") == 0


def test_damage_in_a_journal_is_set_aside_or_counted(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """A garbage line is kept for people, a torn last line is counted, every record around is delivered."""
    folder = tmp_path / "journals"
    leave_behind(tmp_path / "journals", "ab")
    [journal] = folder.glob("*.journal")
    header, first, second = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(header + first + b"garbage \xff\n" + second + second[:-20])
    delivery = make_delivery()
    assert delivery.adopt(PATIENCE_SECONDS) == 3
    assert list(ledger.kept) == ["a", "b"]
    stats = delivery.stats()
    assert (stats.quarantined, stats.dropped) == (1, {"torn": 1})
    [entry] = (folder / "quarantine.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(entry)["record"] == "garbage \\xff"
    assert not journal.exists()


def _unreachable() -> ScriptedLedger:
    raise LedgerUnavailable


def test_a_last_line_that_lacks_only_its_end_is_delivered(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """A record that is whole but for the line end is a record."""
    leave_behind(tmp_path / "journals", "ab")
    [journal] = (tmp_path / "journals").glob("*.journal")
    journal.write_bytes(journal.read_bytes()[:-1])
    make_delivery().adopt(PATIENCE_SECONDS)
    assert list(ledger.kept) == ["a", "b"]


def test_records_put_after_close_are_delivered_by_the_next_start(
    make_delivery: MakeDelivery, ledger: ScriptedLedger
) -> None:
    """Nothing vanishes: late records are on disk, counted as waiting, and need nobody to end first."""
    delivery = make_delivery()
    _put(delivery, "a")
    assert delivery.close(PATIENCE_SECONDS) == 0
    _put(delivery, "bc")
    assert list(ledger.kept) == ["a"]
    assert delivery.stats() == DeliveryStats(delivered=1, waiting=2)
    assert delivery.close(PATIENCE_SECONDS) == 2
    assert make_delivery().adopt(PATIENCE_SECONDS) == 2
    assert list(ledger.kept) == ["a", "b", "c"]


def test_records_put_after_close_without_a_disk_are_counted(make_delivery: MakeDelivery) -> None:
    """With nowhere to keep them, records are dropped and counted, those that could not be delivered in time too."""
    delivery = make_delivery(durability="none", open_ledger=_unreachable)
    _put(delivery, "ab")
    assert delivery.close(0.05) == 2
    _put(delivery, "c")
    assert delivery.stats() == DeliveryStats(dropped={"closed": 3})


def test_threads_that_put_while_it_closes_lose_nothing(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """Every record put around the moment of closing is delivered by then or by the next start."""
    for attempt in range(20):
        delivery = make_delivery()
        _put(delivery, [f"{attempt}-first"])
        begun, done = threading.Event(), threading.Event()
        names: list[str] = []

        def work(
            delivery: Delivery = delivery, attempt: int = attempt, begun: threading.Event = begun,
            done: threading.Event = done, names: list[str] = names,
        ) -> None:  # fmt: skip
            while not done.is_set():
                names.append(f"{attempt}-{len(names)}")
                delivery.put(make_event(names[-1]))
                begun.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(PATIENCE_SECONDS)
        delivery.close(PATIENCE_SECONDS)
        done.set()
        thread.join(PATIENCE_SECONDS)
        make_delivery().adopt(PATIENCE_SECONDS)
        assert set(names) <= set(ledger.kept)
        assert delivery.stats().dropped == {}


def test_delivered_journals_are_deleted_while_running(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """A file that has grown large is followed by a new one, and deleted when it is delivered."""
    delivery = make_delivery(segment_bytes=4000)
    seen = set()
    for number in range(100):
        _put(delivery, [number])
        assert delivery.flush(PATIENCE_SECONDS) == 0
        paths = list((tmp_path / "journals").iterdir())
        assert len(paths) <= 2
        seen.update(paths)
    assert len(seen) > 3
    assert len(ledger.kept) == 100


def test_a_journal_that_somebody_deletes_is_delivered_all_the_same(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """A cleaning tool that removes the folder costs nothing, and the next records are on disk again."""
    folder = tmp_path / "journals"
    delivery = make_delivery()
    _put(delivery, "a")
    delivery.flush(PATIENCE_SECONDS)
    _put(delivery, "b")
    shutil.rmtree(folder)
    _put(delivery, "c")
    assert delivery.flush(PATIENCE_SECONDS) == 0
    _put(delivery, "d")
    assert backlog(folder) == 1
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert list(ledger.kept) == ["a", "b", "c", "d"]


def test_a_rotated_journal_that_another_process_delivered_is_let_go(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """The file of which another process became the owner may be sent twice, and is then forgotten."""
    delivery = make_delivery()
    _put(delivery, "a")
    delivery._journal.rotate()
    [path] = [path for path in journals(tmp_path / "journals") if is_free(path)]
    adopter = Segment.open_locked(path)
    assert adopter is not None
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert delivery._journal.rotated != []
    adopter.delete()
    _put(delivery, "b")
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert delivery._journal.rotated == []
    assert list(ledger.kept) == ["a", "b"]


def test_a_quarantine_that_cannot_be_written_loses_nothing(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """Poison, here and in what others left, stays in its journal until it can be set aside; other files go on."""
    folder = tmp_path / "journals"
    ledger.refuse = lambda record: LedgerError("poison") if "poison" in record.id else None
    leave_behind(folder, ["poison-old"])
    leave_behind(folder, ["old"])
    (folder / "quarantine.jsonl").mkdir()
    faults: list[str] = []
    delivery = make_delivery(on_fault=lambda where, error: faults.append(f"{where} {type(error).__name__}"))
    assert delivery.adopt(PATIENCE_SECONDS) == 1
    assert "adoption IsADirectoryError" in faults
    _put(delivery, ["poison", "fine"])
    assert delivery.flush(0.05) == 2
    assert delivery.close(0.05) == 2
    (folder / "quarantine.jsonl").rmdir()
    delivery._shipper.stop(PATIENCE_SECONDS)
    other = make_delivery()
    assert other.adopt(PATIENCE_SECONDS) == 3
    assert sorted(ledger.kept) == ["fine", "old"]
    assert other.stats().quarantined == 2
    assert backlog(folder) == 0


def test_a_broken_installation_is_a_fault_that_keeps_records(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the code that delivers cannot even be imported, that is told of, and the records wait on disk."""
    faults: list[str] = []
    delivery = make_delivery(on_fault=lambda where, error: faults.append(f"{where} {type(error).__name__}"))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ai_cost_calc.delivery.courier", None)
        _put(delivery, "a")
        thread = delivery._shipper._thread
        assert thread is not None
        thread.join(PATIENCE_SECONDS)
    assert faults == ["shipper ModuleNotFoundError"]
    assert delivery.stats().waiting == 1
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert list(ledger.kept) == ["a"]


def test_a_restart_does_not_send_again_what_was_acknowledged(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """How far delivery came is in the file itself, so whoever adopts it goes on from there."""
    delivery = make_delivery()
    _put(delivery, range(300))
    delivery.flush(PATIENCE_SECONDS)
    ledger.gate.clear()
    ledger.entered.clear()
    _put(delivery, range(300, 310))
    assert backlog(tmp_path / "journals") == 10
    delivery.close(0)
    ledger.gate.set()
    delivery._shipper.stop(PATIENCE_SECONDS)
    other = make_delivery()
    other.adopt(PATIENCE_SECONDS)
    assert len(ledger.kept) == 310
    assert other.stats().delivered + other.stats().duplicates <= 10


def test_orphans_are_looked_for_again(make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path) -> None:
    """A process that runs for long delivers what others leave behind meanwhile, without being asked."""
    now = [1000.0]
    last = threading.Event()
    ledger.refuse = lambda record: last.set() if record.id == "z" else None
    survivor = make_delivery(clock=lambda: now[0], adopt_interval_seconds=30.0, wait=lambda event, _: event.wait(0.001))
    _put(survivor, "a")
    survivor.flush(PATIENCE_SECONDS)
    leave_behind(tmp_path / "journals", "z")
    survivor.flush(PATIENCE_SECONDS)
    now[0] += 31.0
    assert last.wait(PATIENCE_SECONDS)
    survivor.flush(PATIENCE_SECONDS)
    survivor.close(PATIENCE_SECONDS)
    assert list(ledger.kept) == ["a", "z"]
    assert list((tmp_path / "journals").iterdir()) == []


def test_a_flush_does_not_wait_for_a_large_inheritance(make_delivery: MakeDelivery, tmp_path: Path) -> None:
    """While dead processes' records are delivered, a flush of this process's own comes first."""
    leave_behind(tmp_path / "journals", [f"old-{number}" for number in range(5000)])
    arrived, asked = threading.Event(), threading.Event()

    def hold(record: Record) -> None:
        if record.id == "old-0":
            arrived.set()
            asked.wait(PATIENCE_SECONDS)

    books = ScriptedLedger(refuse=hold)
    delivery = make_delivery(open_ledger=lambda: books, batch_size=10)
    _put(delivery, ["early"])
    delivery.flush(0)
    assert arrived.wait(PATIENCE_SECONDS)
    _put(delivery, ["own"])
    left: list[int] = []
    flusher = threading.Thread(target=lambda: left.append(delivery.flush(PATIENCE_SECONDS)))
    flusher.start()
    while not delivery._shipper.flushes.pending:
        os.sched_yield()
    asked.set()
    flusher.join(PATIENCE_SECONDS)
    assert left == [0]
    delivery.adopt(PATIENCE_SECONDS)
    delivery.flush(PATIENCE_SECONDS)
    order = list(books.kept)
    assert order.index("own") < order.index("old-4999")
    assert len(order) == 5002


def test_a_record_that_cannot_be_written_down_is_set_aside(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """A label that has no JSON form harms only its own record, which is kept for people to see."""
    ledger.refuse = lambda record: LedgerError("not text") if record.customer_id == "\ud800" else None
    faults: list[str] = []
    delivery = make_delivery(on_fault=lambda where, error: faults.append(f"{where} {type(error).__name__}"))
    delivery.put(make_event("odd", customer_id="\ud800"))
    delivery.put(make_event("fine"))
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert list(ledger.kept) == ["fine"]
    assert faults == ["journal UnicodeEncodeError", "quarantine LedgerError"]
    assert b"ud800" in (tmp_path / "journals" / "quarantine.jsonl").read_bytes()


def test_a_fault_handler_that_fails_harms_nothing(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """`put` does not raise and delivery goes on, whatever the application's own handler does."""

    def on_fault(where: str, error: BaseException) -> None:
        raise RuntimeError(where) from error

    ledger.failures = [LedgerUnavailable("down")]
    delivery = make_delivery(on_fault=on_fault, wait=lambda event, _: event.wait(0.001))
    delivery.put(make_event("odd", customer_id="\ud800"))
    delivery.put(make_event("fine"))
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert "fine" in ledger.kept


def test_a_thread_that_cannot_start_leaves_records_on_disk(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started, as while the interpreter shuts down, records wait on disk for the next start."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    delivery = make_delivery()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        _put(delivery, "ab")
        assert delivery.flush(1) == 2
    assert make_delivery().adopt(PATIENCE_SECONDS) == 2
    assert list(ledger.kept) == ["a", "b"]


@pytest.mark.parametrize("durability", ["none", "process"])
def test_a_signal_in_the_middle_of_a_start_hangs_and_loses_nothing(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    """A handler, or a finalizer, may put a record while the same thread starts the delivery."""
    delivery = make_delivery(durability=durability)
    really_start = threading.Thread.start
    interrupted: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if not interrupted:
            interrupted.append(thread)
            signal.raise_signal(signal.SIGUSR1)
        really_start(thread)

    before = signal.signal(signal.SIGUSR1, lambda *_: delivery.put(make_event("from the handler")))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            _without_hanging(lambda: delivery.put(make_event("interrupted")))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(interrupted) == 1
    assert sum(thread.name == "ai-cost-calc-shipper" for thread in threading.enumerate()) == 1
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert sorted(ledger.kept) == ["from the handler", "interrupted"]


def _without_hanging(act: Callable[[], None]) -> None:
    """Do something that used to wait for a lock of its own thread; then Python says where, and the process ends."""
    faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True)
    try:
        act()
    finally:
        faulthandler.cancel_dump_traceback_later()


def test_memory_that_fills_up_is_delivered_before_it_is_full(
    make_delivery: MakeDelivery, ledger: ScriptedLedger
) -> None:
    """A burst does not wait for the interval: beyond half of what fits in memory, delivery begins."""
    rests, done = threading.Event(), threading.Event()

    def wait(wake: threading.Event, seconds: float) -> None:
        if not wake.is_set():
            rests.set()
            wake.wait(seconds)
            rests.clear()

    delivery = make_delivery(durability="none", memory_limit=100, wait=wait)
    _put(delivery, ["first"])
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert rests.wait(PATIENCE_SECONDS)
    ledger.refuse = lambda record: done.set() if record.id == "50" else None
    _put(delivery, range(51))
    assert done.wait(PATIENCE_SECONDS)
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert delivery.stats() == DeliveryStats(delivered=52)


def test_a_folder_that_cannot_be_made_leaves_memory(
    make_delivery: MakeDelivery, ledger: ScriptedLedger, tmp_path: Path
) -> None:
    """Without a place for journals, records wait in memory and are delivered from there; each fault is told of."""
    (tmp_path / "file").touch()
    faults: list[str] = []
    delivery = make_delivery(
        folder=tmp_path / "file" / "journals", on_fault=lambda where, error: faults.append(type(error).__name__)
    )
    _put(delivery, "ab")
    assert delivery.flush(PATIENCE_SECONDS) == 0
    assert list(ledger.kept) == ["a", "b"]
    assert faults == ["NotADirectoryError"] * 2


def test_the_ledger_is_opened_once_and_closed(make_delivery: MakeDelivery, ledger: ScriptedLedger) -> None:
    """One connection serves a process from its first record to its end, and is closed by the thread that opened it."""
    opened: list[int] = []

    def open_ledger() -> ScriptedLedger:
        opened.append(threading.get_ident())
        return ledger

    delivery = make_delivery(open_ledger=open_ledger)
    for name in "abc":
        _put(delivery, name)
        delivery.flush(PATIENCE_SECONDS)
    delivery.close(PATIENCE_SECONDS)
    delivery.close(PATIENCE_SECONDS)
    assert len(opened) == 1
    assert opened != [threading.get_ident()]
    assert ledger.closed == 1


def test_a_delivery_that_nobody_holds_ends_by_itself(tmp_path: Path, ledger: ScriptedLedger) -> None:
    """Dropped without `close`, it delivers what it has, lets go of its files, and its thread ends."""
    delivery = Delivery(lambda: ledger, folder=tmp_path, flush_interval_seconds=0.001)
    _put(delivery, "ab")
    thread = delivery._shipper._thread
    assert thread is not None
    gone = weakref.ref(delivery)
    del delivery
    gc.collect()
    assert gone() is None
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert list(ledger.kept) == ["a", "b"]
    assert list(tmp_path.iterdir()) == []
    assert ledger.closed == 1


def test_no_descriptor_is_left_open(tmp_path: Path, ledger: ScriptedLedger) -> None:
    """After many files, an adoption and the end, the process has as many open files as before."""
    before = open_descriptors()
    for durability in ("process", "disk"):
        delivery = Delivery(
            lambda: ledger,
            folder=tmp_path,
            durability=durability,
            segment_bytes=1000,
            flush_interval_seconds=NEVER_SECONDS,
        )
        for name in range(30):
            _put(delivery, [name])
            delivery.flush(PATIENCE_SECONDS)
        delivery.close(PATIENCE_SECONDS)
        _put(delivery, ["late"])
        del delivery
    assert open_descriptors() <= before
