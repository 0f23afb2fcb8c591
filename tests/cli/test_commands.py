"""The command line as a user runs it: real processes, their output and exit codes."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import Budget, Reading, Usage
from ai_cost_calc.core.event import MICROS, RevenueEvent, UsageEvent
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.providers.not_metered import NOT_METERED
from tests.cli.conftest import PROGRAM, Run
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

pytest.importorskip("typer", reason="the cli extra (typer, rich) is absent")

WRITE_VERSION = 18
"""Where a SQLite file says which version of its format may write to it (sqlite.org/fileformat.html, 1.3.3)."""


@pytest.mark.usefixtures("spent")
def test_report_shows_cost_revenue_and_margin_by_customer(run: Run) -> None:
    """A loss is said in words, and what has no price is counted apart."""
    text = run("report", "--by", "customer", "--since", "today").stdout
    acme, globex, total = (
        next(line for line in text.splitlines() if name in line) for name in ("acme", "globex", "Total")
    )
    assert re.split(r"\s{2,}", acme.strip()) == ["acme", "$0.1000", "$5.00", "$4.90", "98.0 %", "2", "0", "20,000", "1"]
    assert "-$0.05" in globex
    assert "loss" in globex
    assert "$0.2000" in total
    assert "1 call without a known price, in whole or in part: what is unknown of the cost is not in" in text


def test_report_does_not_deny_what_is_known_of_a_cost(run: Run, make_calc: MakeCalc) -> None:
    """Tokens of a call with a tool that nobody knows the price of are in the figures, and the words fit that."""
    calc = make_calc()
    calc.record(Reading(usage=Usage(input_tokens=1_000, code_executions=1), provider="openai", model="gpt-5"))
    calc.shutdown()
    text = run("report", "--by", "model").stdout
    assert "$0.00125" in text
    assert "no price for code_executions" in run("tail").stdout
    assert "1 call without a known price, in whole or in part: what is unknown of the cost is not in" in text


def test_cost_names_what_it_leaves_out(run: Run) -> None:
    """Tokens that a model has no rate for are not silently free; what has a price has no such line."""
    assert "output_tokens" in run("cost", "text-embedding-3-small", "-i", "1000", "-o", "5").stderr
    assert "service_tier:scale" in run("cost", "gpt-5", "-i", "1000", "--tier", "scale").stderr
    assert run("cost", "gpt-5", "-i", "1000").stderr == ""
    assert "no rate of 'whisper-1'" in run("cost", "whisper-1", "-i", "1000", ok=1).stderr


@pytest.mark.usefixtures("spent")
def test_report_as_json_keeps_every_digit(run: Run) -> None:
    """Money is decimal strings."""
    found = json.loads(run("report", "--by", "customer,feature", "--json").stdout)
    assert found["by"] == ["customer", "feature"]
    assert {(row["customer"], row["feature"]): row["margin"] for row in found["rows"]} == {
        ("acme", "chat"): "4.9", ("globex", "search"): "-0.05"
    }  # fmt: skip
    assert found["total"]["unpriced_calls"] == 1


@pytest.mark.usefixtures("spent")
def test_report_without_arguments_is_the_month_at_a_glance(run: Run) -> None:
    """Totals, then the top customers, features and models."""
    text = run("report").stdout
    for expected in ("This month", "revenue $5.05", "Customers", "Features", "Models", "acme", "search", "gpt-4o"):
        assert expected in text


def test_report_on_an_empty_ledger_says_what_to_do(run: Run) -> None:
    """An empty state names the next step."""
    assert "ai-cost-calc demo" in run("report").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--by", "planet"),
        ("report", "--by", "tag:"),
        ("report", "--since", "yesteryear"),
        ("report", "--since", "99999999999d"),
        ("report", "--by", "day", "--timezone", "Mars/Phobos"),
    ],
)
def test_what_is_not_understood_fails_in_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    """No traceback, the possible values, exit code 2: the command was wrong."""
    done = run(*arguments, ok=2)
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_ledger_url_that_cannot_be_opened_fails_in_one_line(run: Run) -> None:
    """The message names the URL's scheme and those that exist."""
    assert "sqlite" in run("report", "--ledger", "oracle://x", ok=2).stderr


def test_cost_prices_tokens_line_by_line(run: Run) -> None:
    """Cached tokens at their own rate: 1,000 of 2,000 input tokens of gpt-4o cost half."""
    arguments = ("cost", "openai/gpt-4o", "--input", "2000", "--output", "500", "--cache-read", "1000")
    assert "$0.008750" in run(*arguments).stdout
    found = json.loads(run(*arguments, "--json").stdout)
    assert found["total"] == "0.00875"
    assert {item["name"]: item["usd"] for item in found["items"]} == {
        "input_tokens": "0.0025", "cache_read_tokens": "0.00125", "output_tokens": "0.005"
    }  # fmt: skip


def test_cost_of_an_unknown_model_is_unknown(run: Run) -> None:
    """Never zero: exit code 1 and the reason."""
    assert "unknown price" in run("cost", "fake/not-a-model", "--input", "5", ok=1).stderr
    assert json.loads(run("cost", "fake/not-a-model", "--json", ok=1).stdout)["total"] is None


def test_cost_with_impossible_counts_is_a_usage_error(run: Run) -> None:
    """More cached tokens than input tokens is exit code 2."""
    run("cost", "gpt-4o", "--input", "1", "--cache-read", "5", ok=2)


@pytest.mark.usefixtures("spent")
def test_tail_shows_the_newest_calls_in_order(run: Run) -> None:
    """The newest call is the last line; JSON is one call a line."""
    lines = run("tail", "-n", "2").stdout.splitlines()
    assert [("globex" in line, "unknown" in line) for line in lines] == [(True, False), (False, True)]
    calls = [json.loads(line) for line in run("tail", "--json").stdout.splitlines()]
    assert [(call["customer_id"], call["cost"]) for call in calls] == [
        ("acme", "0.1"),
        ("globex", "0.1"),
        ("acme", None),
    ]


def test_tail_follows_a_ledger_that_grows(ledger_url: str) -> None:
    """`--follow` shows a call that is recorded while it watches, and ends quietly on Ctrl-C."""
    ledger = open_ledger(ledger_url)
    command: list[str | Path] = [PROGRAM, "tail", "--follow", "--interval", "0.1", "--json", "--ledger", ledger_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        os.set_blocking(watching.stdout.fileno(), False)
        shown = ""
        for number in itertools.count(1):
            ledger.append([UsageEvent(id=f"{number:030d}", at=number * MICROS, customer_id="acme", usage=Usage())])
            shown = watching.stdout.readline()
            if shown or watching.poll() is not None:
                break
        watching.send_signal(signal.SIGINT)
        try:
            assert watching.wait(60) == 0
        finally:
            watching.kill()
    ledger.close()
    assert json.loads(shown)["customer_id"] == "acme"


def test_budgets_are_set_listed_watched_and_removed(run: Run, make_calc: MakeCalc) -> None:
    """A budget set here holds in the next program, and a spent one is exit code 3."""
    assert (
        "customer acme"
        in run("budgets", "set", "0.10", "--per", "day", "--customer", "acme", "--id", "acme-day").stdout
    )
    calc = make_calc()
    assert calc.budgets.list() == [Budget("0.10", per="day", customer_id="acme", id="acme-day")]
    assert json.loads(run("budgets", "status", "--json").stdout)[0]["spent"] == "0"
    with calc.attribute(customer_id="acme"):
        calc.record(ten_cents())
    calc.shutdown()
    assert "100%" in run("budgets", "status", ok=3).stdout
    assert [row["id"] for row in json.loads(run("budgets", "list", "--json").stdout)] == ["acme-day"]
    assert "acme-day" in run("budgets", "list").stdout
    run("budgets", "rm", "acme-day")
    assert "acme-day" in run("budgets", "rm", "acme-day", ok=1).stderr
    assert "No budgets" in run("budgets", "list").stdout


def test_a_budget_that_cannot_be_is_refused_with_what_can(run: Run) -> None:
    """The message lists the possible values."""
    assert "hour, day, week" in run("budgets", "set", "5", "--per", "fortnight", ok=2).stderr


def test_a_budget_beyond_all_money_is_shown_in_full(run: Run) -> None:
    """Whatever limit `Budget` takes, `set`, `list` and `status` show."""
    limit = f"${10**27:,}.00"
    assert limit in run("budgets", "set", "1e27", "--per", "day").stdout
    assert limit in run("budgets", "list").stdout
    assert limit in run("budgets", "status").stdout


@pytest.mark.usefixtures("spent")
def test_doctor_names_what_is_wrong_and_how_to_fix_it(run: Run) -> None:
    """Each finding has a state; unpriced models are named."""
    text = run("doctor").stdout
    for expected in ("interpreter", "ledger", "prices", "clock", "journal", "house-model-1"):
        assert expected in text
    states = {check["name"]: check["state"] for check in json.loads(run("doctor", "--json").stdout)}
    assert states["ledger"] == "ok"
    assert states["unpriced models"] == "warn"


def test_doctor_names_what_is_not_metered(run: Run) -> None:
    """What the installed SDKs can spend outside of any response is said, and what to do about it."""
    found = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)}
    told = found["not metered"]["found"]
    for package, spent in NOT_METERED.items():
        assert package in found
        assert all(name in told for each in spent for name in each.calls)
    assert found["not metered"]["fix"]


def test_doctor_fails_on_a_ledger_that_is_none(run: Run, tmp_path: Path) -> None:
    """A file that is not a database is exit code 1, with a word on what to do."""
    (tmp_path / "spend.db").write_text("this is not a database, but it is long enough to look like a file " * 20)
    assert "fail" in run("doctor", ok=1).stdout


def test_doctor_notices_a_clock_that_is_behind(run: Run, ledger_url: str) -> None:
    """Calls from the future mean that this clock, or another one, is wrong."""
    ledger = open_ledger(ledger_url)
    ledger.append([UsageEvent(id="f" * 30, at=4_000_000_000 * MICROS), RevenueEvent(id="r", at=1, amount_nanos=1)])
    ledger.close()
    states = {check["name"]: check["state"] for check in json.loads(run("doctor", "--json", ok=1).stdout)}
    assert states["clock"] == "fail"


def test_demo_spends_is_blocked_and_ends_with_the_margins(run: Run, ledger_url: str) -> None:
    """No key, no network: real SDKs, a refusal before the request leaves, and books that add up."""
    pytest.importorskip("openai", reason="the openai SDK is absent")
    pytest.importorskip("anthropic", reason="the anthropic SDK is absent")
    done = run("demo", "--calls", "30", "--ledger", ledger_url)
    for expected in (
        "acme",
        "globex",
        "initech",
        "stopped before they left",
        "First refusal: budget 'initech-day'",
        "Total",
    ):
        assert expected in done.stdout
    figures = _figures(run("demo", "--calls", "30", "--json").stdout)
    assert figures["blocked"] > 0
    rows = figures["customers"]["rows"]
    assert sum(Decimal(row["cost"]) for row in rows) == Decimal(figures["customers"]["total"]["cost"])
    initech = next(row for row in rows if row["customer"] == "initech")
    assert initech["calls"] < 30
    assert all(row["unpriced_calls"] == 0 for row in rows)


def _figures(text: str) -> Any:
    return json.loads(text)


def test_help_and_version(run: Run) -> None:
    """Every command explains itself."""
    for command in ("demo", "report", "cost", "tail", "doctor", "budgets", "prices", "reprice"):
        assert command in run("--help").stdout
        assert run(command, "--help").stdout
    assert run("--version").stdout.strip() == "2.0.0.dev0"
    run("report", "--no-such-option", ok=2)


def test_names_are_shown_as_they_are(make_calc: MakeCalc, run: Run) -> None:
    """What customers chose is never taken for markup or for orders to the terminal."""
    calc = make_calc()
    calc.budgets.set(Budget("5.00", per="day", customer_id="[/]", id="cap[red]"))
    with calc.attribute(customer_id="[bold]evil[/nope]", feature="a\x1b[2Jb"):
        calc.record(ten_cents())
    calc.shutdown()
    assert "[bold]evil[/nope]" in run("report", "--by", "customer").stdout
    for command in (["report"], ["report", "--by", "feature"], ["tail"]):
        shown = run(*command).stdout
        assert "a\\x1b[2Jb" in shown
        assert "\x1b" not in shown
    assert "cap[red]" in run("budgets", "list").stdout
    assert "cap[red]" in run("budgets", "status").stdout
    assert "cap[red] removed" in run("budgets", "rm", "cap[red]").stdout


def test_an_empty_ledger_says_what_to_do(run: Run) -> None:
    """Whoever has recorded nothing is told for which time, how to start, and where was looked."""
    assert run("report").stdout.startswith("Nothing recorded this month. Wrap a client")
    assert run("report", "--by", "customer", "--since", "30d").stdout.startswith("Nothing recorded in the last 30d.")
    between = run("report", "--since", "2026-01-01", "--until", "2026-02-01")
    assert between.stdout.startswith("Nothing recorded since 2026-01-01, until 2026-02-01.")
    assert "spend.db" in between.stderr
    assert run("tail").stdout == ""
    assert "spend.db" in run("tail").stderr


@pytest.mark.usefixtures("spent")
def test_what_is_unknown_is_not_shown_as_nothing(run: Run) -> None:
    """A model without a price costs an unknown amount, in the overview as in a table."""
    for arguments in (["report"], ["report", "--by", "model"]):
        (line,) = (line for line in run(*arguments).stdout.splitlines() if "house-model-1" in line)
        assert line.split()[1] == "unknown"


@pytest.mark.usefixtures("spent")
def test_a_name_given_twice_is_one_column(run: Run) -> None:
    """As if it had been given once."""
    assert run("report", "--by", "customer,customer").stdout == run("report", "--by", "customer").stdout


def test_budgets_of_odd_names_are_confirmed_as_text(run: Run) -> None:
    """What a terminal would act on is written out, also where a budget is put in force."""
    done = run("budgets", "set", "5", "--per", "month", "--rolling", "--customer", "a\x1b[31mb")
    assert "a\\x1b[31mb" in done.stdout
    assert "\x1b" not in done.stdout
    assert "per month (rolling)" in done.stdout


def test_cost_asks_for_tokens(run: Run) -> None:
    """Without any there is nothing to price, and the options are named; a mistyped model is searched for."""
    assert "--input" in run("cost", "gpt-5-mini").stderr
    assert "prices list gpt-5-min" in run("cost", "gpt-5-min", "-i", "5", ok=1).stderr


@pytest.fixture
def sealed(ledger_url: str, tmp_path: Path) -> Path:
    """A ledger that can only be read: SQLite writes to no file that says a later version has written it."""
    open_ledger(ledger_url).close()
    file = tmp_path / "spend.db"
    content = bytearray(file.read_bytes())
    content[WRITE_VERSION] = 3
    file.write_bytes(content)
    return file


@pytest.mark.usefixtures("sealed")
def test_a_ledger_that_cannot_be_written_to_is_noticed(run: Run) -> None:
    """Doctor fails, a budget cannot be set, and each says what to check."""
    assert run("report").stdout.startswith("Nothing recorded")
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json", ok=1).stdout)}
    assert checks["ledger"]["state"] == "fail"
    for told in (checks["ledger"]["found"], run("budgets", "set", "5", "--per", "day", ok=1).stderr):
        assert "check that it is a file, that its folder is there, and that this user may write to both" in told


@pytest.mark.usefixtures("sealed")
def test_demo_does_not_claim_what_the_ledger_did_not_take(run: Run, ledger_url: str) -> None:
    """Records that wait are counted, and the exit code is 1."""
    pytest.importorskip("openai", reason="the openai SDK is absent")
    pytest.importorskip("anthropic", reason="the anthropic SDK is absent")
    done = run("demo", "--calls", "3", "--ledger", ledger_url, ok=1)
    assert "could not be written" in done.stderr
    assert "Kept in" not in done.stdout
