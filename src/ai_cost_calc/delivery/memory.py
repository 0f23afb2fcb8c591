"""Where records wait that are not on disk: by choice, or because the disk fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery.lines import encode
from ai_cost_calc.delivery.tally import Tally


class MemoryQueue:
    """A bounded queue. Any thread may put; one takes.

    Args:
        limit: how many records it holds; what comes on top is dropped and counted.
    """

    def __init__(self, limit: int, tally: Tally) -> None:
        self._limit = limit
        self._tally = tally
        self._records: deque[Record] = deque()
        self._in_hand: list[Record] = []

    def put(self, record: Record) -> None:
        """Keep a record, or count it as dropped."""
        if len(self._records) + len(self._in_hand) < self._limit:
            self._records.append(record)
        else:
            self._tally.drop("memory_full")

    def take(self, most: int) -> list[Record]:
        """The oldest records; they count as waiting until `done` or `put_back`."""
        self._in_hand = [self._records.popleft() for _ in range(min(most, len(self._records)))]
        return self._in_hand

    def done(self) -> None:
        """What was taken is delivered."""
        self._in_hand = []

    def put_back(self) -> None:
        """What was taken could not be delivered."""
        self._records.extendleft(reversed(self._in_hand))
        self._in_hand = []

    def spill(self, write: Callable[[bytes], None]) -> None:
        """Move records to where `write` puts them, as long as it works."""
        while self._records:
            record = self._records.popleft()
            try:
                write(encode(record) + b"\n")
            except Exception:  # noqa: BLE001 - the disk still fails, or this record has no JSON form: it stays here
                self._records.appendleft(record)
                return

    def clear(self) -> int:
        """Give everything up; returns how many records that were."""
        waiting = len(self)
        self._records.clear()
        self._in_hand = []
        return waiting

    def __len__(self) -> int:
        """How many records wait."""
        return len(self._records) + len(self._in_hand)
