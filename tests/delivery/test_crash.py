"""Processes that really die: no record whose `put` returned is lost, and none is counted twice."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from ai_cost_calc.delivery import backlog
from ai_cost_calc.delivery.lifecycle import EXIT_SECONDS
from tests.delivery.support import PATIENCE_SECONDS, deliver_rest, kept_in, leave_behind, run_program, start_program

NUMBERS = [f"{number:05}" for number in range(1000)]


def _kill(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    assert process.wait(PATIENCE_SECONDS) == -number


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """After 1,000 calls and a kill, part delivered or not, the next start leaves exactly 1,000 in the ledger."""
    folder, ledger = tmp_path / "journals", tmp_path / "ledger.db"
    with start_program("put_and_wait", folder, ledger, 1000) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "returned\n"
        _kill(process, number)
    delivery = deliver_rest(folder, ledger)
    assert kept_in(ledger) == NUMBERS
    assert delivery.stats().duplicates <= 50, "more than the batch that was under way was sent again"
    assert list(folder.iterdir()) == [], "delivered journals are deleted"


@pytest.mark.parametrize("delivering", [0, 1])
def test_a_process_killed_in_the_middle_of_a_put_loses_none_that_returned(tmp_path: Path, delivering: int) -> None:
    """Killed at any moment, every record whose `put` had returned is delivered; at most the last one more."""
    folder, ledger = tmp_path / "journals", tmp_path / "ledger.db"
    for round_number in range(5):
        with start_program("put_for_ever", folder, ledger, delivering) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(200 + 133 * round_number)]
            process.kill()
            said += process.stdout.readlines()
        deliver_rest(folder, ledger)
        returned = [line.strip() for line in said if line.endswith("\n")]
        kept = kept_in(ledger)
        assert kept[: len(returned)] == returned
        assert len(kept) <= len(returned) + 1
        ledger.unlink()


@pytest.mark.parametrize("command", ["put_and_exit", "put_and_underscore_exit", "put_in_exit_handler"])
def test_a_process_that_ends_by_itself_loses_nothing(tmp_path: Path, command: str) -> None:
    """Records are delivered at exit or by the next start, also those of exit handlers and without any clean-up."""
    folder, ledger = tmp_path / "journals", tmp_path / "ledger.db"
    run_program(command, folder, ledger, 1000)
    delivery = deliver_rest(folder, ledger)
    assert kept_in(ledger) == NUMBERS
    assert delivery.stats().duplicates == 0


@pytest.mark.parametrize("command", ["put_and_exit", "put_and_exit_holding"])
def test_a_normal_exit_delivers_by_itself(tmp_path: Path, command: str) -> None:
    """A program that just ends has delivered everything and leaves no journal behind."""
    folder, ledger = tmp_path / "journals", tmp_path / "ledger.db"
    run_program(command, folder, ledger, 1000)
    assert kept_in(ledger) == NUMBERS
    assert list(folder.iterdir()) == []


def test_a_ledger_that_hangs_does_not_hold_up_exit(tmp_path: Path) -> None:
    """Exit takes no longer than its bound, and what was not delivered is delivered by the next start."""
    folder, ledger = tmp_path / "journals", tmp_path / "ledger.db"
    with start_program("exit_with_hung_ledger", folder, ledger, 1000) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "leaving\n"
        left_at = time.monotonic()
        assert process.wait(PATIENCE_SECONDS) == 0
        seconds = time.monotonic() - left_at
    assert seconds < EXIT_SECONDS + 2.0  # two more for a busy machine to end the interpreter
    assert backlog(folder) == 1000
    deliver_rest(folder, ledger)
    assert kept_in(ledger) == NUMBERS


def test_two_processes_that_adopt_at_once_share_the_journals(tmp_path: Path) -> None:
    """Each journal of a dead process gets exactly one adopter, so nothing is even sent twice."""
    folder, ledger = tmp_path / "journals", tmp_path / "ledger.db"
    for _ in range(6):
        leave_behind(folder, NUMBERS)
    with start_program("adopt", folder, ledger) as one, start_program("adopt", folder, ledger) as other:
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert process.stdin is not None
        for process in (one, other):
            print("go", file=process.stdin, flush=True)
        outputs = [process.communicate(timeout=PATIENCE_SECONDS)[0] for process in (one, other)]
    delivered, duplicates = (sum(column) for column in zip(*(map(int, out.split()) for out in outputs), strict=True))
    assert kept_in(ledger) == NUMBERS
    assert (delivered, duplicates) == (1000, 5000), "the six journals hold the same ids: each was sent once"
    assert backlog(folder) == 0
