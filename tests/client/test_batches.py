"""What batches cost, in the books: at the batch rate, exactly, once, whichever processes look at them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, read_usage
from ai_cost_calc.providers._jobs import JOBS
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.readers.bodies import chat, json_lines
from tests.providers.seams.waiting import forget

openai = pytest.importorskip("openai", reason="the openai SDK is absent")

NEW: Final[dict[str, Any]] = {
    "endpoint": "/v1/chat/completions", "input_file_id": "file-in", "completion_window": "24h",
}  # fmt: skip
REQUESTS, INPUT, OUTPUT = 1_000, 1_200, 300


def batch(status: str, *, output: str | None = None) -> bytes:
    """A batch of a thousand requests to GPT-5.4."""
    usage = {"input_tokens": REQUESTS * INPUT, "output_tokens": REQUESTS * OUTPUT} if output else None
    body = {
        "id": "batch_1", "object": "batch", "status": status, "model": "gpt-5.4", "usage": usage, "created_at": 1,
        "output_file_id": output, "request_counts": {"total": REQUESTS, "completed": REQUESTS if output else 0},
        "completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "file-in",
    }  # fmt: skip
    return json.dumps(body).encode()


def results() -> bytes:
    """Its output file."""
    body = chat({"prompt_tokens": INPUT, "completion_tokens": OUTPUT}, model="gpt-5.4")
    line = {"id": "batch_req_1", "custom_id": "1", "response": {"status_code": 200, "body": body}, "error": None}
    return json_lines(*[line] * REQUESTS)


COST: Final = REQUESTS * (INPUT * Decimal("1.25") + OUTPUT * Decimal("7.5")) / 10**6
"""A thousand requests at half of $2.50 and $15 per million tokens (OpenAI's prices, GPT-5.4).

Together they are above the 272,000 input tokens from which one request would pay more; each of them is far below.
"""


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """No test finds what another one left."""
    forget()
    yield
    JOBS._running.clear()


@pytest.fixture
def client(simulator: ProviderSimulator) -> Any:
    """A client of OpenAI's."""
    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as opened:
        yield opened


@pytest.mark.parametrize("seen", ["batch", "file"])
def test_a_batch_costs_what_its_requests_cost(seen: str, calc: AiCostCalc) -> None:
    """Whether the sum is the provider's or ours, the cost is that of the requests, to the cent."""
    body = batch("completed", output="file-out") if seen == "batch" else results()
    reading = read_usage(body, provider="openai", api="batches" if seen == "batch" else "batch_results")
    assert reading.calls == REQUESTS
    cost = calc.price(reading)
    assert cost.total == COST
    assert sum(item.usd for item in cost.items) == COST


def test_a_batch_is_its_makers_and_counts_once(calc: AiCostCalc, client: Any, simulator: ProviderSimulator) -> None:
    """Made for a customer, found by whoever polls: the cost is the customer's, and once."""
    calc.wrap(client)
    simulator.replay(body=batch("validating"))
    with calc.attribute(customer_id="acme", feature="nightly"):
        client.batches.create(**NEW)
    for _ in range(2):
        simulator.replay(body=batch("completed", output="file-out"))
        client.batches.retrieve("batch_1")
        simulator.replay(body=results(), content_type="application/octet-stream")
        client.files.content("file-out")
    calc.flush(5)
    (row,) = calc.report(by=["customer", "feature"]).rows
    assert (row.customer, row.feature, row.cost, row.calls) == ("acme", "nightly", COST, 1)
    assert calc.stats().holds == 0


def make_and_find(client: Any, simulator: ProviderSimulator) -> None:
    """Make a batch, and look at it once it is done."""
    simulator.replay(body=batch("validating"))
    client.batches.create(**NEW)
    find(client, simulator)


def find(client: Any, simulator: ProviderSimulator) -> None:
    """Look at a batch that is done."""
    simulator.replay(body=batch("completed", output="file-out"))
    client.batches.retrieve("batch_1")


def test_a_spent_budget_makes_no_batch(make_calc: MakeCalc, client: Any, simulator: ProviderSimulator) -> None:
    """Of a batch it is not known what it will cost; once it is, its cost counts, and the next one is refused."""
    calc = make_calc(budgets=[Budget("3.00", per="day")])
    make_and_find(calc.wrap(client), simulator)
    (status,) = calc.budgets.status()
    assert status.spent == COST
    sent = len(simulator.requests)
    with pytest.raises(BudgetExceeded):
        client.batches.create(**NEW)
    assert len(simulator.requests) == sent


def test_what_a_batch_costs_is_no_measure_for_calls(
    make_calc: MakeCalc, client: Any, simulator: ProviderSimulator
) -> None:
    """One dear batch does not make the calls after it hold as much: they would be refused for nothing."""
    calc = make_calc(budgets=[Budget("10.00", per="day")])
    make_and_find(calc.wrap(client), simulator)
    with client.chat.completions.create(model="gpt-5.4", messages=[{"role": "user", "content": "Hi."}], stream=True):
        (status,) = calc.budgets.status()
    assert status.held < Decimal("0.10")


def test_a_shared_budget_counts_a_batch_once(make_calc: MakeCalc, client: Any, simulator: ProviderSimulator) -> None:
    """Two that poll a batch of a third one, and share a budget store, book what it cost once."""
    first, second = (make_calc(budgets=[Budget("10.00", per="day")]) for _ in range(2))
    second._metering.store = first._metering.store
    for calc in (first, second):
        with calc.metered(client):
            find(client, simulator)
        JOBS._recorded.clear()  # as in another process
    (status,) = first.budgets.status()
    assert status.spent == COST


POLLING: Final = """
    import sys
    import openai
    from ai_cost_calc import AiCostCalc

    ledger, base_url, ways = sys.argv[1:]
    calc = AiCostCalc(ledger)
    http = openai.DefaultHttpxClient(verify=False)
    client = calc.wrap(openai.OpenAI(base_url=base_url, api_key="any", http_client=http))
    for way in ways.split(","):
        client.batches.retrieve("batch_1") if way == "batch" else client.files.content("file-out")
    calc.shutdown()
"""


def test_processes_that_poll_the_same_batch_count_it_once(
    make_calc: MakeCalc, ledger_url: str, simulator: ProviderSimulator
) -> None:
    """Three processes look at one batch, in both places and both orders: there is one record of it."""
    for ways in ("batch,file", "file,batch", "file,file"):
        for way in ways.split(","):
            if way == "batch":
                simulator.replay(body=batch("completed", output="file-out"), path="/batches/batch_1")
            else:
                simulator.replay(body=results(), content_type="application/octet-stream", path="/content")
        command = [sys.executable, "-c", textwrap.dedent(POLLING), ledger_url, simulator.openai_base_url, ways]
        subprocess.run(command, check=True, timeout=60, env={**os.environ, "PYTHONWARNINGS": "error"})
    assert len(simulator.requests) == 6
    total = make_calc().report().total
    assert (total.cost, total.calls) == (COST, 1)
