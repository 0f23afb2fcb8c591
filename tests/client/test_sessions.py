"""WebSocket sessions with a real client, real budgets and a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import openai
import pytest

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from tests.conftest import MakeCalc
from tests.providers.seams.socket_server import SocketServer, answer, client_of, take

USAGE = {
    "input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500,
    "input_token_details": {"text_tokens": 1000, "audio_tokens": 0},
    "output_token_details": {"text_tokens": 500, "audio_tokens": 0},
}  # fmt: skip
PRICE = Decimal("0.012")
"""gpt-realtime, text: $4 a million in, $16 a million out (OpenAI's price page, 2025-08-28): 0.004 + 0.008."""


@pytest.fixture
def server() -> Iterator[SocketServer]:
    """A Realtime server whose answers all cost the same."""
    with SocketServer() as running:
        running.greets = [{"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}}]
        running.answers = {
            "response.create": [answer(f"resp_{number}", USAGE) for number in range(5)],
            "input_audio_buffer.append": [answer("heard_1", USAGE)],
        }
        yield running


@pytest.fixture
def open_client(server: SocketServer) -> Iterator[Any]:
    """Wrap a client of this server for a calc."""
    with ExitStack() as opened:
        yield lambda calc: calc.wrap(opened.enter_context(client_of(openai.OpenAI, server)))


def test_a_session_stops_where_its_budget_does(make_calc: MakeCalc, server: SocketServer, open_client: Any) -> None:
    """Answers are paid for one by one, and the one that does not fit is not asked for; nothing stays held."""
    calc = make_calc(budgets=[Budget("0.05", per="day")])
    with open_client(calc).realtime.connect(model="gpt-realtime") as connection:
        for _ in range(4):
            connection.response.create(response={"max_output_tokens": 500})
            take(connection, "response.done")
        with pytest.raises(BudgetExceeded) as raised:
            connection.response.create(response={"max_output_tokens": 500})
        (status,) = calc.budgets.status()
        assert (status.spent, status.held) == (4 * PRICE, Decimal(0))
        assert raised.value.spent == 4 * PRICE
    assert len(server.received) == 4
    calc.flush(10)
    (row,) = calc.report(["model"])
    assert (row.model, row.calls, row.cost) == ("gpt-realtime", 4, 4 * PRICE)
    assert row.estimated_cost == 0
    assert calc.stats().holds == 0


def test_answers_belong_to_whoever_asked(calc: AiCostCalc, server: SocketServer, open_client: Any) -> None:
    """One connection may serve several customers; what nobody asked for is its opener's."""
    server.answers["input_audio_buffer.append"] = [[*answer("heard_1", USAGE), *answer("heard_2", USAGE)]]
    client = open_client(calc)
    with calc.attribute(customer_id="opener"):
        connection = client.realtime.connect(model="gpt-realtime").enter()
    for customer in ("acme", "globex"):
        with calc.attribute(customer_id=customer):
            connection.response.create()
        take(connection, "response.done")
    with calc.attribute(customer_id="speaker"):
        connection.input_audio_buffer.append(audio="AAAA")
    take(connection, "response.done")
    take(connection, "response.done")
    connection.close()
    calc.flush(10)
    rows = {row.customer: (row.calls, row.cost) for row in calc.report(["customer"])}
    assert rows == dict.fromkeys(("acme", "globex", "speaker", "opener"), (1, PRICE))


def test_a_session_that_outlives_its_block(calc: AiCostCalc, open_client: Any) -> None:
    """What comes after the guarded block around a connection has ended is recorded all the same, once."""
    client = open_client(calc)
    with calc.guard(customer_id="acme"):
        connection = client.realtime.connect(model="gpt-realtime").enter()
        connection.response.create()
        take(connection, "response.done")
    connection.send_raw(b'{"type": "input_audio_buffer.append", "audio": "AAAA"}')
    take(connection, "response.done")
    connection.close()
    calc.flush(10)
    assert sum(row.calls for row in calc.report(["customer"])) == 2


def test_no_budget_left_opens_no_connection(make_calc: MakeCalc, server: SocketServer, open_client: Any) -> None:
    """A budget of nothing blocks a session before it is opened."""
    client = open_client(make_calc(budgets=[Budget(0, per="day")]))
    for resource in (client.realtime.connect(model="gpt-realtime"), client.responses.connect()):
        with pytest.raises(BudgetExceeded):
            resource.enter()
    assert server.paths == []
