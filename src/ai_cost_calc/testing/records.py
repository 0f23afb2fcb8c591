"""Records for tests, and short ways to ask a ledger about them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ai_cost_calc.core.event import MICROS, RevenueEvent, UsageEvent
from ai_cost_calc.core.money import nanos_from_usd
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.ports.ledgers import Ledger, SpendQuery, SpendRow

_numbers = itertools.count(1)


def moment(text: str) -> int:
    """Unix microseconds of an ISO time; without an offset it is in UTC."""
    parsed = datetime.fromisoformat(text)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return int(aware.timestamp()) * MICROS + aware.microsecond


NOON: Final = moment("2026-11-23T12:00:00")


def make_event(*, cost: Decimal | int | str | None = "0.01", at: int | str = NOON, **fields: Any) -> UsageEvent:
    """Make a usage event for a test, with an id of its own.

    Args:
        cost: US dollars; `None` for a call without a price.
        at: unix microseconds, or an ISO time.
        fields: any other fields of `UsageEvent`.
    """
    values = {
        "id": f"{next(_numbers):024x}",
        "at": moment(at) if isinstance(at, str) else at,
        "provider": "openai",
        "model": "gpt-5-mini",
        "usage": Usage(input_tokens=100, output_tokens=10),
        "cost_nanos": None if cost is None else nanos_from_usd(cost),
    }
    return UsageEvent(**{**values, **fields})


def make_revenue(*, amount: Decimal | int | str = "1.00", at: int | str = NOON, **fields: Any) -> RevenueEvent:
    """Make a record of revenue for a test, with an id of its own.

    Args:
        amount: in the currency's own unit, US dollars by default.
        at: unix microseconds, or an ISO time.
        fields: any other fields of `RevenueEvent`.
    """
    values = {
        "id": f"{next(_numbers):024x}",
        "at": moment(at) if isinstance(at, str) else at,
        "amount_nanos": nanos_from_usd(amount),
    }
    return RevenueEvent(**{**values, **fields})


def total(ledger: Ledger, **query: Any) -> SpendRow:
    """Everything that a query selects, in one row."""
    (row,) = ledger.spend(SpendQuery(**query))
    return row


def costs(ledger: Ledger, *by: str, **query: Any) -> dict[tuple[str | None, ...], int]:
    """Cost in nano-dollars by group, in the order of the rows."""
    return {row.group: row.cost_nanos for row in ledger.spend(SpendQuery(by=by, **query))}
