"""What the command line does in terminals that are narrow, know no Unicode, or are a pipe that was closed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ai_cost_calc import Budget
from tests.cli.conftest import PROGRAM, Run
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

pytest.importorskip("typer", reason="the cli extra (typer, rich) is absent")


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize("columns", ["10", "40", "60", "80", "100", "120"])
def test_figures_are_never_cut(run: Run, columns: str) -> None:
    """In a narrow terminal there are fewer figures, and names are folded, but each figure shown is whole."""
    wide = set(run("report", "--by", "customer,feature,model,day", COLUMNS="300").stdout.split())
    text = run("report", "--by", "customer,feature,model,day", COLUMNS=columns).stdout
    shown = {word for word in text.split() if word.startswith(("$", "-$"))}
    assert {"$0.1000", "$5.00", "-$0.1000"} <= shown <= wide
    assert "acme" in text


@pytest.mark.usefixtures("spent")
def test_a_file_gets_everything(ledger_url: str) -> None:
    """Where no terminal says how wide it is, nothing is left out and nothing is folded."""
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command: list[str | Path] = [PROGRAM, "report", "--by", "customer,feature,model,day", "--ledger", ledger_url]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=True, timeout=120)
    lines = done.stdout.splitlines()
    assert "Output tokens" in lines[0]
    assert "Margin %" in lines[0]
    assert [line for line in lines if "house-model-1" in line]
    assert lines[-1].endswith("See: ai-cost-calc doctor")


@pytest.mark.usefixtures("spent")
def test_the_overview_fits_the_terminal(run: Run) -> None:
    """Bars get shorter, or go, before lines go past the edge."""
    for columns in (50, 60, 70, 80, 120):
        assert max(map(len, run("report", COLUMNS=str(columns)).stdout.splitlines())) <= columns


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize("arguments", [("report",), ("tail",), ("prices", "diff"), ("demo", "--calls", "3")])
def test_a_terminal_without_unicode_gets_question_marks(run: Run, arguments: tuple[str, ...]) -> None:
    """Bars and names that the terminal has no signs for do not end the command."""
    if arguments[0] == "demo":
        pytest.importorskip("openai", reason="the openai SDK is absent")
        pytest.importorskip("anthropic", reason="the anthropic SDK is absent")
    assert run(*arguments, PYTHONIOENCODING="ascii").stdout.isascii()


@pytest.mark.usefixtures("spent")
def test_a_reader_that_has_seen_enough_is_no_failure(ledger_url: str) -> None:
    """`| head` ends `tail --json` without an error."""
    command: list[str | Path] = [PROGRAM, "tail", "--json", "--ledger", ledger_url]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_is_not_cut_short(run: Run) -> None:
    """In a terminal of 80 columns each command has a whole sentence in the list."""
    for arguments in (["--help"], ["prices", "--help"], ["budgets", "--help"]):
        assert "..." not in run(*arguments, COLUMNS="80").stdout.replace("COMMAND [ARGS]...", "")


def test_status_shows_what_there_is_room_for(run: Run, make_calc: MakeCalc) -> None:
    """First the bar goes, then what is held and when the window ends; amounts stay whole."""
    calc = make_calc()
    calc.budgets.set(Budget("5.00", per="day", each="customer", id="per-customer"))
    with calc.attribute(customer_id="acme"):
        calc.record(ten_cents())
    calc.shutdown()
    for columns, headings in (
        (120, ["Budget", "Covers", "Spent", "Held", "Limit", "Used", "Resets"]),
        (72, ["Budget", "Covers", "Spent", "Limit", "Used", "Resets"]),
        (60, ["Budget", "Covers", "Spent", "Limit", "Used"]),
        (40, ["Budget", "Spent", "Limit", "Used"]),
    ):
        first, second = run("budgets", "status", COLUMNS=str(columns)).stdout.splitlines()[:2]
        assert first.split() == headings
        assert "$0.1000" in second
        assert "2%" in second
        assert len(second) <= columns
