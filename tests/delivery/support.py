"""What delivery tests share: records, a ledger that fails as it is told to, and processes that really die."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ai_cost_calc.core.event import Record, UsageEvent
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.delivery import Delivery
from ai_cost_calc.delivery.journal import Journal
from ai_cost_calc.delivery.lines import encode
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import SpendQuery

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE_SECONDS = 60.0
"""How long a test waits for something that must happen; reached only when it fails."""
NEVER_SECONDS = 3600.0
"""An interval at which nothing happens by itself."""


def make_event(name: object, **fields: Any) -> UsageEvent:
    """A usage event with this id."""
    fields = {"at": 1_763_900_000_000_000, "customer_id": "acme", "cost_nanos": 250_000, **fields}
    return UsageEvent(id=str(name), usage=Usage(input_tokens=1200, output_tokens=300), **fields)


def make_events(names: Iterable[object]) -> list[UsageEvent]:
    """One event per name."""
    return [make_event(name) for name in names]


class ScriptedLedger:
    """A ledger in memory whose answers can be scripted.

    Attributes:
        kept: every record by id, in the order they came.
        appends: the size of every batch it was given.
        failures: what the next appends raise, one each.
        refuse: says why a record can never be kept, or `None`.
        gate: appends wait here while it is not set.
        entered: set once an append has begun.
        closed: how often it was closed.
    """

    def __init__(
        self, failures: Iterable[Exception] = (), refuse: Callable[[Record], Exception | None] | None = None
    ) -> None:
        self.kept: dict[str, Record] = {}
        self.appends: list[int] = []
        self.failures = list(failures)
        self.refuse = refuse
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = 0

    def append(self, records: Sequence[Record], /) -> int:
        """Keep the records, unless the script says otherwise."""
        self.entered.set()
        self.gate.wait(PATIENCE_SECONDS)
        self.appends.append(len(records))
        if self.failures:
            raise self.failures.pop(0)
        refusals = [self.refuse(record) for record in records] if self.refuse else []
        for refusal in filter(None, refusals):
            raise refusal
        new = {record.id: record for record in records if record.id not in self.kept}
        self.kept |= new
        return len(new)

    def spend(self, query: Any, /) -> list[Any]:
        """Not asked for by delivery."""
        raise AssertionError("delivery appends, and nothing else")

    def events(self, query: Any, /, *, limit: int = 100, after: str | None = None) -> list[UsageEvent]:
        """Not asked for by delivery."""
        raise AssertionError("delivery appends, and nothing else")

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def kept_in(path: Path) -> list[str]:
    """The ids of the usage events in a SQLite ledger, sorted; checks that its sums count each once."""
    ledger = SqliteLedger(path)
    try:
        events = ledger.events(SpendQuery(), limit=1_000_000)
        totals = ledger.spend(SpendQuery())
    finally:
        ledger.close()
    assert sum(row.calls for row in totals) == len(events)
    return sorted(event.id for event in events)


def open_descriptors() -> set[str]:
    """The numbers of the files that this process has open, once garbage is out of the way."""
    gc.collect()
    return {path.name for path in Path("/dev/fd").iterdir()}


def leave_behind(folder: Path, names: Iterable[object]) -> None:
    """Records on disk whose process is gone."""
    journal = Journal(folder, clock=lambda: 1_763_900_000.0)
    for event in make_events(names):
        journal.append_late(encode(event) + b"\n")


def deliver_rest(folder: Path, ledger: Path) -> Delivery:
    """The next start: adopt and deliver whatever dead processes left in `folder`. Returns it closed."""
    delivery = Delivery(lambda: SqliteLedger(ledger), folder=folder, flush_interval_seconds=NEVER_SECONDS)
    delivery.adopt(PATIENCE_SECONDS)
    delivery.close(PATIENCE_SECONDS)
    return delivery


def start_program(*arguments: object) -> subprocess.Popen[str]:
    """Run `program.py` in a process of its own, with pipes for its input and output."""
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run_program(*arguments: object) -> str:
    """Run `program.py` to its end and return what it printed."""
    with start_program(*arguments) as process:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    return out


def fork(child: Callable[[], None]) -> int:
    """Run `child` in a forked process, which then ends at once; returns its pid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what these tests are about
        pid = os.fork()
    if not pid:
        _run_and_die(child)
    return pid


def _run_and_die(child: Callable[[], None]) -> NoReturn:
    signal.alarm(int(PATIENCE_SECONDS))  # a child that hangs must not outlive the test
    try:
        child()
    except BaseException as exc:  # noqa: BLE001 - the parent asserts the exit status
        os.write(2, f"in the child: {exc!r}\n".encode())
        os._exit(1)
    os._exit(0)


def exit_status(pid: int) -> int:
    """Wait for a child; 0 when all went well, the negative signal when it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
