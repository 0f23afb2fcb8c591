"""One round after another over everything that waits: read, hand to the courier, acknowledge, delete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ai_cost_calc.delivery.courier import Courier
from ai_cost_calc.delivery.journal import Journal
from ai_cost_calc.delivery.lines import decode
from ai_cost_calc.delivery.memory import MemoryQueue
from ai_cost_calc.delivery.quarantine import Quarantine
from ai_cost_calc.delivery.segment import Segment
from ai_cost_calc.delivery.tally import Tally


class Rounds:
    """Delivers journal files and the memory queue. Used by one thread.

    Args:
        batch_size: records in one append to the ledger.
        segment_bytes: the size at which a new journal file is begun, so that delivered ones can be deleted.
    """

    def __init__(
        self,
        journal: Journal,
        queue: MemoryQueue,
        courier: Courier,
        *,
        quarantine: Quarantine,
        tally: Tally,
        on_fault: Callable[[str, BaseException], None],
        batch_size: int,
        segment_bytes: int,
    ) -> None:
        self._journal = journal
        self._queue = queue
        self._courier = courier
        self._quarantine = quarantine
        self._tally = tally
        self._on_fault = on_fault
        self._batch_size = batch_size
        self._segment_bytes = segment_bytes

    def deliver_own(self) -> None:
        """Deliver what this process has put until now.

        Raises:
            Exception: some of it could not be delivered or deleted, and waits where it was.
        """
        self._journal.disown_foreign()
        self.spill()
        self._deliver_files()
        self._deliver_queue()
        live = self._journal.live
        if live is not None and (live.size >= self._segment_bytes or live.deleted):
            self._journal.rotate()

    def deliver_orphans(self, *, interrupted: Callable[[], bool]) -> bool:
        """Deliver and delete what dead processes left, until there is something more urgent.

        Returns:
            Whether it went through all of it; files that cannot be read are reported and left alone.
        """
        for path in self._journal.orphans():
            try:
                self._deliver_orphan(path, interrupted)
            except OSError as exc:
                self._on_fault("adoption", exc)
            if interrupted():
                return False
        return True

    def spill(self) -> None:
        """Back to disk with what waits in memory, as soon as the disk works again."""
        if self._journal.live is not None:
            self._queue.spill(self._journal.append)

    def _deliver_files(self) -> None:
        """One file that cannot be read or deleted does not hold up the others."""
        failures = []
        for segment in self._journal.own():
            try:
                self._deliver_file(segment)
            except OSError as exc:
                failures.append(exc)
        if failures:
            raise failures[0]

    def _deliver_orphan(self, path: Path, interrupted: Callable[[], bool]) -> None:
        if (segment := self._journal.adopt(path)) is None:
            return
        try:
            self._deliver_file(segment, interrupted)
        finally:
            self._journal.forget(segment)

    def _deliver_file(self, segment: Segment, interrupted: Callable[[], bool] = lambda: False) -> None:
        ended = segment is not self._journal.live and segment.lock()
        end = segment.size
        while segment.is_behind(end) and (lines := segment.read()):
            if interrupted():
                return
            for first in range(0, len(lines), self._batch_size):
                self._deliver_lines(segment, lines[first : first + self._batch_size])
        if ended:
            self._deliver_tail(segment.tail())
            segment.delete()
            self._journal.forget(segment)
        elif segment.deleted and segment is not self._journal.live:
            self._journal.forget(segment)  # another process was quicker to adopt it

    def _deliver_lines(self, segment: Segment, lines: list[bytes]) -> None:
        decoded = decode(lines)
        self._courier.deliver(decoded.records)
        for found, reason in decoded.unreadable:
            if not self._journal.knows_fragment(found):
                self._quarantine.keep_bytes(found, reason)
        segment.acknowledge(lines)
        if segment in self._journal.adopted:
            self._tally.add("adopted", len(lines))

    def _deliver_tail(self, tail: bytes) -> None:
        """A last line without its end: cut short by a crash or a full disk, or only just not."""
        decoded = decode([tail])
        self._courier.deliver(decoded.records)
        for found, _ in decoded.unreadable:
            if not self._journal.knows_fragment(found):
                self._tally.drop("torn")

    def _deliver_queue(self) -> None:
        for _ in range(0, len(self._queue), self._batch_size):
            try:
                self._courier.deliver(self._queue.take(self._batch_size))
            except BaseException:
                self._queue.put_back()
                raise
            self._queue.done()
