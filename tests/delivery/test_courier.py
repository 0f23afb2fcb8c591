"""What the courier does with each way in which a ledger can fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery.courier import FAULT_ATTEMPTS, LONGEST_RETRY_AFTER_SECONDS, Courier
from ai_cost_calc.delivery.quarantine import Quarantine
from ai_cost_calc.delivery.tally import Tally
from ai_cost_calc.errors import ConfigError, LedgerError, LedgerUnavailable
from ai_cost_calc.forks import ForkLock
from tests.delivery.support import ScriptedLedger, make_event, make_events


class Desk:
    """A courier and everything that it reports to."""

    def __init__(self, folder: Path, open_ledger: Callable[[], Any]) -> None:
        self.tally = Tally()
        self.quarantine = Quarantine(folder, clock=lambda: 1_763_900_000.5, tally=self.tally)
        self.faults: list[str] = []
        self.pauses: list[tuple[float, bool]] = []
        self.stop = False
        self.courier = Courier(
            open_ledger,
            quarantine=self.quarantine,
            tally=self.tally,
            on_fault=lambda where, error: self.faults.append(f"{where}: {error}"),
            pause=self._pause,
            stopping=lambda: self.stop,
            busy=ForkLock(),
        )

    def _pause(self, seconds: float, *, firm: bool) -> None:
        self.pauses.append((seconds, firm))

    def set_aside(self) -> list[dict[str, Any]]:
        """The entries of the quarantine file."""
        return [msgspec.json.decode(line) for line in self.quarantine.path.read_bytes().splitlines()]


def _unavailable(retry_after: float | None = None) -> LedgerUnavailable:
    error = LedgerUnavailable("HTTP 503")
    if retry_after is not None:
        error.retry_after = retry_after  # type: ignore[attr-defined]  # what a ledger adds to say when to come again
    return error


def test_a_ledger_that_was_down_gets_every_record_once(tmp_path: Path) -> None:
    """However often it was unavailable, the batch is sent again until it is taken, with growing, bounded pauses."""
    ledger = ScriptedLedger(failures=[_unavailable() for _ in range(40)])
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.deliver(make_events(range(500)))
    assert list(ledger.kept) == [str(number) for number in range(500)]
    assert ledger.appends == [500] * 41
    assert len(desk.faults) == 40
    limits = [min(30.0, 0.5 * 2**attempt) for attempt in range(40)]
    assert all(0 <= seconds <= limit for (seconds, _), limit in zip(desk.pauses, limits, strict=True))
    assert max(seconds for seconds, _ in desk.pauses) > 1.0
    assert len({seconds for seconds, _ in desk.pauses}) > 30, "pauses without jitter would come in step"


def test_a_named_time_is_kept(tmp_path: Path) -> None:
    """`retry_after` is waited for exactly, firmly, and within reason; nonsense in it is ignored."""
    nonsense = _unavailable()
    nonsense.retry_after = "soon"  # type: ignore[attr-defined]  # what a careless server sends
    ledger = ScriptedLedger(failures=[_unavailable(7), _unavailable(0.25), _unavailable(1e9), nonsense])
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.deliver(make_events("a"))
    assert desk.pauses[:3] == [(7.0, True), (0.25, True), (LONGEST_RETRY_AFTER_SECONDS, True)]
    assert desk.pauses[3][1] is False


def test_records_that_were_kept_before_the_answer_was_lost_count_once(tmp_path: Path) -> None:
    """A server that kept the batch and then failed to say so: the second time they are duplicates."""
    ledger = ScriptedLedger()
    ledger.append(make_events("ab"))
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.deliver(make_events("abc"))
    stats = desk.tally.stats(0)
    assert (stats.delivered, stats.duplicates) == (1, 2)


@pytest.mark.parametrize("poison", [{0}, {499}, {250, 251}, set(range(0, 500, 100))])
def test_poison_among_500_is_set_aside_alone(tmp_path: Path, poison: set[int]) -> None:
    """Records that the ledger can never take go to quarantine, each by itself and as it is; all others are kept."""

    def refuse(record: Record) -> Exception | None:
        return LedgerError(f"{record.id} breaks a rule") if int(record.id) in poison else None

    ledger = ScriptedLedger(refuse=refuse)
    desk = Desk(tmp_path, lambda: ledger)
    events = make_events(range(500))
    desk.courier.deliver(events)
    assert set(ledger.kept) == {str(number) for number in range(500)} - set(map(str, poison))
    entries = desk.set_aside()
    assert {entry["reason"] for entry in entries} == {f"LedgerError: {number} breaks a rule" for number in poison}
    kept = [msgspec.convert(entry["record"], type(events[0])) for entry in entries]
    assert kept == [events[number] for number in sorted(poison)]
    assert {entry["at"] for entry in entries} == {1_763_900_000.5}
    assert desk.tally.stats(0).quarantined == len(poison)
    assert len(ledger.appends) <= 1 + len(poison) * 20, "finding one record takes two halves a step"


def test_a_fault_in_the_ledgers_code_does_not_hold_up_other_records(tmp_path: Path) -> None:
    """An error that is not the ledger's own is tried again a few times, then counts as the fault of a record."""

    def refuse(record: Record) -> Exception | None:
        return OverflowError("int too large") if record.id == "3" else None

    ledger = ScriptedLedger(refuse=refuse)
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.deliver(make_events(range(8)))
    assert sorted(ledger.kept) == ["0", "1", "2", "4", "5", "6", "7"]
    assert desk.set_aside()[0]["reason"] == "OverflowError: int too large"
    assert ledger.appends[:FAULT_ATTEMPTS] == [8] * FAULT_ATTEMPTS


def test_a_passing_fault_costs_no_record(tmp_path: Path) -> None:
    """A fault that goes away before patience ends sets nothing aside; an outage does not use patience up."""
    odd = [ValueError("odd")] * (FAULT_ATTEMPTS - 1)
    ledger = ScriptedLedger(failures=[*(_unavailable() for _ in range(FAULT_ATTEMPTS)), *odd])
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.deliver(make_events("a"))
    assert list(ledger.kept) == ["a"]
    assert desk.faults[FAULT_ATTEMPTS:] == ["ledger: odd"] * (FAULT_ATTEMPTS - 1)


def test_a_ledger_that_cannot_be_opened_is_opened_later(tmp_path: Path) -> None:
    """Nothing is set aside because the ledger could not even be opened, whatever the reason."""
    ledger = ScriptedLedger()
    errors = [OSError("no route"), ConfigError("bad url"), LedgerError("locked"), _unavailable(5)]

    def open_ledger() -> ScriptedLedger:
        if errors:
            raise errors.pop(0)
        return ledger

    desk = Desk(tmp_path, open_ledger)
    desk.courier.deliver(make_events("ab"))
    assert list(ledger.kept) == ["a", "b"]
    assert desk.pauses[-1] == (5.0, True)
    assert not desk.quarantine.path.exists()


def test_a_record_without_a_json_form_is_set_aside_as_text(tmp_path: Path) -> None:
    """Even what cannot be encoded is kept for people to see."""
    ledger = ScriptedLedger(refuse=lambda _: LedgerError("not text"))
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.deliver([make_event("a", customer_id="\ud800")])
    assert "customer_id='\\ud800'" in desk.set_aside()[0]["record"]


def test_stopping_gives_up_and_sets_nothing_aside(tmp_path: Path) -> None:
    """Whoever stops gets the last error back; the records stay where they are for the next start."""
    for error in (_unavailable(), LedgerError("poison"), ValueError("odd")):
        desk = Desk(tmp_path, partial(ScriptedLedger, [error] * 9))
        desk.stop = True
        with pytest.raises(type(error)):
            desk.courier.deliver(make_events("a"))
        assert not desk.quarantine.path.exists()


def test_a_quarantine_that_cannot_be_written_keeps_the_record_in_the_journal(tmp_path: Path) -> None:
    """Rather than lose it, the batch fails and is tried again later."""
    ledger = ScriptedLedger(refuse=lambda _: LedgerError("poison"))
    desk = Desk(tmp_path, lambda: ledger)
    desk.quarantine.path.mkdir()
    with pytest.raises(IsADirectoryError):
        desk.courier.deliver(make_events("a"))
    assert desk.tally.stats(0).quarantined == 0


def test_only_what_was_opened_is_closed(tmp_path: Path) -> None:
    """The ledger is closed once if it was opened, and an error while closing goes no further."""
    ledger = ScriptedLedger()
    desk = Desk(tmp_path, lambda: ledger)
    desk.courier.close()
    assert ledger.closed == 0
    desk.courier.deliver(make_events("a"))
    desk.courier.close()
    assert ledger.closed == 1
