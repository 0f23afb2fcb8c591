"""The surface of the official client 1.3.13, and each of its defects that shows offline, done right."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import (
    AiCostCalc,
    AiCostCalcError,
    Budget,
    BudgetExceeded,
    ConfigError,
    CostResult,
    LedgerError,
    LedgerUnavailable,
    Usage,
)
from ai_cost_calc.core.event import Record, UsageEvent
from ai_cost_calc.ledgers.memory import MemoryLedger
from tests.conftest import MakeCalc

GPT_4O = {"model": "openai/gpt-4o"}


def _ten_cent_call(calc: AiCostCalc, customer: str, estimate: str | None = "0.10") -> bool:
    try:
        calc.guarded_call(customer_id=customer, call=lambda: "answer", estimate=estimate)
    except BudgetExceeded:
        return False
    calc.add_usage(**GPT_4O, input_tokens=0, output_tokens=10_000)
    calc.track(customer_id=customer)
    return True


def test_the_readme_of_the_official_client_works_unchanged(calc: AiCostCalc) -> None:
    """Guard, add usage, track with revenue: the books hold cost, revenue and margin."""
    answer = calc.guarded_call(customer_id="cust_123", call=lambda: "answer", event_type="chat")
    calc.add_usage(model="openai/gpt-4o", input_tokens=1_000, output_tokens=500)
    calc.track(customer_id="cust_123", revenue_amount_in_cents=250, event_type="chat")
    assert answer == "answer"
    (row,) = calc.report(["customer", "feature"])
    assert (row.customer, row.feature, row.calls) == ("cust_123", "chat", 1)
    assert (row.cost, row.revenue, row.margin) == (Decimal("0.0075"), Decimal("2.5"), Decimal("2.4925"))
    assert row.margin_percent == Decimal("99.70")


def test_every_official_argument_is_taken(make_calc: MakeCalc) -> None:
    """Code written for the official client constructs ours with the same words."""
    errors: list[AiCostCalcError] = []
    with make_calc(
        api_key="md_live_x", base_url="http://127.0.0.1:9/api/v1/", flush_interval=1.0, max_retries=0,
        default_event_type="chat", budget_fail_closed=True, on_error=errors.append,
    ) as calc:  # fmt: skip
        assert calc.config.base_url == "http://127.0.0.1:9/api/v1"
        assert _ten_cent_call(calc, "acme")
        assert [row.feature for row in calc.report("feature")] == ["chat"]


@pytest.mark.parametrize(
    "bad",
    [
        {"flush_interval": 0}, {"flush_interval": float("nan")}, {"flush_interval": "5"}, {"max_retries": -1},
        {"max_retries": True}, {"budget_fail_closed": "yes"}, {"default_event_type": " "}, {"api_key": ""},
        {"on_error": "print"}, {"budgets": 5}, {"budgets": [5]}, {"data_dir": 5}, {"fallback_price": "-5"},
        {"ledger": 5}, {"ledger": b"memory:"}, {"ledger": "sqlite:///"},
    ],
)  # fmt: skip
def test_bad_settings_are_a_value_error_at_construction(make_calc: MakeCalc, bad: dict[str, object]) -> None:
    """A wrong setting is reported where it is written, with its name."""
    assert issubclass(ConfigError, ValueError)
    with pytest.raises(ConfigError, match=f"{next(iter(bad))}|names no file"):
        make_calc(**bad)


def test_cost_is_exact_decimals_at_standard_rates(calc: AiCostCalc) -> None:
    """1,000 input and 500 output tokens of gpt-4o cost $0.0025 and $0.005."""
    assert calc.cost("openai/gpt-4o", input_tokens=1_000, output_tokens=500) == CostResult(
        model="openai/gpt-4o", input_cost=Decimal("0.0025"), output_cost=Decimal("0.005"), total_cost=Decimal("0.0075"),
        input_tokens=1_000, output_tokens=500, estimated=False,
    )  # fmt: skip


def test_defect_slugs_are_estimated_with_the_wrong_tokenizer__ours_says_that_it_is_an_estimate(
    calc: AiCostCalc,
) -> None:
    """Tokens of a text are estimated from its size, and the result says so."""
    result = calc.cost("anthropic/claude-sonnet-4", input_text="How are you today?", output_text="Fine.")
    assert result is not None
    assert result.estimated
    assert 0 < result.total_cost < Decimal("0.001")


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "fake/not-a-model", "input_tokens": 1, "output_tokens": 1},
        {"model": "openai/gpt-4o", "input_tokens": -1, "output_tokens": 1},
        {"model": "openai/gpt-4o", "input_tokens": 1.5, "output_tokens": 1},
        {"model": "openai/gpt-4o", "input_tokens": True, "output_tokens": 1},
        {"model": "openai/gpt-4o", "input_tokens": 1},
        {"model": "openai/gpt-4o", "input_tokens": 1, "input_text": "x"},
        {"model": "openai/gpt-4o", "input_text": "x" * 1_000_001},
    ],
)
def test_cost_never_raises_and_reports_once(make_calc: MakeCalc, arguments: dict[str, object]) -> None:
    """What makes no sense gives `None` and one call of `on_error`."""
    errors: list[AiCostCalcError] = []
    calc = make_calc(on_error=errors.append)
    assert calc.cost(**arguments) is None  # type: ignore[arg-type]
    assert len(errors) == 1


def test_defect_one_buffer_per_client__ours_is_per_thread(calc: AiCostCalc) -> None:
    """Eight threads add usage and track at the same time; no usage goes to another customer."""
    step = threading.Barrier(8)

    def serve(thread: int) -> None:
        for turn in range(25):
            calc.add_usage(**GPT_4O, input_tokens=thread * 25 + turn + 1, output_tokens=0)
            step.wait()
            calc.track(customer_id=f"c{thread}-{turn}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(serve, range(8)))
    found = {row.customer: row.usage.input_tokens for row in calc.report("customer")}
    assert found == {f"c{thread}-{turn}": thread * 25 + turn + 1 for thread in range(8) for turn in range(25)}


async def test_defect_one_buffer_per_client__ours_is_per_task(calc: AiCostCalc) -> None:
    """A hundred tasks started by one that has usage pending keep theirs apart, and the parent keeps its own."""
    calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0)

    async def serve(number: int) -> None:
        calc.add_usage(**GPT_4O, input_tokens=number + 1, output_tokens=0)
        await asyncio.sleep(0)
        calc.track(customer_id=f"c{number}")

    await asyncio.gather(*map(serve, range(100)))
    calc.track(customer_id="parent")
    found = {row.customer: row.usage.input_tokens for row in calc.report("customer")}
    assert found == {"parent": 1_000} | {f"c{number}": number + 1 for number in range(100)}


def test_defect_one_buffer_per_client__a_request_that_fails_leaves_nothing_behind(calc: AiCostCalc) -> None:
    """Usage of a request that failed before it tracked is booked to its own customer, not to the next one."""

    def fails() -> None:
        calc.add_usage(**GPT_4O, input_tokens=7, output_tokens=0)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        calc.guarded_call(customer_id="first", call=fails)
    calc.guarded_call(customer_id="second", call=lambda: calc.add_usage(**GPT_4O, input_tokens=8, output_tokens=0))
    calc.guarded_call(customer_id="third", call=lambda: None)
    calc.add_usage(**GPT_4O, input_tokens=9, output_tokens=0)
    calc.track(customer_id="third")
    assert {row.customer: row.usage.input_tokens for row in calc.report("customer")} == {
        "first": 7, "second": 8, "third": 9
    }  # fmt: skip


def test_defect_100_concurrent_calls_pass_a_one_dollar_budget__ours_lets_exactly_10_through(
    make_calc: MakeCalc,
) -> None:
    """A hundred threads make $0.10 calls at once on a $1 budget: ten get through, and nothing stays held."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    gate = threading.Barrier(100)

    def call(_: int) -> bool:
        gate.wait()
        return _ten_cent_call(calc, "acme")

    with ThreadPoolExecutor(100) as pool:
        assert sum(pool.map(call, range(100))) == 10
    assert calc.report().total.cost == Decimal(1)
    assert calc.stats().holds == 0


async def test_defect_100_concurrent_calls_pass_a_one_dollar_budget__ours_learns_what_calls_cost(
    make_calc: MakeCalc,
) -> None:
    """Without `estimate=`, a guarded call reserves what such calls have cost; after one, the rest is held exactly."""
    calc = make_calc(budgets=[Budget("1.00", per="day")])
    assert _ten_cent_call(calc, "acme", estimate=None)

    async def call() -> bool:
        async def answer() -> str:
            await asyncio.sleep(0)
            return "answer"

        try:
            await calc.async_guarded_call(customer_id="acme", call=answer)
        except BudgetExceeded:
            return False
        calc.add_usage(**GPT_4O, input_tokens=0, output_tokens=10_000)
        calc.track(customer_id="acme")
        return True

    assert sum(await asyncio.gather(*(call() for _ in range(100)))) == 9
    assert calc.report().total.cost == Decimal(1)


class _Flaky(MemoryLedger):
    """A ledger that is down until told otherwise, and refuses one model for good."""

    def __init__(self) -> None:
        super().__init__()
        self.down = True

    def append(self, records: Sequence[Record], /) -> int:
        if self.down:
            message = "down for maintenance"
            raise LedgerUnavailable(message)
        if any(isinstance(record, UsageEvent) and record.customer_id == "poison" for record in records):
            message = "this record is refused"
            raise LedgerError(message)
        return super().append(records)


@pytest.mark.provokes_faults
def test_defect_a_server_that_is_down_loses_60_events__ours_keeps_them_and_exit_is_not_held_up(
    make_calc: MakeCalc, tmp_path: Path
) -> None:
    """What a ledger cannot take now waits on disk and is delivered by the next start."""
    ledger = _Flaky()
    calc = make_calc(ledger, data_dir=str(tmp_path))
    for _ in range(60):
        assert _ten_cent_call(calc, "acme")
    assert calc.shutdown(timeout=1.0) == 60
    ledger.down = False
    again = make_calc(ledger, data_dir=str(tmp_path))
    assert again.report().total.calls == 60
    assert again.stats().waiting == 0


@pytest.mark.provokes_faults
def test_defect_one_bad_value_loses_the_batch__ours_sets_it_aside_alone(make_calc: MakeCalc, tmp_path: Path) -> None:
    """A record that the ledger refuses is kept apart with the reason; all others arrive."""
    ledger = _Flaky()
    ledger.down = False
    calc = make_calc(ledger, data_dir=str(tmp_path))
    for number in range(50):
        assert _ten_cent_call(calc, "poison" if number == 25 else "acme")
    assert calc.flush() == 0
    assert calc.report().total.calls == 49
    assert calc.stats().quarantined == 1
    (quarantine,) = tmp_path.rglob("*quarantine*")
    assert "this record is refused" in quarantine.read_text()


_SERVE = """
import os, signal, sys
from ai_cost_calc import AiCostCalc
calc = AiCostCalc(sys.argv[1], flush_interval=3600)
def serve(first, last):
    for number in range(first, last):
        calc.add_usage(model="openai/gpt-4o", input_tokens=1, output_tokens=0)
        calc.track(customer_id=f"c{number}")
"""


def _run(script: str, ledger_url: str) -> int:
    done = subprocess.run([sys.executable, "-c", _SERVE + script, ledger_url], timeout=60, check=False)
    return done.returncode


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_defect_sigterm_delivers_0_of_20__ours_loses_nothing(
    make_calc: MakeCalc, ledger_url: str, kill: signal.Signals
) -> None:
    """A process that is terminated or killed has lost nothing that `track` returned for."""
    assert _run(f"serve(0, 20); os.kill(os.getpid(), {int(kill)})", ledger_url) == -kill
    assert make_calc().report().total.calls == 20


def test_defect_a_forked_worker_delivers_0__ours_loses_nothing(make_calc: MakeCalc, ledger_url: str) -> None:
    """A worker forked from a process that already tracked delivers its own events, and the parent's only once."""
    script = """
serve(0, 20)
pid = os.fork()
if pid == 0:
    serve(20, 40)
    os._exit(0)
os.waitpid(pid, 0)
calc.shutdown()
"""
    assert _run(script, ledger_url) == 0
    assert make_calc().report().total.calls == 40


def test_defect_track_after_shutdown_vanishes__ours_is_kept(make_calc: MakeCalc) -> None:
    """What is tracked after shutdown still reaches the books, at the latest with the next start."""
    calc = make_calc()
    calc.shutdown()
    assert _ten_cent_call(calc, "late")
    calc.shutdown()
    assert [row.customer for row in make_calc().report("customer")] == ["late"]


def test_defect_without_a_key_the_guard_is_off__ours_holds_local_budgets(make_calc: MakeCalc) -> None:
    """No key is needed for a budget to hold."""
    calc = make_calc(budgets=[Budget(0, per="day", customer_id="acme")], budget_fail_closed=True)
    with pytest.raises(RuntimeError):
        calc.guarded_call(customer_id="acme", call=lambda: pytest.fail("the call must not be made"))


def test_defect_a_call_without_event_type_ignores_a_block_on_the_default_one__ours_does_not(
    make_calc: MakeCalc,
) -> None:
    """The default event type counts for guard and track alike."""
    calc = make_calc(budgets=[Budget(0, per="day", feature="chat")], default_event_type="chat")
    with pytest.raises(BudgetExceeded):
        calc.guarded_call(customer_id="acme", call=lambda: pytest.fail("the call must not be made"))


def test_defect_the_call_path_waits_for_a_hung_server__ours_waits_for_nothing(
    make_calc: MakeCalc, tmp_path: Path
) -> None:
    """Calls go on while the ledger hangs: a thousand of them, and the ledger has answered nothing."""
    asked, let_go = threading.Event(), threading.Event()

    class Hung(MemoryLedger):
        def append(self, records: Sequence[Record], /) -> int:
            asked.set()
            let_go.wait(30)
            return super().append(records)

    calc = make_calc(Hung(), data_dir=str(tmp_path), flush_interval=0.01)
    assert _ten_cent_call(calc, "acme")
    assert asked.wait(10)
    for _ in range(1_000):
        assert _ten_cent_call(calc, "acme")
    assert calc.stats().delivered == 0
    let_go.set()
    assert calc.flush(30) == 0
    assert calc.report().total.calls == 1_001


def test_defect_a_refusal_is_a_bare_runtime_error__ours_says_what_and_until_when(make_calc: MakeCalc) -> None:
    """`BudgetExceeded` is a `RuntimeError` with scope, limit, spent and reset time."""
    calc = make_calc(budgets=[Budget("0.05", per="day", customer_id="acme")])
    with pytest.raises(RuntimeError) as caught:
        calc.guarded_call(customer_id="acme", call=lambda: None, estimate="0.10")
    refusal = caught.value
    assert isinstance(refusal, BudgetExceeded)
    assert (refusal.scope, refusal.limit, refusal.spent) == ("customer acme", Decimal("0.05"), Decimal(0))
    assert refusal.resets_at is not None
    assert refusal.resets_at > datetime.now(UTC)


def test_defect_a_90_percent_cached_prompt_is_priced_76_percent_too_high__ours_is_exact(calc: AiCostCalc) -> None:
    """Cached tokens of gpt-4o cost half: 10,000 input tokens of which 9,000 were cached, 100 output tokens."""
    usage = Usage(input_tokens=10_000, cache_read_tokens=9_000, output_tokens=100)
    priced = calc.price(usage, provider="openai", model="gpt-4o")
    assert priced.total == Decimal("0.01475")
    assert isinstance(priced.total, Decimal)
    assert sum(item.usd for item in priced.items) == priced.total


def test_a_token_is_booked_once_for_ever(calc: AiCostCalc) -> None:
    """The same `unique_request_token` books neither usage nor revenue a second time."""
    for _ in range(2):
        calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0)
        calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0)
        calc.track(customer_id="acme", revenue_amount_in_cents=100, unique_request_token="order-1")
    total = calc.report().total
    assert (total.calls, total.revenue, total.usage.input_tokens) == (2, Decimal(1), 2_000)


def test_an_event_can_be_dated(calc: AiCostCalc) -> None:
    """`occurred_at` says when it happened, in ISO 8601."""
    calc.add_usage(**GPT_4O, input_tokens=1, output_tokens=0)
    calc.track(customer_id="acme", occurred_at="2026-11-01T23:30:00+00:00")
    assert [row.day for row in calc.report("day")] == ["2026-11-01"]
    assert [row.day for row in calc.report("day", timezone="Europe/Berlin")] == ["2026-11-02"]


def test_revenue_that_cannot_be_is_reported_and_the_usage_is_kept(make_calc: MakeCalc) -> None:
    """A wrong amount reaches `on_error`; what was used is booked all the same."""
    errors: list[AiCostCalcError] = []
    calc = make_calc(on_error=errors.append)
    for cents in (-1, 10_000_001, 1.5, True):
        calc.add_usage(**GPT_4O, input_tokens=1, output_tokens=0)
        calc.track(customer_id="acme", revenue_amount_in_cents=cents)  # type: ignore[arg-type]
    assert len(errors) == 4
    assert (calc.report().total.calls, calc.report().total.revenue) == (4, Decimal(0))


def test_usage_of_a_task_that_never_tracks_is_booked_all_the_same(calc: AiCostCalc) -> None:
    """It was spent, so it is on the books: under the customer of its guarded call."""

    async def forgets() -> None:
        await calc.async_guarded_call(customer_id="acme", call=lambda: None)
        calc.add_usage(**GPT_4O, input_tokens=5, output_tokens=0)

    asyncio.run(forgets())
    assert {row.customer: row.usage.input_tokens for row in calc.report("customer")} == {"acme": 5}


@pytest.mark.parametrize("customer", ["", "  ", 7, None])
def test_guarded_call_needs_a_customer_and_a_call(calc: AiCostCalc, customer: object) -> None:
    """Wrong arguments are a `ValueError`, as in the official client."""
    with pytest.raises(ValueError, match="customer_id"):
        calc.guarded_call(customer_id=customer, call=lambda: None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="call"):
        calc.guarded_call(customer_id="acme", call="not a function")  # type: ignore[arg-type]


def test_promise_3_a_killed_process_has_lost_none_of_1000_calls(make_calc: MakeCalc, ledger_url: str) -> None:
    """After kill -9 every call that returned is on the books once, also after a second start."""
    assert _run("serve(0, 1000); os.kill(os.getpid(), signal.SIGKILL)", ledger_url) == -signal.SIGKILL
    for _ in range(2):
        calc = make_calc()
        assert calc.report().total.calls == 1_000
        calc.shutdown()


@pytest.mark.provokes_faults
@pytest.mark.parametrize("wrong", [{"customer_id": " "}, {"customer_id": 7}, {"customer_id": "x" * 256}])
def test_usage_tracked_without_a_possible_customer_is_nobody_elses(make_calc: MakeCalc, wrong: dict[str, Any]) -> None:
    """A wrong customer is reported; what was used is booked at once, and the next `track` does not get it."""
    errors: list[AiCostCalcError] = []
    calc = make_calc(on_error=errors.append)
    calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0)
    calc.track(**wrong)
    calc.add_usage(**GPT_4O, input_tokens=5, output_tokens=0)
    calc.track(customer_id="globex")
    assert {row.customer: row.usage.input_tokens for row in calc.report("customer")} == {None: 1_000, "globex": 5}
    assert [error.message.partition(" must")[0] for error in errors] == ["track: customer_id"]


@pytest.mark.provokes_faults
@pytest.mark.parametrize(
    "when", ["yesterday", 1_780_000_000, "1960-01-01", "2500-01-01T00:00Z", datetime.max.replace(tzinfo=UTC)]
)
def test_usage_tracked_at_an_impossible_time_is_booked_now(make_calc: MakeCalc, when: Any) -> None:
    """A wrong time is reported; customer, usage and revenue are booked as of now."""
    errors: list[AiCostCalcError] = []
    calc = make_calc(on_error=errors.append)
    calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0)
    calc.track(customer_id="acme", occurred_at=when, event_type=9, revenue_amount_in_cents=100)  # type: ignore[arg-type]
    (row,) = calc.report(["customer", "feature", "day"])
    assert (row.customer, row.feature, row.calls, row.revenue) == ("acme", "ai_request", 1, Decimal(1))
    assert row.day == f"{datetime.now(UTC):%Y-%m-%d}"
    assert [error.message.partition(" must")[0] for error in errors] == ["track: feature", "track: occurred_at"]


def test_a_token_or_vendor_of_another_type_loses_nothing(calc: AiCostCalc) -> None:
    """A number as idempotency key is one all the same; a vendor that is no name is left out."""
    for _ in range(2):
        calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0, vendor=7)  # type: ignore[arg-type]
        calc.track(customer_id="acme", unique_request_token=41, revenue_amount_in_cents=1)  # type: ignore[arg-type]
    calc.add_usage(**GPT_4O, input_tokens=1_000, output_tokens=0)
    calc.track(customer_id="acme", unique_request_token=[])  # type: ignore[arg-type]
    assert (calc.report().total.calls, calc.report().total.revenue) == (2, Decimal("0.01"))
    assert calc.stats().quarantined == 0


def test_a_thread_that_tracked_keeps_no_client_alive(tmp_path: Path) -> None:
    """A client that was shut down and let go is freed, with its price book and its files."""
    calc = AiCostCalc(f"sqlite:///{tmp_path / 'spend.db'}")
    assert _ten_cent_call(calc, "acme")
    calc.shutdown()
    gone = weakref.ref(calc)
    del calc
    gc.collect()
    assert gone() is None
