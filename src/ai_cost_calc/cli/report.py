"""`ai-cost-calc report`: cost, revenue and margin, as a table or, without arguments, this month at a glance."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

import typer
from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from ai_cost_calc import AiCostCalc
from ai_cost_calc.cli.options import JsonOption, LedgerOption, SinceOption, TimezoneOption, books
from ai_cost_calc.cli.output import (
    bar,
    console,
    errors,
    money,
    named,
    percent,
    show_json,
    show_table,
    sparkline,
    table,
    that_fits,
    whole,
)
from ai_cost_calc.cli.shelf import counted
from ai_cost_calc.client.reports import Report, ReportRow

_LEAST: Final = ("Cost", "Revenue", "Margin")
_FEW: Final = (*_LEAST, "Calls")
_FIGURES: Final = (*_LEAST, "Margin %", "Calls")
_ROOMY: Final = (*_FIGURES, "Input tokens", "Output tokens")
_TOP: Final = 8
_BARS: Final = (20, 10, 0)
"""How long bars may be: as long as the terminal has room for."""
_AGO: Final = re.compile(r"\d+\s*[a-z]", re.IGNORECASE)
_NAMED: Final = {"today": "today", "week": "this week", "month": "this month", "year": "this year"}


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
    """Show cost, revenue and margin.

    Without --by, this month at a glance.
    """
    with books(ledger) as calc:
        if by or as_json:
            names = [name for part in by or () for name in part.split(",")]
            found = calc.report(names, since=since, until=until, timezone=timezone)
            show_json(found.as_dict()) if as_json else _print_report(calc, found, since, until)
        else:
            _overview(calc, since, until, timezone)


def _print_report(calc: AiCostCalc, found: Report, since: str, until: str | None) -> None:
    if not found:
        _say_empty(calc, since, until)
        return
    show_table(margin_table(found, title=None))
    _say_unpriced(found.total)


def margin_table(found: Report, title: str | None) -> Table:
    """The rows of a report and their total, with as many figures as the terminal has room for."""
    return that_fits(_table_of(found, title, figures) for figures in (_ROOMY, _FIGURES, _FEW, _LEAST))


def _table_of(found: Report, title: str | None, figures: tuple[str, ...]) -> Table:
    headings = (*figures, "Unpriced") if found.total.unpriced_calls else figures
    made = table(title, [(name.capitalize(), False) for name in found.by] + [(heading, True) for heading in headings])
    for row in found:
        cells = _cells(row)
        made.add_row(*map(named, row.group.values()), *(cells[heading] for heading in headings))
    if found.by:
        blanks = [""] * (len(found.by) - 1)
        cells = _cells(found.total)
        made.add_section()
        made.add_row("Total", *blanks, *(cells[heading] for heading in headings), style="bold")
    return made


def _cells(row: ReportRow) -> dict[str, str | Text]:
    return {
        "Cost": _cost(row),
        "Revenue": money(row.revenue),
        "Margin": _margin(row),
        "Margin %": "n/a" if _is_unknown(row) else percent(row.margin_percent),
        "Calls": whole(row.calls),
        "Input tokens": whole(row.usage.input_tokens),
        "Output tokens": whole(row.usage.output_tokens),
        "Unpriced": whole(row.unpriced_calls),
    }


def _is_unknown(row: ReportRow) -> bool:
    """Whether none of its calls has a cost that is known, in whole or in part."""
    return not row.cost and 0 < row.calls == row.unpriced_calls


def _cost(row: ReportRow) -> str:
    return money(None if _is_unknown(row) else row.cost)


def _margin(row: ReportRow) -> str | Text:
    if _is_unknown(row):
        return money(None)
    return Text(f"loss {money(row.margin)}", "red") if row.margin < 0 else money(row.margin)


def _overview(calc: AiCostCalc, since: str, until: str | None, timezone: str) -> None:
    customers = calc.report("customer", since=since, until=until, timezone=timezone)
    total = customers.total
    if not total.calls and not total.revenue:
        _say_empty(calc, since, until)
        return
    span = _span(since, until)
    console.print(Columns([
        Text(span[0].upper() + span[1:], "bold"), f"revenue {money(total.revenue)}", f"AI cost {_cost(total)}",
        f"margin {_margin(total)} ({_cells(total)['Margin %']})", counted(total.calls, "call"),
    ], padding=(0, 3)))  # fmt: skip
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
    rows = [row for row in found if row.calls or earning]
    figures = ["Calls", *(["Margin"] if earning else []), *(["Unpriced"] if found.total.unpriced_calls else [])]
    show_table(that_fits(_top_table(title, rows[:_TOP], figures, found.total.cost, length) for length in _BARS))
    if len(rows) > _TOP:
        console.print(f"… and {len(rows) - _TOP} more", style="dim")


def _top_table(title: str, rows: list[ReportRow], figures: list[str], total: Decimal, length: int) -> Table:
    share = [("Share", False)] if length else []
    columns = [("", False), ("Cost", True), *share, *((heading, True) for heading in figures)]
    made = table(title, columns, whole=("Share",))
    for row in rows:
        cells = _cells(row)
        bars = [bar(float(row.cost / (total or 1)), length)] if length else []
        made.add_row(named(next(iter(row.group.values()))), cells["Cost"], *bars, *(cells[name] for name in figures))
    return made


def _say_unpriced(total: ReportRow) -> None:
    if total.unpriced_calls:
        console.print(
            f"\n{counted(total.unpriced_calls, 'call')} without a known price, in whole or in part: what is unknown of "
            "the cost is not in these figures. See: ai-cost-calc doctor",
            style="yellow",
        )


def _say_empty(calc: AiCostCalc, since: str, until: str | None) -> None:
    console.print(
        f"Nothing recorded {_span(since, until)}. Wrap a client with calc.wrap(...), or try: ai-cost-calc demo"
    )
    errors.print(f"Looked in {calc.config.ledger}; --ledger URL looks elsewhere.", style="dim", soft_wrap=True)


def _span(since: str, until: str | None) -> str:
    """Which time a report is about, for people."""
    begin = _NAMED.get(since) or (f"in the last {since}" if _AGO.fullmatch(since.strip()) else f"since {since}")
    return f"{begin}, until {until}" if until else begin
