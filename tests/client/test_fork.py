"""What a forked child can do while a thread of its parent is loading what both need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PROGRAM: Final = """
import os, sys, threading
from ai_cost_calc import AiCostCalc

calc = AiCostCalc(f"sqlite:///{sys.argv[1]}/spend.db", data_dir=sys.argv[1])
if sys.argv[2] == "importing":
    while "genai_prices" not in sys.modules:  # the thread that loads prices is in the middle of it
        pass
child = os.fork()
if not child:
    cost = calc.cost("openai/gpt-4o", input_tokens=1_000, output_tokens=500)
    os._exit(0 if cost is not None and str(cost.total_cost) == "0.0075" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert calc.cost("openai/gpt-4o", input_tokens=1_000, output_tokens=500) is not None
"""
QUIETLY: Final = ("-W", "ignore::DeprecationWarning")
"""Python 3.12 warns of forks beside threads, which is what this is about."""


@pytest.mark.parametrize("moment", ["at once", "importing"])
def test_a_child_forked_while_prices_load_has_prices(moment: str, tmp_path: Path) -> None:
    """A server that forks its workers right after making the client: each worker prices calls, and none hangs."""
    done = subprocess.run(
        [sys.executable, *QUIETLY, "-c", PROGRAM, str(tmp_path), moment],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
