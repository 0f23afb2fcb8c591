"""Where records go that no ledger can take."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery.lines import encode
from ai_cost_calc.delivery.segment import write_whole
from ai_cost_calc.delivery.tally import Tally

FILE_NAME: Final = "quarantine.jsonl"
LONGEST_REASON: Final = 500


class Entry(msgspec.Struct, frozen=True):
    """One line of the quarantine file.

    Attributes:
        at: when it was set aside, unix seconds.
        reason: what the ledger or the reader said.
        record: the record as it is, or the text of a line that holds none.
    """

    at: float
    reason: str
    record: msgspec.Raw | str


class Quarantine:
    """Sets single records aside, each in one line of `quarantine.jsonl`, which all processes share."""

    def __init__(self, folder: Path, *, clock: Callable[[], float], tally: Tally) -> None:
        self.path = folder / FILE_NAME
        self._clock = clock
        self._tally = tally

    def keep_record(self, record: Record, reason: str) -> None:
        """Set a record aside.

        Raises:
            OSError: it could not be written; nothing is lost, for the journal still has it.
        """
        try:
            self._keep(msgspec.Raw(encode(record)), reason)
        except (TypeError, ValueError, OverflowError):
            self._keep(repr(record), reason)

    def keep_bytes(self, line: bytes, reason: str) -> None:
        """Set a line aside that holds no record; raises as `keep_record` does."""
        self._keep(line.decode(errors="backslashreplace"), reason)

    def _keep(self, record: msgspec.Raw | str, reason: str) -> None:
        entry = encode(Entry(self._clock(), reason[:LONGEST_REASON], record)) + b"\n"
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            write_whole(fd, entry)
        finally:
            os.close(fd)
        self._tally.add("quarantined")
