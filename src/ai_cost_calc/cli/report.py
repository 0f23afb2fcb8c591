"""`ai-cost-calc report`: cost, revenue and margin, as a table or, without arguments, this month at a glance."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import typer
from rich.text import Text

from ai_cost_calc import AiCostCalc
from ai_cost_calc.cli.options import JsonOption, LedgerOption, SinceOption, TimezoneOption, books
from ai_cost_calc.cli.output import bar, console, money, named, percent, show_json, sparkline, table, whole
from ai_cost_calc.cli.shelf import counted
from ai_cost_calc.client.reports import Report, ReportRow

FIGURES: Final = (("Cost", True), ("Revenue", True), ("Margin", True), ("Margin %", True), ("Calls", True))
TOKENS: Final = (("Input tokens", True), ("Output tokens", True))
ROOMY: Final = 100
"""From this many columns on a terminal has room for tokens too."""
_TOP: Final = 8
_NAMED: Final = {"today": "Today", "week": "This week", "month": "This month", "year": "This year"}


def report(
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", metavar="NAME", help="customer, feature, provider, model, session, hour, day, month, tag:NAME."
        ),
    ] = None,
    since: SinceOption = "month",
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Up to, not including.")] = None,
    timezone: TimezoneOption = "UTC",
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show cost, revenue and margin; without --by, this month at a glance."""
    with books(ledger) as calc:
        if by or as_json:
            names = [name for part in by or () for name in part.split(",")]
            found = calc.report(names, since=since, until=until, timezone=timezone)
            show_json(found.as_dict()) if as_json else print_report(found, since)
        else:
            _overview(calc, since, until, timezone)


def print_report(found: Report, since: str | None = None) -> None:
    """Print a report as a table with its total."""
    if not found:
        _say_empty(since)
        return
    console.print(margin_table(found, title=None))
    _say_unpriced(found.total)


def margin_table(found: Report, title: str | None) -> object:
    """The rows of a report and their total, as a table."""
    has_unpriced = bool(found.total.unpriced_calls)
    columns = [(name.capitalize(), False) for name in found.by] + list(FIGURES)
    columns += list(TOKENS) if console.width >= ROOMY else []
    made = table(title, columns + ([("Unpriced", True)] if has_unpriced else []))
    for row in found:
        made.add_row(*map(named, row.group.values()), *_figures(row, unpriced=has_unpriced))
    if found.by:
        blanks = [""] * (len(found.by) - 1)
        made.add_section()
        made.add_row("Total", *blanks, *_figures(found.total, unpriced=has_unpriced), style="bold")
    return made


def _figures(row: ReportRow, *, unpriced: bool) -> list[str | Text]:
    figures: list[str | Text] = [
        money(row.cost),
        money(row.revenue),
        Text(f"loss {money(row.margin)}", "red") if row.margin < 0 else money(row.margin),
        percent(row.margin_percent),
        whole(row.calls),
    ]
    if console.width >= ROOMY:
        figures += [whole(row.usage.input_tokens), whole(row.usage.output_tokens)]
    return [*figures, whole(row.unpriced_calls)] if unpriced else figures


def _overview(calc: AiCostCalc, since: str, until: str | None, timezone: str) -> None:
    customers = calc.report("customer", since=since, until=until, timezone=timezone)
    total = customers.total
    if not total.calls and not total.revenue:
        _say_empty(since)
        return
    span = _NAMED.get(since, f"Since {since}")
    console.print(
        Text(span, "bold"),
        f"  revenue {money(total.revenue)}   AI cost {money(total.cost)}   "
        f"margin {money(total.margin)} ({percent(total.margin_percent)})   {whole(total.calls)} calls",
    )
    days = sorted(calc.report("day", since=since, until=until, timezone=timezone), key=lambda row: row.day or "")
    if len(days) > 1:
        console.print(f"cost per day   {sparkline([row.cost for row in days])}   {days[0].day} to {days[-1].day}")
    for title, name in (("Customers", "customer"), ("Features", "feature"), ("Models", "model")):
        console.print()
        found = customers if name == "customer" else calc.report(name, since=since, until=until, timezone=timezone)
        _top(title, found)
    _say_unpriced(total)


def _top(title: str, found: Report) -> None:
    earning = found.by != ("model",)  # revenue comes from customers and features; no model earns any
    columns = [("", False), ("Cost", True), ("Share", False), ("Calls", True)]
    made = table(title, [*columns, ("Margin", True)] if earning else columns)
    whole_cost = found.total.cost or Decimal(1)
    rows = [row for row in found if row.calls or earning]
    for row in rows[:_TOP]:
        name = named(next(iter(row.group.values())))
        cells = [name, money(row.cost), bar(float(row.cost / whole_cost)), whole(row.calls)]
        made.add_row(*cells, *([money(row.margin)] if earning else []))
    console.print(made)
    if len(rows) > _TOP:
        console.print(f"… and {len(rows) - _TOP} more", style="dim")


def _say_unpriced(total: ReportRow) -> None:
    if total.unpriced_calls:
        console.print(
            f"\n{counted(total.unpriced_calls, 'call')} without a known price, in whole or in part: what is unknown of "
            "the cost is not in these figures. See: ai-cost-calc doctor",
            style="yellow",
        )


def _say_empty(since: str | None) -> None:
    when = _NAMED[since].lower() if since in _NAMED else f"since {since or 'the beginning'}"
    console.print(f"Nothing recorded {when}. Wrap a client with calc.wrap(...), or try: ai-cost-calc demo")
