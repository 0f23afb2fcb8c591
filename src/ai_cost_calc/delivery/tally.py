"""What became of the records: counts that a user can see."""

from __future__ import annotations

import threading
from collections import Counter

import msgspec


class DeliveryStats(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the records of this process, and of those it adopted.

    Attributes:
        delivered: kept by the ledger, and new to it.
        duplicates: the ledger had them already.
        waiting: on disk or in memory, not delivered yet.
        quarantined: set aside in `quarantine.jsonl`, because the ledger can never take them or they cannot be read.
        dropped: lost, by reason: `memory_full`, the disk failed and the memory queue was full; `torn`, a process died
            while it wrote, before the call that made the record returned; `closed`, put after `close` with nowhere to
            keep it.
    """

    delivered: int = 0
    duplicates: int = 0
    waiting: int = 0
    quarantined: int = 0
    dropped: dict[str, int] = msgspec.field(default_factory=dict)


class Tally:
    """Counts that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant, as in the shipper
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count `delivered`, `duplicates`, `quarantined` or `adopted`."""
        with self._lock:
            self._counts[name] += amount

    def drop(self, reason: str, amount: int = 1) -> None:
        """Count records that are lost."""
        with self._lock:
            self._dropped[reason] += amount

    def count(self, name: str) -> int:
        """How often `name` was counted."""
        return self._counts[name]

    def stats(self, waiting: int) -> DeliveryStats:
        """A picture of this moment."""
        with self._lock:
            return DeliveryStats(
                delivered=self._counts["delivered"],
                duplicates=self._counts["duplicates"],
                waiting=waiting,
                quarantined=self._counts["quarantined"],
                dropped=dict(self._dropped),
            )
