"""The way of a record from the call path to the ledger: a journal on disk, and a thread that carries it on.

Imports `config`, `ports`, `core` and `errors`.
"""

from __future__ import annotations

import errno
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Final

from ai_cost_calc.config import Durability
from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery import lifecycle
from ai_cost_calc.delivery.journal import Journal
from ai_cost_calc.delivery.lines import encode
from ai_cost_calc.delivery.locks import SUPPORTED
from ai_cost_calc.delivery.memory import MemoryQueue
from ai_cost_calc.delivery.segment import backlog
from ai_cost_calc.delivery.shipper import Pace, Shipper, Wait
from ai_cost_calc.delivery.tally import DeliveryStats, Tally
from ai_cost_calc.forks import ForkLock
from ai_cost_calc.ports.ledgers import Ledger

__all__ = ["Delivery", "DeliveryStats", "backlog"]

_FLUSH_SHARE: Final = 0.9
"""The share of the time to close that goes to flushing; the rest is for the thread to end."""

OnFault = Callable[[str, BaseException], None]


class Delivery:
    """Takes records on the call path and brings each to the ledger once, whatever happens to the process.

    `put` never raises and never waits for a network. A record whose `put` has returned survives a killed process
    (`durability="process"`) or a crashed machine (`"disk"`), and is delivered by this process or by the next one that
    shares the folder. Delivering the same record twice is possible after a crash; the ledger counts it once, by its id.

    Every process has its own journal and thread; so has a forked child, from its first `put`. The folder must be on a
    local disk. On Windows, where an open file can be neither locked for life nor renamed, records wait in memory only.

    Args:
        open_ledger: opens the ledger; called once per process, in the thread that delivers, which closes it too.
        folder: where journals and `quarantine.jsonl` are kept; shared by the processes of one application.
        durability: `none` keeps records in memory, `process` writes them, `disk` also waits for the disk.
        clock: unix seconds.
        on_fault: told of every fault of ours and of the ledger's: where it happened, and what.
        batch_size: records in one append to the ledger.
        flush_interval_seconds: how long records may wait before they are delivered.
        memory_limit: how many records are kept in memory when the disk fails; more are dropped and counted.
        segment_bytes: the size at which a new journal file is begun.
        adopt_interval_seconds: how often journals of dead processes are looked for.
        wait: waits for an event, at most so many seconds.
    """

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        *,
        folder: Path,
        durability: Durability = "process",
        clock: Callable[[], float] = time.time,
        on_fault: OnFault = lambda _where, _error: None,
        batch_size: int = 500,
        flush_interval_seconds: float = 1.0,
        memory_limit: int = 10_000,
        segment_bytes: int = 8 << 20,
        adopt_interval_seconds: float = 30.0,
        wait: Wait = Event.wait,
    ) -> None:
        self._open_ledger = open_ledger
        self._on_disk = durability != "none" and SUPPORTED
        self._clock = clock
        self._wait = wait
        self._fault = _quiet(on_fault)
        self._memory_limit = memory_limit
        self._pace = Pace(
            batch_size=batch_size,
            interval_seconds=flush_interval_seconds,
            segment_bytes=segment_bytes,
            adopt_interval_seconds=adopt_interval_seconds,
        )
        self._journal = Journal(folder, clock=clock, synced=durability == "disk")
        self._append = self._journal.append_synced if durability == "disk" else self._journal.append
        self._closed = False
        self._set_up()
        lifecycle.watch(self)

    def _set_up(self) -> None:
        self._tally = Tally()
        self._queue = MemoryQueue(self._memory_limit, self._tally)
        self._shipper = Shipper(
            self._open_ledger,
            self._journal,
            self._queue,
            tally=self._tally,
            pace=self._pace,
            clock=self._clock,
            wait=self._wait,
            on_fault=self._fault,
        )
        self._finalizer = weakref.finalize(self, self._shipper.retire)
        self._finalizer.atexit = False

    def put(self, record: Record) -> None:
        """Take a record. Once this returns it is kept as `durability` says; it never raises."""
        try:
            if self._on_disk:
                self._append(encode(record) + b"\n")
            else:
                self._remember(record)
        except Exception as exc:  # noqa: BLE001 - whatever happens, the caller's call goes on
            self._put_otherwise(record, exc)

    def _put_otherwise(self, record: Record, error: Exception) -> None:
        """No journal is open yet or any more, or the disk fails."""
        try:
            if isinstance(error, OSError) and error.errno == errno.EBADF:
                self._begin(encode(record) + b"\n")
                return
        except Exception as exc:  # noqa: BLE001 - as in `put`
            error = exc
        self._fault("journal", error)
        self._remember(record)

    def _begin(self, line: bytes) -> None:
        if not (self._shipper.start() and self._journal.append_first(line)):
            self._journal.append_late(line)

    def _remember(self, record: Record) -> None:
        if self._closed:
            self._tally.drop("closed")
            return
        self._queue.put(record)
        running = self._shipper.is_running or self._shipper.start()
        if running and len(self._queue) > self._memory_limit // 2:
            self._shipper.hurry()

    def adopt(self, timeout: float) -> int:
        """Deliver the journals of dead processes now, waiting at most `timeout` seconds.

        Returns:
            How many records were delivered from them.
        """
        if not self._shipper.is_running and not self._journal.orphans():
            return 0
        before = self._tally.count("adopted")
        self._shipper.ask(self._shipper.adoptions, timeout)
        return self._tally.count("adopted") - before

    def flush(self, timeout: float) -> int:
        """Wait until everything put so far is delivered, at most `timeout` seconds.

        Returns:
            How many records are left; they go on waiting.
        """
        if not self._waiting() or self._shipper.ask(self._shipper.flushes, timeout):
            return 0
        return self._waiting()

    def close(self, timeout: float = lifecycle.EXIT_SECONDS) -> int:
        """Flush, then stop, within `timeout` seconds; closing twice is fine.

        A record put later is still written to disk, for the next start to deliver.

        Returns:
            How many records are left; on disk, they are delivered by the next start.
        """
        end = time.monotonic() + timeout
        self._closed = True
        try:
            self._journal.stop()
        except OSError as exc:
            self._fault("journal", exc)
        left = self.flush(_FLUSH_SHARE * timeout)
        self._shipper.stop(end - time.monotonic())
        self._leave_memory()
        return left

    def _leave_memory(self) -> None:
        self._queue.put_back()
        if self._on_disk:
            self._queue.spill(self._journal.append_late)
        if left := self._queue.clear():
            self._tally.drop("closed", left)

    def stats(self) -> DeliveryStats:
        """What became of the records so far."""
        return self._tally.stats(self._waiting() + self._journal.waiting_adopted())

    def _waiting(self) -> int:
        return self._journal.waiting() + len(self._queue)

    def after_fork_in_child(self) -> None:
        """The parent delivers what was put before the fork; the child starts with nothing, and with its own ledger."""
        self._finalizer.detach()
        self._journal.after_fork_in_child()
        self._set_up()

    def fork_locks(self) -> tuple[ForkLock, ...]:
        """What a fork waits for: descriptors that are being opened, and the ledger's code."""
        return self._journal.lock, self._shipper.busy


def _quiet(on_fault: OnFault) -> OnFault:
    def report(where: str, error: BaseException) -> None:
        with suppress(Exception):
            on_fault(where, error)

    return report
