"""What only openai 3 has over WebSockets: Live sessions, translation sessions, lanes of a Responses connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from tests.providers.readers.bodies import counts
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.socket_server import CLOSE, Event, SocketServer, atake, client_of, take

pytest.importorskip("openai.resources.live", reason="openai 2 has no Live API")

SETTINGS = {"model": "gpt-live-1", "instructions": "Be kind."}
STARTED = {"type": "session.started", "session": SETTINGS | {"id": "live_1", "status": "active", "expires_at": 1}}


def used(seconds: float, kind: str = "session.usage.updated") -> dict[str, Any]:
    """A Live event that says how long the session has been."""
    session = {"session": STARTED["session"], "reason": "close_requested"} if kind == "session.closed" else {}
    return {"type": kind, "event_id": "evt", "usage": {"seconds": seconds}, **session}


@pytest.fixture
def server() -> Iterator[SocketServer]:
    """A Live server whose sessions last 42.5 seconds."""
    with SocketServer() as running:
        running.answers = {
            "session.start": [[STARTED, used(10), used(20.5)]],
            "session.close": [[used(42.5, "session.closed"), {"type": CLOSE}]],
        }
        yield running


@pytest.fixture
def client(server: SocketServer, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped client of this server."""
    with client_of(openai.OpenAI, server) as made:
        provider_for(made).wrap(made, meter)
        yield made


def test_a_live_session_is_billed_by_its_last_total(client: Any, server: SocketServer, meter: RecordingMeter) -> None:
    """Seconds are cumulative: the last ones count, once, when the session has closed."""
    with client.live.connect() as connection:
        connection.session.start(session=SETTINGS)
        take(connection, "session.usage.updated")
        connection.session.close()
        events = list(connection)
    assert [event.type for event in events] == ["session.usage.updated", "session.closed"]
    opening, call = meter.calls
    assert (opening.readings, opening.ended, call.ended) == ([], True, True)
    assert call.request.model == "gpt-live-1"
    assert counts(call.reading) == {"audio_seconds": 42.5}
    assert (call.reading.model, call.reading.response_id, call.reading.complete) == ("gpt-live-1", "live_1", True)
    assert call.tokens == ["openai:live_1"]


async def test_an_asynchronous_live_session(server: SocketServer, meter: RecordingMeter) -> None:
    """Asynchronous clients are metered alike."""
    async with client_of(openai.AsyncOpenAI, server) as client:
        provider_for(client).wrap(client, meter)
        async with client.live.connect() as connection:
            await connection.session.start(session=SETTINGS)
            await connection.session.close()
            await atake(connection, "session.closed")
    assert counts(meter.calls[1].reading) == {"audio_seconds": 42.5}


def test_a_live_session_that_is_left(client: Any, meter: RecordingMeter) -> None:
    """What it had come to by then is kept, as a lower bound; a session that did not say so is kept as unknown."""
    with client.live.connect() as connection:
        connection.session.start(session=SETTINGS)
        take(connection, "session.started")
        take(connection, "session.usage.updated")
    with client.live.connect() as connection:
        connection.session.start(session=SETTINGS)
        take(connection, "session.started")
    left, silent = meter.calls[1], meter.calls[3]
    assert (counts(left.reading), left.reading.complete, left.aborted) == ({"audio_seconds": 10}, False, True)
    assert (silent.reading.usage, silent.reading.complete) == (None, False)


def test_a_refusal_starts_no_session(client: Any, server: SocketServer, meter: RecordingMeter) -> None:
    """Over budget, no connection is opened, and none that is open is given a session."""
    with client.live.connect() as connection:
        meter.refusal = budget_exceeded()
        with pytest.raises(BudgetExceeded):
            connection.session.start(session=SETTINGS)
        with pytest.raises(BudgetExceeded):
            client.live.connect().enter()
    assert (server.received, len(server.paths)) == ([], 1)


def test_what_a_live_session_has_others_do(client: Any, server: SocketServer, meter: RecordingMeter) -> None:
    """Delegated responses and decisions are billed to the models that make them, beside the session's seconds."""
    usage = {"input_tokens": 30, "output_tokens": 9}
    nested = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.completed", "response": {"id": "resp_1", "model": "gpt-5", "usage": usage}},
    ]
    decision = {"id": "dec_1", "object": "decision", "model": "gpt-5-mini", "usage": {"input_tokens": 3}}
    server.answers |= {
        "session.start": [[STARTED, *({"type": "response.event", "event": event} for event in nested)]],
        "decision.create": [
            [{"type": "decision.event", "event": {"type": "decision.completed", "decision": decision}}]
        ],
    }
    with client.live.connect() as connection:
        connection.session.start(session=SETTINGS)
        take(connection, "response.event")
        take(connection, "response.event")
        connection.decision.create(event_id="d1")
        take(connection, "decision.event")
        connection.session.close()
        take(connection, "session.closed")
    ((delegated, token),) = meter.recorded
    assert (delegated.model, counts(delegated), token) == ("gpt-5", usage, "openai:resp_1")
    session, decided = meter.calls[1:]
    assert (decided.reading.model, counts(decided.reading)) == ("gpt-5-mini", {"input_tokens": 3})
    assert counts(session.reading) == {"audio_seconds": 42.5}


def test_a_sideband_reads_a_session_once_it_has_closed(
    client: Any, server: SocketServer, meter: RecordingMeter
) -> None:
    """A connection that watches a session leaves its seconds to whoever holds it, until it says that it closed."""
    server.greets = [used(30)]
    with client.live.sideband.connect(session_id="live_1") as connection:
        take(connection, "session.usage.updated")
    assert (meter.call.readings, meter.call.ended) == ([], False)
    meter.forget()
    server.greets = [used(42.5, "session.closed")]
    with client.live.sideband.connect(session_id="live_1") as connection:
        take(connection, "session.closed")
    assert (counts(meter.call.reading), meter.call.tokens) == ({"audio_seconds": 42.5}, ["openai:live_1"])


def test_a_forked_session(client: Any, meter: RecordingMeter) -> None:
    """A fork is a session of its own."""
    with client.live.forks.connect(session_id="live_0") as connection:
        connection.session.start(session={})
        connection.session.close()
        take(connection, "session.closed")
    assert counts(meter.calls[-1].reading) == {"audio_seconds": 42.5}


def _bare(client: Any) -> Any:
    return client.realtime.translations.connect(model="gpt-realtime-translate")


def _helped(client: Any) -> Any:
    from openai.lib.realtime_translation import TranslationSession  # noqa: PLC0415 - only openai 3 has it

    return TranslationSession(client.realtime.translations, model="gpt-realtime-translate")


@pytest.mark.parametrize("opened", [_bare, _helped])
def test_translation_is_counted_by_the_audio_sent(
    client: Any, server: SocketServer, meter: RecordingMeter, opened: Callable[[Any], Any]
) -> None:
    """No event of a translation session says what it used, so the seconds that were sent are an estimate."""
    server.greets = [{"type": "session.created", "session": {"id": "sess_9", "model": "gpt-realtime-translate-1"}}]
    server.answers = {"session.close": [[{"type": "session.closed", "event_id": "e"}]]}
    with opened(client) as connection:
        for _ in range(3):
            connection.send({"type": "session.input_audio_buffer.append", "audio": "A" * 64_000})
        connection.send({"type": "session.close"})
        while connection.recv().type != "session.closed":
            pass
    assert counts(meter.call.reading) == {"audio_seconds": 3}
    assert (meter.call.reading.estimated, meter.call.reading.complete) == (True, False)
    assert meter.call.reading.model == "gpt-realtime-translate-1"


def _response(name: str, lane: str) -> list[Event]:
    usage = {"input_tokens": 30, "output_tokens": 9}
    output = {"output": [], "object": "response", "model": "gpt-5", "usage": usage}
    return [
        {"type": "response.created", "response": {"id": name, "output": []}, "stream_id": lane},
        {"type": "response.completed", "response": {"id": name, **output}, "stream_id": lane},
    ]


def test_lanes_of_a_responses_session(client: Any, server: SocketServer, meter: RecordingMeter) -> None:
    """The SDK's session sends beside the connection; each of its requests is guarded and read all the same."""
    from openai.lib.responses_websocket import (  # noqa: PLC0415 - only openai 3 has it
        ResponsesWebSocketLimits,
        ResponsesWebSocketSession,
    )

    limits = ResponsesWebSocketLimits(
        max_lanes=4, max_events_per_lane=99, max_events=99, max_bytes_per_lane=99_999, max_bytes=99_999,
        max_response_bytes=None,
    )  # fmt: skip
    one, two = _response("resp_1", "a"), _response("resp_2", "b")
    server.answers = {"response.create": [[], [one[0], two[0], two[1], one[1]]]}
    ask: Any = {"type": "response.create", "model": "gpt-5", "input": "Say hello."}
    with (
        client.responses.connect() as connection,
        ResponsesWebSocketSession(connection, limits=limits) as session,
    ):
        lanes = [session.lane(name) for name in "ab"]
        for lane in lanes:
            lane.send(ask)
        assert [lane.get_final_response(timeout=10).id for lane in lanes] == ["resp_1", "resp_2"]
        meter.refusal = budget_exceeded()
        with pytest.raises(BudgetExceeded):
            session.lane("c").send(ask)
    assert len(server.received) == 2
    assert [call.tokens for call in meter.calls] == [[], ["openai:resp_1"], ["openai:resp_2"]]


def test_steering_may_be_answered(client: Any, server: SocketServer, meter: RecordingMeter) -> None:
    """A steered response may have a successor that nobody asked for; steering asks for it."""
    server.answers = {"response.steer": [_response("resp_2", "a")]}
    with client.responses.connect() as connection:
        connection.send(
            {"type": "response.steer", "previous_response_id": "resp_1", "input": json.dumps({"more": "please"})}
        )
        take(connection, "response.completed")
    assert meter.calls[-1].tokens == ["openai:resp_2"]
