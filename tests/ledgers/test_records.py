"""What the package's ledgers refuse to keep, so that one wrong record cannot break every later sum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc.core.event import Record, UsageEvent
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import LedgerError
from ai_cost_calc.ledgers import _records, open_ledger
from ai_cost_calc.ports.ledgers import Ledger, SpendQuery
from ai_cost_calc.testing.records import make_event, make_revenue, moment, total


@pytest.fixture(params=["memory:", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger of each kind."""
    opened = open_ledger(request.param if request.param == "memory:" else f"sqlite:///{tmp_path}/spend.db")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (make_event(cost_nanos=2**53), "cost_nanos"),
        (make_event(cost_nanos=-(2**53)), "cost_nanos"),
        (make_event(cost_nanos=True), "cost_nanos"),
        (make_event(computed_nanos=0.5), "computed_nanos"),
        (make_event(usage=Usage(input_tokens=10**10)), "10000000000"),
        (make_event(usage=Usage(audio_seconds=1e10)), "10000000000"),
        (make_event(at=moment("2200-01-01")), "at="),
        (make_event(id="wrong", at=-1), "'wrong'"),
        (make_event(id=""), "id"),
        (make_revenue(amount_nanos=2**63), "amount_nanos"),
        (make_revenue(amount_nanos=None), "amount_nanos"),
    ],
)
def test_impossible_numbers_are_refused(ledger: Ledger, record: Record, named: str) -> None:
    """The message says which value of which record cannot be kept."""
    with pytest.raises(LedgerError, match=named):
        ledger.append([make_event(), record])
    assert total(ledger).calls == 0


def test_the_greatest_numbers_are_kept(ledger: Ledger) -> None:
    """Just below the limits, everything is kept and comes back."""
    event = make_event(
        cost_nanos=2**53 - 1, at=moment("2199-12-31T23:59:59.999999"), usage=Usage(images=10**10 - 1, audio_seconds=1e9)
    )
    assert ledger.append([event, make_revenue(amount_nanos=2**63 - 1, currency="VND")]) == 2
    assert ledger.events(SpendQuery()) == [event]
    assert total(ledger).cost_nanos == 2**53 - 1


def test_rows_hold_every_field_of_an_event() -> None:
    """A field that is added to `UsageEvent` must find its column: no field is lost between a row and an event."""
    samples: dict[str, Any] = {
        "tags": {"plan": "pro"}, "context": {"search": "low"}, "calls": 7, "usage": Usage(images=3),
            "unpriced": ("images",), "complete": False,
        "estimated": True, "status": "error", "at": 5, "cost_nanos": 1, "computed_nanos": 2, "latency_ms": 3,
    }  # fmt: skip
    event = UsageEvent(**{name: samples.get(name, f"some {name}") for name in UsageEvent.__struct_fields__})
    row = _records.event_row(event)
    assert len(row) == len(_records.EVENT_COLUMNS)
    assert _records.event_of(row) == event
