"""What carries records from the journal to the ledger: one daemon thread a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_cost_calc.delivery import lifecycle
from ai_cost_calc.delivery.journal import Journal
from ai_cost_calc.delivery.memory import MemoryQueue
from ai_cost_calc.delivery.quarantine import Quarantine
from ai_cost_calc.delivery.requests import Requests
from ai_cost_calc.delivery.tally import Tally
from ai_cost_calc.forks import ForkLock
from ai_cost_calc.ports.ledgers import Ledger

if TYPE_CHECKING:
    from ai_cost_calc.delivery.courier import Courier
    from ai_cost_calc.delivery.rounds import Rounds

Wait = Callable[[threading.Event, float], object]
"""Waits for an event, at most so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once, and how often."""

    batch_size: int = 500
    """Records in one append to the ledger."""
    interval_seconds: float = 1.0
    """How long the shipper rests when nothing is asked of it."""
    segment_bytes: int = 8 << 20
    """The size at which a new journal file is begun."""
    adopt_interval_seconds: float = 30.0
    """How often it looks for journals of dead processes."""


class Shipper:
    """Delivers what the journal and the memory queue hold, then what dead processes left.

    The call path never wakes it: it looks for itself. All reading, delivering and deleting happens in its one thread,
    so a ledger that hangs holds up nothing else.
    """

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        journal: Journal,
        queue: MemoryQueue,
        *,
        tally: Tally,
        pace: Pace,
        clock: Callable[[], float],
        wait: Wait,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        self.busy = ForkLock()
        """Held while modules are imported and while the ledger's code runs."""
        self.flushes = Requests()
        self.adoptions = Requests()
        self._open_ledger = open_ledger
        self._journal = journal
        self._queue = queue
        self._tally = tally
        self._pace = pace
        self._clock = clock
        self._wait = wait
        self._on_fault = on_fault
        self._courier: Courier | None = None
        self._rounds: Rounds | None = None
        self._thread: threading.Thread | None = None
        # Reentrant: a signal handler or a finalizer may put a record in the middle of a start.
        self._starting = threading.RLock()
        self._is_starting = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._retired = False
        self._adopt_at = float("-inf")

    @property
    def is_running(self) -> bool:
        """Whether there is a thread that delivers."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> bool:
        """Make sure that the thread runs. False when it cannot: stopped, or the interpreter is shutting down."""
        with self._starting:
            if self._stopping():
                return False
            if self._is_starting:
                return True
            self._is_starting = True
            try:
                return self.is_running or self._start_thread()
            finally:
                self._is_starting = False

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._run, name="ai-cost-calc-shipper", daemon=True)
        lifecycle.running.add(self)
        try:
            thread.start()
        except RuntimeError as exc:
            lifecycle.running.discard(self)
            self._on_fault("shipper", exc)
            return False
        self._thread = thread
        return True

    def hurry(self) -> None:
        """Deliver now: memory fills up faster than the interval allows for."""
        self._wake.set()

    def ask(self, requests: Requests, timeout: float) -> bool:
        """Ask for a flush or an adoption and wait until it is done; False when the time is over."""
        if not self.start():
            return False
        ticket = requests.ask()
        self._wake.set()
        return requests.wait(ticket, timeout)

    def stop(self, timeout: float) -> None:
        """End the thread, after what it is doing now; a ledger that hangs is left alone when the time is over."""
        self._stop.set()
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, timeout))

    def retire(self) -> None:
        """End at the next turn. Takes no lock: it is called by the garbage collector, in any thread at any point."""
        self._retired = True

    def _stopping(self) -> bool:
        return self._retired or self._stop.is_set()

    def _run(self) -> None:
        try:
            courier, rounds = self._load()
            while not self._stopping():
                done = self._turn(rounds)
                if not (done and (self.flushes.pending or self.adoptions.pending)):
                    self._rest(self._pace.interval_seconds)
            self._end(courier, rounds)
        except BaseException as exc:  # noqa: BLE001 - what could not be delivered is on disk
            self._on_fault("shipper", exc)
        finally:
            lifecycle.running.discard(self)

    def _load(self) -> tuple[Courier, Rounds]:
        with self.busy:
            from ai_cost_calc.delivery.courier import Courier  # noqa: PLC0415 - imports tenacity, off the call path
            from ai_cost_calc.delivery.rounds import Rounds  # noqa: PLC0415

            quarantine = Quarantine(self._journal.folder, clock=self._clock, tally=self._tally)
            self._courier = courier = Courier(
                self._open_ledger,
                quarantine=quarantine,
                tally=self._tally,
                on_fault=self._on_fault,
                pause=self._pause,
                stopping=self._stopping,
                busy=self.busy,
            )
            self._rounds = rounds = Rounds(
                self._journal,
                self._queue,
                courier,
                quarantine=quarantine,
                tally=self._tally,
                on_fault=self._on_fault,
                batch_size=self._pace.batch_size,
                segment_bytes=self._pace.segment_bytes,
            )
        return courier, rounds

    def _turn(self, rounds: Rounds) -> bool:
        """Deliver everything that is there now. False when a part of it could not be."""
        flushes, adoptions = self.flushes.asked, self.adoptions.asked
        try:
            rounds.deliver_own()
            self.flushes.answer(flushes)
            if self.adoptions.pending or self._clock() >= self._adopt_at:
                self._adopt(rounds, adoptions)
        except BaseException as exc:  # noqa: BLE001 - without this thread nothing is delivered; it tries again
            if not self._stopping():
                self._on_fault("shipper", exc)
            return False
        return True

    def _adopt(self, rounds: Rounds, adoptions: int) -> None:
        if rounds.deliver_orphans(interrupted=lambda: self.flushes.pending or self._stopping()):
            self._adopt_at = self._clock() + self._pace.adopt_interval_seconds
            self.adoptions.answer(adoptions)

    def _rest(self, seconds: float) -> None:
        if not self._stopping():  # the wake-up of a stop may have been used up by a pause between two attempts
            self._wait(self._wake, seconds)
        self._wake.clear()

    def _pause(self, seconds: float, *, firm: bool) -> None:
        """Between two attempts. Whoever flushes is worth an early attempt, unless the ledger named the time."""
        if self._rounds is not None:
            self._rounds.spill()
        if firm:
            self._wait(self._stop, seconds)
        else:
            self._rest(seconds)

    def _end(self, courier: Courier, rounds: Rounds) -> None:
        self._journal.stop()
        if self._retired or not self._journal.waiting():
            with suppress(Exception):  # what is left is on disk
                rounds.deliver_own()
        self._journal.release()
        courier.close()
