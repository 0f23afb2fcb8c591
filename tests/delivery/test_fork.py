"""Forked processes: a journal, a thread and a ledger of their own, whatever the parent was doing."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from pathlib import Path

import pytest

from ai_cost_calc.delivery import Delivery, DeliveryStats
from ai_cost_calc.delivery.segment import is_free, journals
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from tests.delivery.support import (
    NEVER_SECONDS,
    PATIENCE_SECONDS,
    ScriptedLedger,
    deliver_rest,
    exit_status,
    fork,
    kept_in,
    leave_behind,
    make_event,
    run_program,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where the records of all processes go."""
    return tmp_path / "ledger.db"


@pytest.fixture
def delivery(tmp_path: Path, ledger: Path) -> Delivery:
    """A delivery that delivers when asked to."""
    return Delivery(lambda: SqliteLedger(ledger), folder=tmp_path / "journals", flush_interval_seconds=NEVER_SECONDS)


def test_a_child_delivers_its_own_records_and_only_those(delivery: Delivery, ledger: Path) -> None:
    """What was put before the fork is delivered by the parent, once; the child starts counting at nothing."""
    delivery.put(make_event("parent"))

    def child() -> None:
        assert delivery.stats() == DeliveryStats()
        delivery.put(make_event("child"))
        assert delivery.flush(PATIENCE_SECONDS) == 0
        assert delivery.stats() == DeliveryStats(delivered=1)
        assert delivery.close(PATIENCE_SECONDS) == 0

    assert exit_status(fork(child)) == 0
    delivery.put(make_event("parent-later"))
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert delivery.stats() == DeliveryStats(delivered=2)
    assert kept_in(ledger) == ["child", "parent", "parent-later"]


def test_a_child_that_is_killed_leaves_its_records_to_others(delivery: Delivery, ledger: Path) -> None:
    """The parent adopts the journal of a child that died, while its own goes on."""
    delivery.put(make_event("parent"))

    def child() -> None:
        for number in range(100):
            delivery.put(make_event(f"child-{number:03}"))
        os.kill(os.getpid(), 9)

    assert exit_status(fork(child)) == -9
    delivery.adopt(PATIENCE_SECONDS)
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert kept_in(ledger) == [*(f"child-{number:03}" for number in range(100)), "parent"]


def test_a_child_does_not_keep_its_parents_journal_alive(tmp_path: Path, delivery: Delivery, ledger: Path) -> None:
    """When the parent has died, its journal can be adopted although a child that inherited everything lives on."""
    (read, write), (begun, begin) = os.pipe(), os.pipe()

    def outlive() -> None:
        os.write(begin, b".")
        os.read(read, 1)

    def parent() -> None:
        delivery.put(make_event("parent"))
        fork(outlive)
        os.kill(os.getpid(), 9)

    assert exit_status(fork(parent)) == -9
    assert os.read(begun, 1)
    [journal] = journals(tmp_path / "journals")
    assert is_free(journal)
    deliver_rest(tmp_path / "journals", ledger)
    assert kept_in(ledger) == ["parent"]
    os.write(write, b".")
    os.close(begin)
    assert os.read(begun, 1) == b"", "nobody is left who could write: the child has ended"
    for end in (read, write, begun):
        os.close(end)


def test_a_child_does_not_keep_an_adopted_journal_alive(tmp_path: Path, ledger: Path) -> None:
    """When the parent dies while it delivers what it adopted, the next can adopt that, whatever a child inherited."""
    folder = tmp_path / "journals"
    leave_behind(folder, ["old"])
    (read, write), (begun, begin) = os.pipe(), os.pipe()

    def outlive() -> None:
        os.write(begin, b".")
        os.read(read, 1)

    def parent() -> None:
        hung = ScriptedLedger()
        hung.gate.clear()
        delivery = Delivery(lambda: hung, folder=folder)
        delivery.adopt(0)
        assert hung.entered.wait(PATIENCE_SECONDS)
        fork(outlive)
        os.kill(os.getpid(), 9)

    assert exit_status(fork(parent)) == -9
    assert os.read(begun, 1)
    assert [is_free(path) for path in journals(folder)] == [True]
    deliver_rest(folder, ledger)
    assert kept_in(ledger) == ["old"]
    os.write(write, b".")
    os.close(begin)
    assert os.read(begun, 1) == b"", "nobody is left who could write: the child has ended"
    for end in (read, write, begun):
        os.close(end)


@pytest.mark.parametrize("which", ["journal", "busy"])
def test_a_fork_while_another_thread_holds_a_lock(delivery: Delivery, ledger: Path, which: str) -> None:
    """The fork waits for a bounded time only, and the child's new locks are free."""
    delivery.put(make_event("parent"))
    delivery.flush(PATIENCE_SECONDS)
    lock = delivery._journal.lock if which == "journal" else delivery._shipper.busy
    lock.patience_seconds = 0.02
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            let_go.wait(PATIENCE_SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE_SECONDS)

    def child() -> None:
        delivery.put(make_event("child"))
        assert delivery.close(PATIENCE_SECONDS) == 0

    assert exit_status(fork(child)) == 0
    assert not lock.take_for_fork(), "the fork must not let go of a lock that another thread holds"
    let_go.set()
    holder.join(PATIENCE_SECONDS)
    assert lock.take_for_fork(), "held still, or let go of by somebody else before"
    lock.give_back()
    assert delivery.close(PATIENCE_SECONDS) == 0
    assert kept_in(ledger) == ["child", "parent"]


def test_forks_while_threads_put(delivery: Delivery, ledger: Path) -> None:
    """Children forked in the middle of other threads' puts, and the parent, deliver everything once."""
    stop = threading.Event()
    counts = [0, 0]

    def work(thread: int) -> None:
        while not stop.is_set():
            delivery.put(make_event(f"parent-{thread}-{counts[thread]:06}"))
            counts[thread] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()

    def child() -> None:
        for number in range(20):
            delivery.put(make_event(f"child-{os.getpid()}-{number:02}"))
        assert delivery.close(PATIENCE_SECONDS) == 0

    children = [fork(child) for _ in range(8)]
    assert [exit_status(pid) for pid in children] == [0] * 8
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert delivery.close(PATIENCE_SECONDS) == 0
    expected = [f"parent-{thread}-{number:06}" for thread in range(2) for number in range(counts[thread])]
    expected += [f"child-{pid}-{number:02}" for pid in children for number in range(20)]
    assert kept_in(ledger) == sorted(expected)


def test_a_closed_delivery_stays_closed_in_a_child(tmp_path: Path, delivery: Delivery, ledger: Path) -> None:
    """A record that a child puts after its parent has closed is on disk for the next start."""
    delivery.put(make_event("parent"))
    delivery.close(PATIENCE_SECONDS)
    assert exit_status(fork(lambda: delivery.put(make_event("child")))) == 0
    deliver_rest(tmp_path / "journals", ledger)
    assert kept_in(ledger) == ["child", "parent"]


def test_workers_of_a_master_that_has_delivered_already(tmp_path: Path, ledger: Path) -> None:
    """As under gunicorn: workers forked after the first delivery and killed at the end lose nothing."""
    folder = tmp_path / "journals"
    run_program("pre_fork", folder, ledger, 100)
    deliver_rest(folder, ledger)
    kept = kept_in(ledger)
    assert len(kept) == 401
    workers = {name.split("-")[0] for name in kept}
    assert len(workers) == 4
    assert len(set(kept)) == 401


def _put_in_worker(folder: Path, ledger: Path, name: str) -> None:
    delivery = Delivery(lambda: SqliteLedger(ledger), folder=folder, flush_interval_seconds=NEVER_SECONDS)
    for number in range(50):
        delivery.put(make_event(f"{name}-{number:02}"))


_inherited: list[Delivery] = []


def _put_through_inherited(name: str) -> None:
    for number in range(50):
        _inherited[0].put(make_event(f"{name}-{number:02}"))


def test_multiprocessing_spawn(tmp_path: Path, ledger: Path) -> None:
    """Spawned workers, which end without exit handlers, leave everything to the next start."""
    context = multiprocessing.get_context("spawn")
    names = ["one", "two"]
    workers = [context.Process(target=_put_in_worker, args=(tmp_path / "journals", ledger, name)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_SECONDS)
        assert worker.exitcode == 0
    deliver_rest(tmp_path / "journals", ledger)
    assert kept_in(ledger) == [f"{name}-{number:02}" for name in names for number in range(50)]


def test_multiprocessing_fork(delivery: Delivery, ledger: Path) -> None:
    """Workers that use the delivery they inherited leave everything to the parent."""
    context = multiprocessing.get_context("fork")
    delivery.put(make_event("parent"))
    _inherited.append(delivery)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what this test is about
            workers = [context.Process(target=_put_through_inherited, args=(name,)) for name in ("one", "two")]
            for worker in workers:
                worker.start()
        for worker in workers:
            worker.join(PATIENCE_SECONDS)
            assert worker.exitcode == 0
        delivery.adopt(PATIENCE_SECONDS)
        assert delivery.close(PATIENCE_SECONDS) == 0
    finally:
        _inherited.clear()
    expected = [f"{name}-{number:02}" for name in ("one", "two") for number in range(50)]
    assert kept_in(ledger) == sorted([*expected, "parent"])
