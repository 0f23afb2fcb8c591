"""`ai-cost-calc tail`: the newest calls, and new ones as they arrive."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from ai_cost_calc.cli.options import JsonOption, LedgerOption
from ai_cost_calc.cli.output import console, money, named
from ai_cost_calc.config import Config
from ai_cost_calc.core.event import MICROS, UsageEvent
from ai_cost_calc.core.money import usd
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ports.ledgers import SpendQuery

_PAGE: Final = 1_000


def tail(
    count: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the newest calls to start with.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing new calls; Ctrl-C ends it.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 1.0,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest calls, oldest of them first; --follow waits for more."""
    # A shell starts background jobs with Ctrl-C ignored, and whoever then sends it means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    opened = open_ledger(Config.from_env(ledger=ledger).ledger)
    try:
        newest = opened.events(SpendQuery(), limit=count)[::-1] if count else []
        _show(newest, as_json=as_json)
        shown = {event.id for event in newest}
        last = newest[-1].id if newest else _newest_id(opened.events(SpendQuery(), limit=1))
        while follow:
            time.sleep(interval)
            fresh = opened.events(SpendQuery(), limit=_PAGE, after=last)
            # What was delivered late may be kept after the newest call and yet be among the first ones shown.
            _show([event for event in fresh if event.id not in shown], as_json=as_json)
            last = fresh[-1].id if fresh else last
    except KeyboardInterrupt:
        pass
    finally:
        opened.close()


def _newest_id(events: list[UsageEvent]) -> str:
    return events[0].id if events else ""


def _show(events: Iterable[UsageEvent], *, as_json: bool) -> None:
    import json

    for event in events:
        if as_json:
            typer.echo(json.dumps(_plain(event), default=str))
        else:
            console.print(_line(event), soft_wrap=True)


def _line(event: UsageEvent) -> str:
    when = datetime.fromtimestamp(event.at / MICROS, UTC)
    cost = money(None if event.cost_nanos is None else usd(event.cost_nanos))
    marks = [mark for mark, is_set in (("estimated", event.estimated), (event.status, event.status != "ok")) if is_set]
    tokens = f"{event.usage.input_tokens:>7,} in {event.usage.output_tokens:>6,} out"
    model = f"{named(event.provider)}/{named(event.model)}"
    who = f"{named(event.customer_id)} / {named(event.feature)}"
    return f"{when:%H:%M:%S}  {cost:>10}  {tokens}  {model}  {who}  {' '.join(marks)}".rstrip()


def _plain(event: UsageEvent) -> dict[str, Any]:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    cost = values.pop("cost_nanos")
    return {
        **values,
        "at": datetime.fromtimestamp(event.at / MICROS, UTC).isoformat(),
        "usage": event.usage.counts(),
        "cost": None if cost is None else f"{usd(cost):f}",
    }
