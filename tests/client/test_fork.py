"""What a forked child can do beside the threads of its parent, and that neither ends what the other began."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from ai_cost_calc import AiCostCalc, Budget
from ai_cost_calc.testing._forks import exit_code, forked
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

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


def _in_child(calc: AiCostCalc, work: Callable[[], object]) -> None:
    """Run `work` in a forked child, which then delivers what it recorded."""

    def run() -> int:
        with suppress(SystemExit):
            work()
        return calc.shutdown()

    assert exit_code(forked(run)) == 0


@pytest.mark.parametrize("records", [0, 1])
def test_a_block_that_a_fork_comes_into_is_ended_by_its_parent(make_calc: MakeCalc, records: int) -> None:
    """What was recorded before the fork counts once; what the child records in the block counts too."""
    calc = make_calc(budgets=[Budget("9", per="day")])
    guard = calc.guard(customer_id="acme")
    block = guard.__enter__()
    block.record(ten_cents())

    def leave() -> None:
        if records:
            block.record(ten_cents())
            calc.record(ten_cents())
        guard.__exit__(None, None, None)

    _in_child(calc, leave)
    guard.__exit__(None, None, None)
    assert {row.customer: row.calls for row in calc.report("customer")} == {"acme": 1 + 2 * records}
    assert calc.stats().holds == 0


def test_a_generator_that_a_fork_comes_into_is_ended_by_its_parent(make_calc: MakeCalc) -> None:
    """The child may take the rest of it; what was recorded before counts once."""
    calc = make_calc()

    @calc.guard(customer_id="acme")
    def steps() -> Iterator[int]:
        calc.record(ten_cents())
        yield 1
        yield 2

    running = steps()
    assert next(running) == 1
    _in_child(calc, lambda: list(running))
    assert list(running) == [2]
    assert {row.customer: row.calls for row in calc.report("customer")} == {"acme": 1}


@pytest.mark.parametrize("tracks", [0, 1])
def test_usage_that_waits_for_its_track_over_a_fork_is_booked_by_its_parent(make_calc: MakeCalc, tracks: int) -> None:
    """The child's `track`, or its end, books what the child used, and nothing of its parent."""
    calc = make_calc()
    usage: dict[str, Any] = {"model": "openai/gpt-4o", "output_tokens": 0}
    calc.guarded_call(customer_id="acme", call=lambda: None)
    calc.add_usage(**usage, input_tokens=1)

    def work() -> None:
        if tracks:
            calc.add_usage(**usage, input_tokens=10)
            calc.track(customer_id="globex")

    _in_child(calc, work)
    calc.track(customer_id="acme")
    found = {row.customer: row.usage.input_tokens for row in calc.report("customer")}
    assert found == {"acme": 1} | ({"globex": 10} if tracks else {})


UNTRACKED: Final = """
import sys
from ai_cost_calc import AiCostCalc
calc = AiCostCalc(sys.argv[1])
calc.guarded_call(customer_id="acme", call=lambda: None)
calc.add_usage(model="openai/gpt-4o", input_tokens=5, output_tokens=0)
"""


def test_usage_that_the_main_thread_never_tracks_is_booked_at_the_end(make_calc: MakeCalc, ledger_url: str) -> None:
    """A program that ends before its `track`: what it used was spent, so it is on the books."""
    subprocess.run([sys.executable, "-c", UNTRACKED, ledger_url], check=True, timeout=60)
    assert {row.customer: row.usage.input_tokens for row in make_calc().report("customer")} == {"acme": 5}


def test_a_child_wraps_clients_whatever_its_parents_threads_are_doing(make_calc: MakeCalc) -> None:
    """A fork while another thread is in the middle of wrapping a client: the child wraps its own, and does not hang."""
    openai = pytest.importorskip("openai", reason="the openai SDK is absent")
    calc = make_calc()
    inside, go_on = threading.Event(), threading.Event()

    class Slow(openai.DefaultHttpxClient):  # type: ignore[misc,name-defined]  # a class of the SDK's own
        @property
        def event_hooks(self) -> Any:
            inside.set()
            go_on.wait(30)
            return super().event_hooks

        @event_hooks.setter
        def event_hooks(self, hooks: Any) -> None:
            super(Slow, type(self)).event_hooks.fset(self, hooks)

    with Slow() as http_client, openai.OpenAI(api_key="k") as other:
        slow = openai.OpenAI(api_key="k", http_client=http_client)
        thread = threading.Thread(target=calc.wrap, args=[slow])
        thread.start()
        assert inside.wait(30)
        try:
            _in_child(calc, lambda: calc.wrap(other))
        finally:
            go_on.set()
            thread.join(30)
