"""A program that uses a delivery and then ends in one of many ways. Run by tests, in a process of its own.

`python program.py COMMAND FOLDER LEDGER [COUNT]`
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai_cost_calc.delivery import Delivery
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from tests.delivery.support import NEVER_SECONDS, PATIENCE_SECONDS, ScriptedLedger, fork, make_event


def _deliver_to(ledger: Path, folder: Path, interval: float = 0.001) -> Delivery:
    return Delivery(lambda: SqliteLedger(ledger), folder=folder, batch_size=50, flush_interval_seconds=interval)


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def put_and_wait(folder: Path, ledger: Path, count: int) -> None:
    """Put `count` records, say so, and wait to be killed. Meanwhile some are delivered already."""
    delivery = _deliver_to(ledger, folder)
    for number in range(count):
        delivery.put(make_event(f"{number:05}"))
    _say("returned")
    threading.Event().wait()


def put_for_ever(folder: Path, ledger: Path, count: int) -> None:
    """Put records until killed, saying each one's id after `put` has returned."""
    delivery = _deliver_to(ledger, folder, interval=0.0005 if count else NEVER_SECONDS)
    number = 0
    while True:
        delivery.put(make_event(f"{number:07}"))
        os.write(1, f"{number:07}\n".encode())
        number += 1


def put_and_exit(folder: Path, ledger: Path, count: int) -> None:
    """Put `count` records and return from `main`, dropping the delivery there."""
    delivery = _deliver_to(ledger, folder, NEVER_SECONDS)
    for number in range(count):
        delivery.put(make_event(f"{number:05}"))


_held: list[Delivery] = []


def put_and_exit_holding(folder: Path, ledger: Path, count: int) -> None:
    """Put `count` records into a delivery that a module holds to the end, as most programs do."""
    _held.append(_deliver_to(ledger, folder, NEVER_SECONDS))
    for number in range(count):
        _held[0].put(make_event(f"{number:05}"))


def put_and_underscore_exit(folder: Path, ledger: Path, count: int) -> None:
    """Put `count` records and end without any clean-up."""
    put_and_exit(folder, ledger, count)
    os._exit(0)


def put_in_exit_handler(folder: Path, ledger: Path, count: int) -> None:
    """Put `count` records while the interpreter shuts down."""
    import atexit  # noqa: PLC0415 - registered before the delivery's own handler, so it runs after that

    def put_late() -> None:
        for number in range(count):
            made[0].put(make_event(f"{number:05}"))

    made: list[Delivery] = []
    atexit.register(put_late)
    made.append(_deliver_to(ledger, folder, NEVER_SECONDS))


def exit_with_hung_ledger(folder: Path, ledger: Path, count: int) -> None:
    """Return from `main` while the ledger does not answer."""
    del ledger
    hung = ScriptedLedger()
    hung.gate.clear()
    delivery = Delivery(lambda: hung, folder=folder, flush_interval_seconds=0.001)
    for number in range(count):
        delivery.put(make_event(f"{number:05}"))
    assert hung.entered.wait(PATIENCE_SECONDS)
    _say("leaving")


def adopt(folder: Path, ledger: Path, count: int) -> None:
    """When told to on the input, deliver what dead processes left; say how much was new and how much was not."""
    del count
    delivery = _deliver_to(ledger, folder, NEVER_SECONDS)
    _say("ready")
    sys.stdin.readline()
    delivery.adopt(PATIENCE_SECONDS)
    stats = delivery.stats()
    _say(f"{stats.delivered} {stats.duplicates}")


def fill_the_disk(folder: Path, ledger: Path, count: int) -> None:
    """Put `count` records where no file may grow beyond what a few of them take; say what became of them."""
    books = ScriptedLedger()
    books.gate.clear()
    faults: list[str] = []
    delivery = Delivery(
        lambda: books,
        folder=folder,
        flush_interval_seconds=NEVER_SECONDS,
        memory_limit=count // 2,
        on_fault=lambda where, error: faults.append(f"{where} {type(error).__name__} {getattr(error, 'errno', None)}"),
    )
    delivery.put(make_event("first"))
    delivery.flush(0)
    assert books.entered.wait(PATIENCE_SECONDS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    for number in range(count):
        delivery.put(make_event(f"{number:05}"))
    books.gate.set()
    left = delivery.flush(PATIENCE_SECONDS)
    stats = delivery.stats()
    _say(f"{left} {len(books.kept)} {stats.dropped['memory_full']} {stats.quarantined} {stats.dropped.get('torn', 0)}")
    _say(",".join(sorted(set(faults))))
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )  # coverage is saved at exit


def pre_fork(folder: Path, ledger: Path, count: int) -> None:
    """A master that has delivered already forks workers, as gunicorn does; they and it put `count` records each."""
    delivery = _deliver_to(ledger, folder)
    delivery.put(make_event("master-early"))
    delivery.flush(PATIENCE_SECONDS)

    def work() -> None:
        for number in range(count):
            delivery.put(make_event(f"{os.getpid()}-{number:05}"))
        os.kill(os.getpid(), signal.SIGKILL)

    workers = [fork(work) for _ in range(3)]
    for number in range(count):
        delivery.put(make_event(f"master-{number:05}"))
    for worker in workers:
        os.waitpid(worker, 0)
    delivery.close(PATIENCE_SECONDS)


if __name__ == "__main__":
    command, in_folder, to_ledger, *rest = sys.argv[1:]
    globals()[command](Path(in_folder), Path(to_ledger), int(rest[0]) if rest else 0)
