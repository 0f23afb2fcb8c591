"""`ai-cost-calc budgets set|list|status|rm`: budgets that the ledger keeps."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from ai_cost_calc import Budget
from ai_cost_calc.cli.options import JsonOption, LedgerOption, books
from ai_cost_calc.cli.output import (
    FAILED,
    OVER_BUDGET,
    bar,
    console,
    errors,
    money,
    named,
    show_json,
    show_table,
    table,
    that_fits,
)
from ai_cost_calc.client.budgets import BudgetStatus, definition

_LEAST: Final = ("Budget", "Spent", "Limit", "Used")
_FEWER: Final = ("Budget", "Covers", "Spent", "Limit", "Used")
_FEW: Final = (*_FEWER, "Resets")
_STATUS: Final = ("Budget", "Covers", "Spent", "Held", "Limit", "Used", "Resets")
_CHOICES: Final = ((_STATUS, 12), (_STATUS, 0), (_FEW, 0), (_FEWER, 0), (_LEAST, 0))
"""Columns and how long their bars are: as much as the terminal has room for."""
_FIGURES: Final = ("Spent", "Held", "Limit")

app = typer.Typer(help="Budgets that the ledger keeps.", no_args_is_help=True)


@app.command("set")
def set_budget(
    limit: Annotated[str, typer.Argument(help="The most per window: dollars such as 25.00, or a count with --unit.")],
    per: Annotated[str, typer.Option("--per", help="hour, day, week, month, year or total.")],
    customer: Annotated[str | None, typer.Option("--customer", help="Only this customer.")] = None,
    feature: Annotated[str | None, typer.Option("--feature", help="Only this feature.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only this provider.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only this model.")] = None,
    each: Annotated[list[str] | None, typer.Option("--each", help="One for each customer, feature, …")] = None,
    unit: Annotated[str, typer.Option("--unit", help="usd, tokens or calls.")] = "usd",
    mode: Annotated[str, typer.Option("--mode", help="block or warn.")] = "block",
    timezone: Annotated[str, typer.Option("--timezone", help="Calendar that windows follow.")] = "UTC",
    rolling: Annotated[
        bool, typer.Option("--rolling", help="The last hour, day, … instead of the calendar's.")
    ] = False,
    budget_id: Annotated[str | None, typer.Option("--id", help="A name of your own.")] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a budget in force.

    Programs that use this ledger take it over when they start.
    """
    said: dict[str, Any] = {
        "per": per, "customer_id": customer, "feature": feature, "provider": provider, "model": model,
        "each": each or (), "unit": unit, "mode": mode, "timezone": timezone, "rolling": rolling, "id": budget_id,
    }  # fmt: skip
    budget = Budget(limit, **said)  # which says what is possible
    with books(ledger) as calc:
        calc.budgets.set(budget)
    if as_json:
        show_json({"id": budget.name, **definition(budget)})
        return
    words = f"{_amount(budget.limit, unit)} per {_per(budget)}, {mode}"
    console.print(f"{named(budget.name)}: {named(budget.scope())}, {words}", soft_wrap=True)


@app.command("list")
def list_budgets(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Show the budgets that the ledger keeps."""
    with books(ledger) as calc:
        calc.budgets.refresh()  # which says what is wrong when the ledger cannot be read
        found = calc.budgets.list()
    if as_json:
        show_json([{"id": budget.name, **definition(budget)} for budget in found])
        return
    if not found:
        console.print("No budgets. Put one in force with: ai-cost-calc budgets set 25.00 --per day")
        return
    columns = [("Budget", False), ("Covers", False), ("Limit", True), ("Per", False), ("Mode", False)]
    made = table(None, columns, whole=("Per", "Mode"))
    for budget in found:
        limit = _amount(budget.limit, budget.unit)
        made.add_row(
            named(budget.name),
            named(budget.scope()),
            limit,
            _per(budget),
            budget.mode,
        )
    show_table(made)


@app.command("status")
def status(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Show where every budget stands; exit code 3 when one is used up."""
    with books(ledger) as calc:
        calc.budgets.refresh()
        found = calc.budgets.status()
    if as_json:
        show_json([{name: getattr(row, name) for name in row.__struct_fields__} for row in found])
    elif not found:
        console.print("No budgets, or none with spend in this window. See: ai-cost-calc budgets list")
    else:
        show_table(_status_table(found))
    if any(row.exceeded and row.mode == "block" for row in found):
        raise typer.Exit(OVER_BUDGET)


@app.command("rm")
def remove(
    budget_id: Annotated[str, typer.Argument(help="The budget's id, as `budgets list` shows it.")],
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift a budget."""
    with books(ledger) as calc:
        removed = calc.budgets.remove(budget_id)
    if as_json:
        show_json({"id": budget_id, "removed": removed})
    elif removed:
        console.print(f"{named(budget_id)} removed")
    else:
        errors.print(f"no budget has the id {budget_id!r}; see: ai-cost-calc budgets list", soft_wrap=True)
    if not removed:
        raise typer.Exit(FAILED)


def _status_table(found: list[BudgetStatus]) -> Table:
    """Where each budget stands, with what the terminal has room for."""
    return that_fits(_table_of(found, headings, length) for headings, length in _CHOICES)


def _table_of(found: list[BudgetStatus], headings: tuple[str, ...], length: int) -> Table:
    made = table(None, [(heading, heading in _FIGURES) for heading in headings], whole=("Used", "Resets"))
    for row in found:
        cells = _cells(row, length)
        made.add_row(*(cells[heading] for heading in headings), style="red" if row.exceeded else None)
    return made


def _cells(row: BudgetStatus, length: int) -> dict[str, str]:
    used = "blocked" if row.used is None else f"{bar(row.used, length)} {row.used:.0%}".strip()
    return {
        "Budget": named(row.id),
        "Covers": named(row.scope),
        "Spent": _amount(row.spent, row.unit),
        "Held": _amount(row.held, row.unit),
        "Limit": _amount(row.limit, row.unit),
        "Used": used,
        "Resets": f"{row.resets_at:%Y-%m-%d %H:%M} UTC" if row.resets_at else "never",
    }


def _per(budget: Budget) -> str:
    return budget.per + (" (rolling)" if budget.rolling else "")


def _amount(value: object, unit: str) -> str:
    number = Decimal(str(value))
    return money(number) if unit == "usd" else f"{number:,f} {unit}"
