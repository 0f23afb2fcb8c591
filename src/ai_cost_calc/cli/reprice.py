"""`ai-cost-calc reprice`: prices what had no price, by adjustments, and shows the adjustments there are."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated, Any, Final

import typer

from ai_cost_calc import AiCostCalc
from ai_cost_calc.cli.options import JsonOption, LedgerOption, PricesOption, TimezoneOption, name_and_value
from ai_cost_calc.cli.output import console, errors, money, named, show_json, show_table, table, whole
from ai_cost_calc.cli.shelf import counted
from ai_cost_calc.client.repricing import Repriced
from ai_cost_calc.core.adjustment import Adjustment
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.core.money import usd

_TRAIL: Final = 1_000


def reprice(
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="30d, 24h, today, month, or an ISO date; always.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Up to, not including.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="Only these, such as model=gpt-5.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also calls that have a price; needs --since.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Is kept with each adjustment.")] = "reprice",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would come to.")] = False,
    trail: Annotated[bool, typer.Option("--trail", help="Show the adjustments there are, and make none.")] = False,
    timezone: TimezoneOption = "UTC",
    prices: PricesOption = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price recorded calls that have no price.

    The prices in force now are used. Records are not edited: each change is an adjustment beside its record.
    """
    if everything and since is None:
        raise typer.BadParameter("--all adjusts calls that have a price; say from when with --since")
    conditions = {name: value or None for name, value in map(name_and_value, where or [])}
    span: dict[str, Any] = {"since": since, "until": until, "where": conditions, "timezone": timezone}
    with AiCostCalc(ledger, prices=prices) as calc:
        if trail:
            _show_trail(calc.adjustments(limit=_TRAIL, **span), as_json=as_json)
            return
        done = calc.reprice(everything=everything, reason=reason, dry_run=dry_run, **span)
    if as_json:
        show_json(_plain(done))
    else:
        _print(done)


def _print(done: Repriced) -> None:
    if done.models:
        columns = [("Model", False), ("Calls", True), ("Newly priced", True), ("Before", True), ("After", True)]
        made = table(None, [*columns, ("Change", True)])
        for model in done.models:
            name = f"{named(model.provider)}/{named(model.model)}"
            change = money(model.after - model.before)
            figures = [whole(model.calls), whole(model.newly_priced), money(model.before), money(model.after), change]
            made.add_row(name, *figures)
        show_table(made)
    verb = "would be" if done.dry_run else "were"
    calls = f"{whole(done.adjusted)} of {whole(done.looked_at)} calls {verb} adjusted, {money(done.difference)} in all"
    console.print(calls + ("" if done.dry_run or not done.adjusted else f"  (run {done.run})"), soft_wrap=True)
    if done.still_unpriced:
        errors.print(
            f"{counted(done.still_unpriced, 'call')} still without a known price. Which: ai-cost-calc doctor. "
            "State your own: ai-cost-calc prices override",
            style="yellow",
        )  # fmt: skip


def _plain(done: Repriced) -> dict[str, Any]:
    values = {name: getattr(done, name) for name in done.__struct_fields__}
    models = [{name: getattr(model, name) for name in model.__struct_fields__} for model in done.models]
    return {**values, "models": models}


def _show_trail(found: list[Adjustment], *, as_json: bool) -> None:
    if as_json:
        show_json([_plain_adjustment(one) for one in found])
        return
    if not found:
        console.print("No adjustments.")
        return
    for (run, at, reason), adjustments in groupby(found, key=lambda one: (one.run, _when(one), one.reason)):
        console.print(f"{at:%Y-%m-%d %H:%M} UTC  {run}", style="bold")
        console.print(named(reason))
        made = table(None, [("Event", False), ("Old", True), ("New", True)])
        for one in adjustments:
            made.add_row(one.event_id, _cost(one.old_nanos), _cost(one.new_nanos))
        show_table(made)
    if len(found) == _TRAIL:
        errors.print(f"only the last {_TRAIL:,}; narrow them down with --since, --until and --where")


def _when(one: Adjustment) -> datetime:
    return datetime.fromtimestamp(one.at / MICROS, UTC)


def _cost(nanos: int | None) -> str:
    return money(None if nanos is None else usd(nanos))


def _plain_adjustment(one: Adjustment) -> dict[str, Any]:
    return {
        "event_id": one.event_id, "at": _when(one), "run": one.run, "reason": one.reason,
        "old_cost": None if one.old_nanos is None else usd(one.old_nanos),
        "new_cost": None if one.new_nanos is None else usd(one.new_nanos),
        "old_unpriced": list(one.old_unpriced), "new_unpriced": list(one.new_unpriced),
        "old_price_version": one.old_price_version, "new_price_version": one.new_price_version,
    }  # fmt: skip
