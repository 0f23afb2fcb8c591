"""Whatever happens between a `put` that returned and the ledger, the record is counted there once.

Each example is a series of processes, really forked, that share a folder and a ledger. They put, flush and close while
the ledger fails in all its ways, and end by being killed, by just ending, or by closing; between them, the end of a
journal is torn as a crash may tear it.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery import Delivery, backlog
from ai_cost_calc.delivery.courier import FAULT_ATTEMPTS
from ai_cost_calc.delivery.lines import encode
from ai_cost_calc.delivery.segment import journals
from ai_cost_calc.errors import LedgerUnavailable
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from tests.delivery.support import PATIENCE_SECONDS, deliver_rest, exit_status, fork, kept_in, make_event

Trouble = Literal["none", "down", "answer lost", "broken"]
Ending = Literal["killed", "ended", "closed", "closed, then late"]


class Step(msgspec.Struct, frozen=True):
    """Some puts, and what the ledger does for the next appends, then perhaps a flush."""

    puts: int
    troubles: list[Trouble]
    flush: bool


class Life(msgspec.Struct, frozen=True):
    """One process."""

    steps: list[Step]
    ending: Ending
    segment_bytes: int
    batch_size: int
    torn: int


class FailingLedger(SqliteLedger):
    """A SQLite ledger that fails as it is told to: before it keeps the records, or after."""

    def __init__(self, path: Path, troubles: list[Trouble]) -> None:
        super().__init__(path)
        self._troubles = troubles

    def append(self, records: Sequence[Record], /) -> int:
        """Fail as told, or keep the records."""
        trouble = self._troubles.pop(0) if self._troubles else "none"
        if trouble == "down":
            raise LedgerUnavailable("HTTP 503")
        if trouble == "broken":
            raise RuntimeError("a bug")
        new = super().append(records)
        if trouble == "answer lost":
            raise LedgerUnavailable("the connection broke after the records were kept")
        return new


def _live(life: Life, name: str, folder: Path, ledger: Path, returned: int) -> None:
    """Be that process; tell `returned` each id whose `put` has returned."""
    troubles: list[Trouble] = []
    delivery = Delivery(
        lambda: FailingLedger(ledger, troubles),
        folder=folder,
        batch_size=life.batch_size,
        segment_bytes=life.segment_bytes,
        flush_interval_seconds=0.0005,
        wait=lambda event, seconds: event.wait(min(seconds, 0.0005)),
    )
    count = 0

    def put(times: int) -> None:
        nonlocal count
        for _ in range(times):
            delivery.put(make_event(f"{name}-{count:03}"))
            os.write(returned, f"{name}-{count:03}\n".encode())
            count += 1

    for step in life.steps:
        troubles[:] = step.troubles
        put(step.puts)
        if step.flush:
            assert delivery.flush(PATIENCE_SECONDS) == 0
    if life.ending == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if life.ending.startswith("closed"):
        delivery.close(0.01)
    if life.ending == "closed, then late":
        put(3)


def _tear(folder: Path, size: int) -> None:
    """Leave what a crash in the middle of a write leaves: the beginning of a record."""
    line = encode(make_event("never-returned"))
    for path in journals(folder)[-1:]:
        with path.open("ab") as file:
            file.write(line[: size % len(line)])


def _is_bearable(life: Life) -> bool:
    """A bug that stays is blamed on a record in the end; here none is to blame."""
    return sum(step.troubles.count("broken") for step in life.steps) < FAULT_ATTEMPTS


steps = st.builds(
    Step,
    puts=st.integers(0, 40),
    troubles=st.lists(st.sampled_from(["none", "down", "answer lost", "broken"]), max_size=4),
    flush=st.booleans(),
)
lives = st.builds(
    Life,
    steps=st.lists(steps, min_size=1, max_size=3),
    ending=st.sampled_from(["killed", "ended", "closed", "closed, then late"]),
    segment_bytes=st.sampled_from([1, 2000, 1 << 20]),
    batch_size=st.sampled_from([1, 7, 500]),
    torn=st.integers(0, 1000),
).filter(_is_bearable)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lives, min_size=1, max_size=4))
def test_every_record_whose_put_returned_is_counted_once(series: list[Life]) -> None:
    """In any series of lives, troubles and deaths, the ledger ends with exactly the records whose `put` returned."""
    with tempfile.TemporaryDirectory() as name:
        folder, ledger = Path(name) / "journals", Path(name) / "ledger.db"
        read, write = os.pipe()
        SqliteLedger(ledger).close()
        for number, life in enumerate(series):
            status = exit_status(fork(partial(_live, life, str(number), folder, ledger, write)))
            assert status == (-signal.SIGKILL if life.ending == "killed" else 0)
            _tear(folder, life.torn)
        os.close(write)
        with os.fdopen(read) as pipe:
            returned = pipe.read().split()
        deliver_rest(folder, ledger)
        assert kept_in(ledger) == sorted(returned)
        assert backlog(folder) == 0
        assert not (folder / "quarantine.jsonl").exists()
