"""The commands, put together; errors become one line and an exit code."""

from __future__ import annotations

import io
import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ai_cost_calc.cli import budgets, cost, demo, doctor, price_changes, prices, report, reprice, tail
from ai_cost_calc.cli.output import FAILED, OVER_BUDGET, WRONG_USAGE, errors
from ai_cost_calc.errors import BudgetExceeded, ConfigError, CostCalcError

app = typer.Typer(
    name="ai-cost-calc",
    help="What each AI call costs, who it was for, and whether a budget allows it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("report")(report.report)
app.command("cost")(cost.cost)
app.command("tail")(tail.tail)
app.command("doctor")(doctor.doctor)
app.command("reprice")(reprice.reprice)
app.add_typer(budgets.app, name="budgets")
prices.app.command("diff")(price_changes.diff)
prices.app.command("refresh")(price_changes.refresh)
prices.app.command("override")(price_changes.override)
app.add_typer(prices.app, name="prices")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("ai-cost-calc"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What each AI call costs, who it was for, and whether a budget allows it."""


def run() -> None:
    """Run; known errors are one line on stderr, not a traceback, and are not logged on top of that."""
    logging.getLogger("ai_cost_calc").addHandler(logging.NullHandler())
    _show_what_can_be_shown()
    try:
        app()
    except BudgetExceeded as exc:
        errors.print(f"over budget: {exc}", soft_wrap=True)
        sys.exit(OVER_BUDGET)
    except CostCalcError as exc:
        errors.print(f"error: {exc}", soft_wrap=True)
        sys.exit(WRONG_USAGE if isinstance(exc, ConfigError) else FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as exc:
        errors.print(f"error: {exc}", soft_wrap=True)
        sys.exit(FAILED)


def _show_what_can_be_shown() -> None:
    """A terminal or a pipe that is not UTF-8 gets a question mark for what it has no sign for, such as bars."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
