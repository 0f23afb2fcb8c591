"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ai_cost_calc import AiCostCalc

LedgerOption = Annotated[
    str | None,
    typer.Option(
        "--ledger", metavar="URL", envvar="AI_COST_CALC_LEDGER", help="Ledger to use, such as sqlite:///spend.db."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
PricesOption = Annotated[
    str | None,
    typer.Option("--prices", metavar="FILE", envvar="AI_COST_CALC_PRICES", help="File of your own prices."),
]
SinceOption = Annotated[
    str, typer.Option("--since", metavar="TIME", help="30d, 24h, today, month, or an ISO date such as 2026-11-01.")
]
TimezoneOption = Annotated[str, typer.Option("--timezone", metavar="NAME", help="What days and months are cut by.")]


@contextmanager
def books(ledger: str | None) -> Iterator[AiCostCalc]:
    """An `AiCostCalc` over a ledger, closed at the end."""
    with AiCostCalc(ledger) as calc:
        yield calc


def name_and_value(text: str) -> tuple[str, str]:
    """What an option that is written NAME=VALUE says.

    Raises:
        typer.BadParameter: there is no equals sign.
    """
    name, sign, value = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE")
    return name.strip(), value.strip()
