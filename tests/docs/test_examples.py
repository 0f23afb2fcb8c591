"""Every example runs as a program of its own, offline, and prints what follows from the simulator's exact usage."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT

EXAMPLES: Final = ROOT / "examples"

GPT_5_MINI: Final = (Decimal("0.25"), Decimal("2.00"))
"""Dollars per million tokens of input and output, from OpenAI's price list; likewise below."""
GPT_4O: Final = (Decimal("2.50"), Decimal("10.00"))
CLAUDE_HAIKU_4_5: Final = (Decimal("1.00"), Decimal("5.00"))
GEMINI_2_5_FLASH: Final = (Decimal("0.30"), Decimal("2.50"))


def cost(rates: tuple[Decimal, Decimal], input_tokens: int, output_tokens: int) -> Decimal:
    """What a call costs, worked out here."""
    return (rates[0] * input_tokens + rates[1] * output_tokens) / 1_000_000


def dollars(amount: Decimal) -> str:
    """An amount as the library shows it: without trailing zeros."""
    return f"${amount.normalize():f}"


USUAL: Final = cost(GPT_5_MINI, 12_000, 1_500)
"""What one call of most examples costs."""


@pytest.fixture
def printed(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The lines that an example prints, run in an empty folder without keys; warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / request.param],
        cwd=tmp_path,
        env={"AI_COST_CALC_DATA_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_example_is_tested() -> None:
    """A new example needs a test here."""
    tested = {
        mark.args[1][0]
        for test in globals().values()
        for mark in getattr(test, "pytestmark", ())
        if mark.name == "parametrize"
    }
    assert tested == {path.name for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("printed", ["quickstart.py"], indirect=True)
def test_quickstart_shows_who_earns_and_who_loses(printed: list[str]) -> None:
    """Two summaries of one customer and one of another: cost, revenue and margin of each."""
    one = cost(GPT_5_MINI, 12_000, 6_000)
    acme, globex = Decimal("0.10") - 2 * one, Decimal("0.01") - one
    acme_percent, globex_percent = 100 * acme / Decimal("0.10"), 100 * globex / Decimal("0.01")
    assert printed == [
        f"acme: 2 calls, cost {dollars(2 * one)}, revenue $0.1, margin {dollars(acme)}, {acme_percent:.2f} %",
        f"globex: 1 calls, cost {dollars(one)}, revenue $0.01, margin {dollars(globex)}, {globex_percent:.2f} %",
    ]


@pytest.mark.parametrize("printed", ["budgets.py"], indirect=True)
def test_budgets_refuses_the_call_that_does_not_fit(printed: list[str]) -> None:
    """Three calls fit into a customer's two cents; the banned customer gets none; nothing stays held."""
    spent = 3 * USUAL
    assert printed[:6] == [
        "acme: answered",
        "acme: answered",
        "mallory: refused by ban-mallory, $0 spent of $0",
        "acme: answered",
        "globex: answered",
        f"acme: refused by per-customer, {dollars(spent)} spent of $0.02",
    ]
    assert sorted(printed[6:]) == [
        f"customer acme: {dollars(spent)} of $0.02, $0 held",
        f"customer globex: {dollars(USUAL)} of $0.02, $0 held",
        "customer mallory: $0 of $0, $0 held",
    ]


@pytest.mark.parametrize("printed", ["asyncio_app.py"], indirect=True)
def test_asyncio_app_stays_inside_a_strict_budget(printed: list[str]) -> None:
    """Forty tasks at once: as many are answered as the budget has room for, and each customer's spend is its own."""
    one, limit = cost(GPT_5_MINI, 20, 3_000), Decimal("0.18")
    total, *customers = printed
    answered = int(total.split()[0])
    assert total == f"{answered} of 40 requests answered, {dollars(answered * one)} spent of $0.18"
    assert limit - 2 * one < answered * one <= limit
    assert [line.split(":")[0] for line in customers] == [f"customer-{number}" for number in range(4)]
    calls = [int(line.split()[1]) for line in customers]
    assert sum(calls) == answered
    assert [line.split()[-1] for line in customers] == [dollars(count * one) for count in calls]


@pytest.mark.parametrize("printed", ["official_surface.py"], indirect=True)
def test_official_surface_blocks_and_books(printed: list[str]) -> None:
    """Two calls fit into two cents, the third is blocked; the books hold cost, revenue and margin."""
    one = cost(GPT_4O, 1_000, 500)
    assert printed == [
        "answered: chatcmpl-1",
        "answered: chatcmpl-1",
        f"blocked: customer cust_123, {dollars(2 * one)} of $0.02",
        f"one call: {dollars(cost(GPT_4O, 1_000, 0))} + {dollars(cost(GPT_4O, 0, 500))} = {dollars(one)}",
        f"2 calls, cost {dollars(2 * one)}, revenue $0.04, margin {dollars(Decimal('0.04') - 2 * one)}",
    ]


@pytest.mark.parametrize("printed", ["anthropic_streaming.py"], indirect=True)
def test_anthropic_streaming_prices_a_stream_that_is_left(printed: list[str]) -> None:
    """A stream read to its end costs its usage exactly; of one left early the output is estimated, and said so."""
    whole, left = printed[2:]
    assert whole == f"whole: 2000 in, 400 out, {dollars(cost(CLAUDE_HAIKU_4_5, 2_000, 400))}, of which estimated $0"
    characters = int(printed[1].split()[2])
    output = -(-characters // 4)
    partly = cost(CLAUDE_HAIKU_4_5, 2_000, output)
    assert 0 < output < 400
    assert left == f"left-early: 2000 in, {output} out, {dollars(partly)}, of which estimated {dollars(partly)}"


@pytest.mark.parametrize("printed", ["gemini_chat.py"], indirect=True)
def test_gemini_chat_holds_a_budget_for_each_customer(printed: list[str]) -> None:
    """Streamed or not a message costs the same; the third one of a customer is refused."""
    once = cost(GEMINI_2_5_FLASH, 2_000, 400)
    assert printed == [
        "How long is it? 20 chunks",
        "How wide is it? 20 chunks",
        f"How old is it? refused: {2 * once} of 0.004 dollars are spent",
        f"globex: 2 calls, 800 tokens out, {dollars(2 * once)}",
        f"acme: 1 calls, 400 tokens out, {dollars(once)}",
    ]


@pytest.mark.parametrize("printed", ["guard_decorator.py"], indirect=True)
def test_guard_decorator_guards_functions_coroutines_and_generators(printed: list[str]) -> None:
    """The third summary is refused; every call belongs to the user in its function's arguments."""
    assert printed == [
        "refused: feature summarize, 2 of 2 calls made",
        "streamed 6000 characters",
        f"acme chat: 1 calls, {dollars(USUAL)}",
        f"acme summarize: 2 calls, {dollars(2 * USUAL)}",
        f"acme translate: 1 calls, {dollars(USUAL)}",
    ]


@pytest.mark.parametrize("printed", ["threads.py"], indirect=True)
def test_threads_shows_where_a_scope_follows(printed: list[str]) -> None:
    """Inside a thread and handed over the scope holds; left behind, the call is nobody's."""
    assert printed == [
        f"ai_request None: 1 calls, {dollars(USUAL)}",
        f"handed-over acme: 1 calls, {dollars(USUAL)}",
        *(f"inside {customer}: 4 calls, {dollars(4 * USUAL)}" for customer in ("acme", "globex", "initech")),
    ]


@pytest.mark.parametrize("printed", ["own_http_client.py"], indirect=True)
def test_own_http_client_is_guarded_and_read(printed: list[str]) -> None:
    """Two plain posts fit into the budget, the third is refused; a stream's bytes cost the same."""
    assert printed == [
        f"a call of {dollars(USUAL)}",
        f"a call of {dollars(USUAL)}",
        f"refused: {dollars(2 * USUAL)} spent, up to $0.01 asked for, of $0.02",
        f"a stream of {dollars(USUAL)}",
        f"acme: 2 calls, {dollars(2 * USUAL)}",
        f"globex: 1 calls, {dollars(USUAL)}",
    ]


@pytest.mark.parametrize("printed", ["plain_http.py"], indirect=True)
def test_plain_http_is_metered_call_by_call(printed: list[str]) -> None:
    """A client, a session and an asynchronous session: each call counts, for whom it was, and budgets refuse."""
    assert printed == [
        "acme: a stream that ends with 'data: [DONE]'",
        f"globex: refused after {dollars(3 * USUAL)}",
        f"acme: 2 calls, {dollars(2 * USUAL)}",
        f"globex: 3 calls, {dollars(3 * USUAL)}",
        f"initech: 2 calls, {dollars(2 * USUAL)}",
    ]
