"""Running the command line as a user does: real processes, their output and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

pytest.importorskip("typer", reason="the cli extra (typer, rich) is absent")

PROGRAM = Path(sys.executable).with_name("ai-cost-calc")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(ledger_url: str, tmp_path: Path) -> Run:
    """Run `ai-cost-calc` on the test's own ledger, without colours, in a wide terminal."""
    of_its_own = {"AI_COST_CALC_LEDGER": ledger_url, "NO_COLOR": "1", "COLUMNS": "200"}

    def run(*arguments: str, ok: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PROGRAM, *arguments],
            env={**os.environ, **of_its_own, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == ok, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def spent(make_calc: MakeCalc) -> None:
    """Two customers: acme earns money, globex loses it, and one model has no price."""
    calc = make_calc()
    for customer, feature, cents in (("acme", "chat", 500), ("globex", "search", 5)):
        with calc.attribute(customer_id=customer, feature=feature):
            calc.record(ten_cents())
        calc.track(customer_id=customer, event_type=feature, revenue_amount_in_cents=cents)
    with calc.attribute(customer_id="acme", feature="chat"):
        calc.record({**ten_cents(), "model": "house-model-1"})
    calc.shutdown()
