"""`ai-cost-calc tail`: the newest calls, and new ones as they arrive."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from ai_cost_calc.cli.options import JsonOption, LedgerOption
from ai_cost_calc.cli.output import console, errors, money, named, show_json
from ai_cost_calc.config import Config
from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import MICROS, UsageEvent
from ai_cost_calc.core.money import usd
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ports.ledgers import SpendQuery

_PAGE: Final = 1_000
_MOST: Final = 1_000_000


def tail(
    count: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=_MOST, help="How many of the newest calls to start with.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing new calls; Ctrl-C ends it.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 1.0,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest calls; --follow waits for more.

    The oldest of them comes first.
    """
    # A shell starts background jobs with Ctrl-C ignored, and whoever then sends it means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = Config.from_env(ledger=ledger)
    opened = open_ledger(config.ledger)
    try:
        newest = opened.events(SpendQuery(), limit=count)[::-1] if count else []
        _show(_standings(opened, newest), as_json=as_json)
        if count and not newest:
            errors.print(f"No calls in {config.ledger} yet.", style="dim", soft_wrap=True)
        shown = {event.id for event in newest}
        last = newest[-1].id if newest else _newest_id(opened.events(SpendQuery(), limit=1))
        while follow:
            time.sleep(interval)
            fresh = opened.events(SpendQuery(), limit=_PAGE, after=last)
            # What was delivered late may be kept after the newest call and yet be among the first ones shown.
            _show(_standings(opened, [event for event in fresh if event.id not in shown]), as_json=as_json)
            last = fresh[-1].id if fresh else last
    except KeyboardInterrupt:
        pass
    finally:
        opened.close()


def _newest_id(events: list[UsageEvent]) -> str:
    return events[0].id if events else ""


def _standings(ledger: Any, events: list[UsageEvent]) -> list[Standing]:
    """Calls with their last adjustment, where the ledger keeps adjustments."""
    if not events or not hasattr(ledger, "adjustments"):
        return [Standing(event) for event in events]
    first, last = min(event.at for event in events), max(event.at for event in events)
    found: list[Adjustment] = ledger.adjustments(SpendQuery(since=first, until=last + 1), limit=sys.maxsize)
    newest = {one.event_id: one for one in reversed(found)}
    return [Standing(event, newest.get(event.id)) for event in events]


def _show(standings: Iterable[Standing], *, as_json: bool) -> None:
    for now in standings:
        if as_json:
            show_json(_plain(now), indent=None)
        else:
            console.print(_line(now), soft_wrap=True)


def _line(now: Standing) -> str:
    event = now.event
    when = datetime.fromtimestamp(event.at / MICROS, UTC)
    cost = money(_usd(now.cost_nanos))
    marks = [mark for mark, is_set in (("estimated", event.estimated), (event.status, event.status != "ok")) if is_set]
    if now.unpriced:
        marks.append(f"no price for {', '.join(map(named, now.unpriced))}")
    if now.last is not None:
        marks.append(f"adjusted, was {money(_usd(event.cost_nanos))}")
    tokens = f"{event.usage.input_tokens:>7,} in {event.usage.output_tokens:>6,} out"
    model = f"{named(event.provider)}/{named(event.model)}"
    who = f"{named(event.customer_id)} / {named(event.feature)}"
    return f"{when:%H:%M:%S}  {cost:>10}  {tokens}  {model}  {who}  {'  '.join(marks)}".rstrip()


def _usd(nanos: int | None) -> Decimal | None:
    return None if nanos is None else usd(nanos)


def _plain(now: Standing) -> dict[str, Any]:
    """The call as it was recorded, and beside it what it costs since it was adjusted."""
    event, last = now.event, now.last
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    cost = values.pop("cost_nanos")
    adjusted = {} if last is None else {
        "adjusted": {"cost": _text(last.new_nanos), "unpriced": last.new_unpriced, "run": last.run,
                      "reason": last.reason, "price_version": last.new_price_version},
    }  # fmt: skip
    return {
        **values,
        "at": datetime.fromtimestamp(event.at / MICROS, UTC).isoformat(),
        "usage": event.usage.counts(),
        "cost": _text(cost),
        **adjusted,
    }


def _text(nanos: int | None) -> str | None:
    return None if nanos is None else f"{usd(nanos):f}"
