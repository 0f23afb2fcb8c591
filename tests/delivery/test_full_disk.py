"""A disk that is full or fails: the call goes on, memory takes over, and what is dropped is counted."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from ai_cost_calc.delivery import Delivery, DeliveryStats, backlog
from tests.delivery.support import NEVER_SECONDS, PATIENCE_SECONDS, ScriptedLedger, make_event, run_program

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """Under a file size limit: what fits is on disk, then memory takes its share, the rest is counted by reason.

    The record that was cut short by the limit is delivered from memory, so its fragment is neither lost nor reported.
    """
    counts, faults = run_program("fill_the_disk", tmp_path / "journals", tmp_path / "unused", 100).splitlines()
    left, kept, dropped, quarantined, torn = map(int, counts.split())
    assert left == 0
    assert kept + dropped == 101
    assert 50 < kept < 75, "fifty fit into memory and a few into 2,000 bytes"
    assert (quarantined, torn) == (0, 0)
    assert faults == "journal OSError 27,journal TornWrite None"  # 27 is EFBIG, on Linux and macOS


@pytest.fixture
def full() -> int:
    """A descriptor that always says: no space left on device."""
    return os.open("/dev/full", os.O_WRONLY)


@needs_dev_full
def test_memory_takes_over_and_gives_back(tmp_path: Path, full: int) -> None:
    """Records of the time without space survive a later kill, once there is space again: they move back to disk."""
    books = ScriptedLedger()
    faults: list[str] = []
    rested = threading.Event()

    def wait(event: threading.Event, seconds: float) -> None:
        rested.set()
        event.wait(PATIENCE_SECONDS)

    delivery = Delivery(
        lambda: books, folder=tmp_path, on_fault=lambda where, error: faults.append(str(error)), wait=wait
    )
    delivery.put(make_event("before"))
    assert rested.wait(PATIENCE_SECONDS)
    delivery.flush(PATIENCE_SECONDS)
    journal = delivery._journal
    usual = os.dup(journal._fd)
    os.dup2(full, journal._fd)
    for name in ("during-1", "during-2"):
        delivery.put(make_event(name))
    assert len(faults) == 2
    assert all("No space left on device" in fault for fault in faults)
    assert delivery.stats() == DeliveryStats(delivered=1, waiting=2)
    os.dup2(usual, journal._fd)
    os.close(usual)
    os.close(full)
    delivery.put(make_event("odd", customer_id="\ud800"))
    delivery._queue.spill(journal.append)
    assert len(delivery._queue) == 1, "what has no JSON form stays in memory"
    assert delivery.stats().waiting == 3
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert list(books.kept) == ["before", "during-1", "during-2", "odd"]


@needs_dev_full
def test_memory_is_written_down_at_the_end(tmp_path: Path, full: int) -> None:
    """Records that waited in memory are on disk after `close`, where there is space again, for the next start."""
    books = ScriptedLedger()
    books.gate.clear()
    delivery = Delivery(lambda: books, folder=tmp_path, flush_interval_seconds=NEVER_SECONDS)
    delivery.put(make_event("before"))
    delivery.flush(0)
    assert books.entered.wait(PATIENCE_SECONDS)
    os.dup2(full, delivery._journal._fd)
    os.close(full)
    delivery.put(make_event("during"))
    assert delivery.close(0.05) == 2
    assert delivery.stats() == DeliveryStats(waiting=2)
    assert backlog(tmp_path) == 2
    books.gate.set()
    delivery._shipper.stop(PATIENCE_SECONDS)
    next_start = Delivery(lambda: books, folder=tmp_path)
    next_start.adopt(PATIENCE_SECONDS)
    next_start.close(PATIENCE_SECONDS)
    assert sorted(books.kept) == ["before", "during"]
    assert backlog(tmp_path) == 0


@needs_dev_full
@pytest.mark.skipif(sys.platform != "linux", reason="looks at the file behind a descriptor as Linux does")
def test_a_foreign_full_device_is_let_go(tmp_path: Path, full: int) -> None:
    """A number that no longer leads to our file is given up at the next turn, and records go to a new file."""
    books = ScriptedLedger()
    delivery = Delivery(lambda: books, folder=tmp_path, flush_interval_seconds=NEVER_SECONDS)
    delivery.put(make_event("a"))
    delivery.flush(PATIENCE_SECONDS)
    number = delivery._journal._fd
    os.dup2(full, number)
    os.close(full)
    delivery.put(make_event("b"))
    assert delivery.flush(PATIENCE_SECONDS) == 0
    delivery.put(make_event("c"))
    assert delivery.stats().waiting == 1
    assert delivery._journal._fd != number
    os.close(number)
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert list(books.kept) == ["a", "b", "c"]


def test_memory_is_bounded(tmp_path: Path) -> None:
    """With the ledger away, the queue holds its limit; every record on top is counted."""
    books = ScriptedLedger()
    books.gate.clear()
    delivery = Delivery(
        lambda: books, folder=tmp_path, durability="none", memory_limit=10, flush_interval_seconds=0.001
    )
    for number in range(25):
        delivery.put(make_event(number))
    assert delivery.stats() == DeliveryStats(waiting=10, dropped={"memory_full": 15})
    books.gate.set()
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert list(books.kept) == [str(number) for number in range(10)]
