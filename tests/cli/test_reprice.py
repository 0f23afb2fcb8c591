"""`ai-cost-calc reprice` and what the other commands show of its adjustments, in real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import Reading, Usage
from tests.cli.conftest import Run
from tests.conftest import MakeCalc

HOUSE = Reading(usage=Usage(input_tokens=10_000, output_tokens=1_000), provider="house", model="llama-70b")
"""At 20 cents and $1 a million, $0.003."""


@pytest.fixture
def prices(tmp_path: Path) -> str:
    """A file that knows the house's model."""
    path = tmp_path / "prices.toml"
    path.write_text(
        '[[prices]]\nprovider = "house"\nmodel = "llama-70b"\n'
        'rates = { input_tokens = "0.20", output_tokens = "1.00" }\n'
    )
    return str(path)


@pytest.fixture
def spent(make_calc: MakeCalc) -> None:
    """Two calls of a model without a price, one that nobody will ever know, and one of gpt-5."""
    calc = make_calc()
    gpt_5 = Reading(usage=HOUSE.usage, provider="openai", model="gpt-5")
    for reading in (HOUSE, HOUSE, Reading(usage=HOUSE.usage, provider="nobody", model="x"), gpt_5):
        calc.record(reading)
    calc.shutdown()


def said(run: Run, *arguments: str) -> Any:
    """What a command says in JSON."""
    return json.loads(run(*arguments, "--json").stdout)


@pytest.mark.usefixtures("spent")
def test_reprice_prices_what_had_no_price(run: Run, prices: str) -> None:
    """A table by model, what it comes to, and what is still unknown; reports show it from then on."""
    done = run("reprice", "--since", "30d", "--prices", prices, "--reason", "house prices")
    assert "house/llama-70b" in done.stdout
    assert "2 of 3 calls were adjusted, $0.006000 in all" in done.stdout
    assert "1 call still without a known price" in done.stderr
    report = said(run, "report", "--by", "model", "--since", "today")
    row = next(row for row in report["rows"] if row["model"] == "llama-70b")
    assert (row["cost"], row["adjusted_cost"], row["unpriced_calls"]) == ("0.006", "0.006", 0)
    assert report["total"]["unpriced_calls"] == 1
    again = said(run, "reprice", "--prices", prices)
    assert (again["adjusted"], again["still_unpriced"], again["difference"]) == (0, 1, "0")


@pytest.mark.usefixtures("spent")
def test_a_dry_run_only_says(run: Run, prices: str) -> None:
    """Nothing is kept."""
    assert "would be adjusted" in run("reprice", "--dry-run", "--prices", prices).stdout
    assert "No adjustments." in run("reprice", "--trail").stdout


@pytest.mark.usefixtures("spent")
def test_all_takes_in_what_had_a_price(run: Run, tmp_path: Path) -> None:
    """It needs to be told from when; conditions narrow it down."""
    discount = tmp_path / "discount.toml"
    discount.write_text('[[discounts]]\nprovider = "openai"\npercent = 10\n')
    assert "say from when" in run("reprice", "--all", ok=2).stderr
    arguments = ("reprice", "--all", "--since", "today", "--prices", str(discount))
    assert said(run, *arguments, "--where", "model=gpt-4o")["looked_at"] == 0
    done = said(run, *arguments, "--where", "model=gpt-5")
    assert (done["looked_at"], done["adjusted"], done["newly_priced"], done["difference"]) == (1, 1, 0, "-0.00225")
    assert done["models"] == [
        {"provider": "openai", "model": "gpt-5", "calls": 1, "newly_priced": 0, "before": "0.0225", "after": "0.02025"}
    ]


@pytest.mark.usefixtures("spent")
def test_the_trail_shows_every_adjustment(run: Run, prices: str) -> None:
    """Which event, what it cost and costs, why, and which run."""
    done = said(run, "reprice", "--prices", prices, "--reason", "house prices")
    trail = said(run, "reprice", "--trail")
    assert len(trail) == 2
    assert {(one["run"], one["reason"], one["old_cost"], one["new_cost"]) for one in trail} == {
        (done["run"], "house prices", None, "0.003")
    }
    assert trail[0]["new_price_version"] == done["price_version"]
    text = run("reprice", "--trail").stdout
    for expected in (trail[0]["event_id"], "unknown", "$0.003000", "house prices", done["run"]):
        assert expected in text
    assert said(run, "reprice", "--trail", "--where", "model=gpt-5") == []


@pytest.mark.usefixtures("spent")
def test_tail_shows_what_was_recorded_and_what_it_costs_now(run: Run, prices: str) -> None:
    """The line has the cost of now and says what it was; in JSON the adjustment stands beside the record."""
    run("reprice", "--prices", prices, "--reason", "house prices")
    lines = run("tail").stdout.splitlines()
    adjusted = [line for line in lines if "house/llama-70b" in line]
    assert len(adjusted) == 2
    assert all("$0.003000" in line and line.endswith("adjusted, was unknown") for line in adjusted)
    calls = [json.loads(line) for line in run("tail", "--json").stdout.splitlines()]
    by_model = {call["model"]: call for call in calls}
    assert by_model["llama-70b"]["cost"] is None
    assert by_model["llama-70b"]["adjusted"]["cost"] == "0.003"
    assert by_model["llama-70b"]["adjusted"]["reason"] == "house prices"
    assert "adjusted" not in by_model["gpt-5"]


def test_nothing_to_reprice(run: Run) -> None:
    """An empty ledger is no error."""
    assert "0 of 0 calls were adjusted" in run("reprice").stdout


@pytest.mark.parametrize("arguments", [("--where", "model"), ("--no-such",)])
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2."""
    run("reprice", *arguments, ok=2)


def test_what_is_not_understood(run: Run) -> None:
    """Exit code 2, in one line."""
    assert run("reprice", "--since", "yesteryear", ok=2).stderr.startswith("error: ")
    assert "choose among" in run("reprice", "--where", "planet=mars", ok=2).stderr
