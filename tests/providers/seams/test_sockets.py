"""WebSocket sessions of OpenAI's clients: guarded before they open and before each answer, read as they come."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from random import Random
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for, read_usage, settle_dropped
from ai_cost_calc.providers._dropped import end_streams
from ai_cost_calc.providers._request import Input, Request
from ai_cost_calc.providers._session import Session
from ai_cost_calc.providers._session_events import LIVE, REALTIME, RESPONSES, SIDEBAND, TRANSLATIONS, ServerEvent
from tests.providers.readers.bodies import counts
from tests.providers.readers.hostile import document, written
from tests.providers.seams.exchanges import load, names, needs_recordings
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.socket_server import CLOSE, Event, SocketServer, answer, atake, client_of, take

USAGE = {
    "total_tokens": 140,
    "input_tokens": 100,
    "output_tokens": 40,
    "input_token_details": {"text_tokens": 60, "audio_tokens": 40, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 30},
}
COUNTS = {
    "input_tokens": 100, "output_tokens": 40, "input_text_tokens": 60, "input_audio_tokens": 40,
    "output_text_tokens": 10, "output_audio_tokens": 30,
}  # fmt: skip
CREATED = {
    "type": "session.created",
    "session": {"id": "sess_1", "type": "realtime", "model": "gpt-realtime-2025-08-28"},
}
CREATE = {"type": "response.create"}
SPEAK: dict[str, Any] = {"type": "input_audio_buffer.append", "audio": "UklGRg==" * 50}
TRANSCRIPT: dict[str, Any] = {
    "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1", "content_index": 0,
    "transcript": "hello", "usage": {"type": "duration", "seconds": 2.5},
}  # fmt: skip

KINDS = [openai.OpenAI, openai.AzureOpenAI]
AKINDS = [openai.AsyncOpenAI, openai.AsyncAzureOpenAI]
MakeClient = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[SocketServer]:
    """A Realtime server that answers when it is asked to."""
    with SocketServer() as running:
        running.greets = [CREATED]
        running.answers = {"response.create": [answer("resp_1", USAGE), answer("resp_2", USAGE)]}
        yield running


@pytest.fixture
def make(server: SocketServer, meter: RecordingMeter) -> Iterator[MakeClient]:
    """Make wrapped clients of this server."""
    with ExitStack() as opened:

        def make(kind: Any = openai.OpenAI, **options: Any) -> Any:
            client = opened.enter_context(client_of(kind, server, **options))
            provider_for(client).wrap(client, meter)
            return client

        yield make


@pytest.fixture
async def amake(server: SocketServer, meter: RecordingMeter) -> AsyncIterator[MakeClient]:
    """Make wrapped asynchronous clients of this server."""
    made = []

    def make(kind: Any = openai.AsyncOpenAI, **options: Any) -> Any:
        client = client_of(kind, server, **options)
        provider_for(client).wrap(client, meter)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


def realtime(client: Any, **options: Any) -> Any:
    """A Realtime session of the model that tests talk to."""
    return client.realtime.connect(model="gpt-realtime", **options)


def _received(connection: Any) -> list[Any]:
    return [connection.recv() for _ in range(5)]


def _parsed(connection: Any) -> list[Any]:
    return [connection.parse_event(connection.recv_bytes()) for _ in range(5)]


def _dispatched(connection: Any) -> list[Any]:
    events: list[Any] = []

    def keep(event: Any) -> None:
        events.append(event)
        if event.type == "response.done":
            connection.close()

    connection.on("event", keep)
    connection.dispatch_events()
    return events


WAYS = [_received, _parsed, _dispatched, lambda connection: take(connection, "response.done")]


@pytest.mark.parametrize("receive", WAYS, ids=["recv", "recv_bytes", "dispatch_events", "iteration"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_is_what_it_would_be_without_us(
    server: SocketServer, make: MakeClient, meter: RecordingMeter, kind: Any, receive: Callable[[Any], list[Any]]
) -> None:
    """However events are received, they are the bare client's, and so is what is sent; the answer is read once."""
    outcomes = []
    with client_of(kind, server) as bare:
        for client in (bare, make(kind)):
            server.answers = {"response.create": [answer("resp_1", USAGE)]}
            server.received.clear()
            with realtime(client) as connection:
                connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
                connection.response.create(response={"max_output_tokens": 300})
                events = receive(connection)
            outcomes.append((type(connection).__qualname__, events, list(server.received)))
    assert outcomes[0] == outcomes[1]
    opening, call = meter.calls
    assert (opening.readings, opening.ended, call.ended) == ([], True, True)
    assert counts(call.reading) == COUNTS
    assert call.reading.model == "gpt-realtime-2025-08-28"
    assert call.tokens == [f"{call.request.provider}:resp_1"]
    assert call.request.max_output_tokens == 300
    assert call.request.provider == ("azure" if kind is openai.AzureOpenAI else "openai")


@pytest.mark.parametrize("kind", AKINDS)
async def test_an_asynchronous_session(
    server: SocketServer, amake: MakeClient, meter: RecordingMeter, kind: Any
) -> None:
    """Asynchronous clients are guarded and read alike."""
    outcomes = []
    async with client_of(kind, server) as bare:
        for client in (bare, amake(kind)):
            server.answers = {"response.create": [answer("resp_1", USAGE)]}
            server.received.clear()
            async with realtime(client) as connection:
                await connection.response.create()
                events = await atake(connection, "response.done")
            outcomes.append((type(connection).__qualname__, events, list(server.received)))
    assert outcomes[0] == outcomes[1]
    assert counts(meter.calls[1].reading) == COUNTS
    assert [call.ended for call in meter.calls] == [True, True]


def test_the_beta_api(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """`client.beta.realtime`, where the SDK has it, is guarded alike, and names what transcribes in its older way."""
    server.answers["session.update"] = [[TRANSCRIPT]]
    with make().beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        connection.session.update(session={"input_audio_transcription": {"model": "gpt-4o-transcribe"}})
        connection.response.create()
        take(connection, "response.done")
    assert counts(meter.calls[-1].reading) == COUNTS
    ((reading, _),) = meter.recorded
    assert (reading.model, counts(reading)) == ("gpt-4o-transcribe", {"audio_seconds": 2.5})


def test_a_refusal_opens_nothing(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Over budget, no connection is made, and the very error of the budget store reaches the caller."""
    meter.refusal = budget_exceeded()
    client = make()
    for opened in (realtime(client), client.responses.connect(), client.beta.realtime.connect(model="gpt-realtime")):
        with pytest.raises(BudgetExceeded) as raised:
            opened.enter()
        assert raised.value is meter.refusal
    assert server.paths == []


async def test_a_refusal_opens_nothing_asynchronously(
    server: SocketServer, amake: MakeClient, meter: RecordingMeter
) -> None:
    """Asynchronous clients are refused alike."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as raised:
        await realtime(amake()).enter()
    assert raised.value is meter.refusal
    assert server.paths == []


def test_a_refused_answer_is_not_asked_for(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Over budget, `response.create` raises and is not sent, however it is sent; the session goes on."""
    with realtime(make()) as connection:
        connection.recv()
        meter.refusal = budget_exceeded()
        for ask in (
            connection.response.create,
            lambda: connection.send(CREATE),
            lambda: connection.send_raw(json.dumps(CREATE)),
        ):
            with pytest.raises(BudgetExceeded):
                ask()
        connection.session.update(session={"type": "realtime"})
        meter.refusal = None
        connection.response.create()
        take(connection, "response.done")
    assert [event["type"] for event in server.received] == ["session.update", "response.create"]
    assert counts(meter.calls[-1].reading) == COUNTS


async def test_a_refused_answer_is_not_asked_for_asynchronously(
    server: SocketServer, amake: MakeClient, meter: RecordingMeter
) -> None:
    """Asynchronous clients are refused alike."""
    async with realtime(amake()) as connection:
        await connection.recv()
        meter.refusal = budget_exceeded()
        with pytest.raises(BudgetExceeded):
            await connection.response.create()
        with pytest.raises(BudgetExceeded):
            await connection.send_raw(json.dumps(CREATE).encode())
    assert server.received == []


def test_every_answer_is_one_reading(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Each answer has a call of its own, with its own name, by which a repeated event is told."""
    with realtime(make()) as connection:
        for _ in range(2):
            connection.response.create()
            take(connection, "response.done")
    assert [call.tokens for call in meter.calls] == [[], ["openai:resp_1"], ["openai:resp_2"]]
    assert all(call.ended for call in meter.calls)


def test_answers_out_of_band(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Answers that are made at the same time are told apart by their names."""
    one, two = answer("resp_1", USAGE), answer("resp_2", {"input_tokens": 7, "output_tokens": 3})
    server.answers = {"response.create": [[], [one[0], two[0], two[2], one[2], two[3], one[3]]]}
    with realtime(make()) as connection:
        connection.response.create(response={"conversation": "none"})
        connection.response.create()
        take(connection, "response.done")
        take(connection, "response.done")
    first, second = meter.calls[1:]
    assert (counts(first.reading), counts(second.reading)) == (COUNTS, {"input_tokens": 7, "output_tokens": 3})


def test_a_server_that_listens_answers_by_itself(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Audio may lead to answers, so it is asked for, once until something came of it; what follows is then refused."""
    server.answers = {SPEAK["type"]: [[], answer("resp_1", USAGE), []]}
    with realtime(make()) as connection:
        connection.input_audio_buffer.append(audio=SPEAK["audio"])
        connection.input_audio_buffer.append(audio=SPEAK["audio"])
        take(connection, "response.done")
        assert len(meter.calls) == 1
        assert counts(meter.call.reading) == COUNTS
        meter.refusal = budget_exceeded()
        with pytest.raises(BudgetExceeded):
            connection.input_audio_buffer.append(audio=SPEAK["audio"])
    assert [event["type"] for event in server.received] == [SPEAK["type"]] * 2


def test_an_answer_that_nothing_was_reserved_for(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """A second answer to the same words is paid for too, and booked although nothing was reserved."""
    server.answers = {SPEAK["type"]: [[*answer("resp_1", USAGE), *answer("resp_2", USAGE)]]}
    with realtime(make()) as connection:
        connection.input_audio_buffer.append(audio=SPEAK["audio"])
        take(connection, "response.done")
        take(connection, "response.done")
    assert meter.call.tokens == ["openai:resp_1"]
    ((reading, token),) = meter.recorded
    assert (counts(reading), token) == (COUNTS, "openai:resp_2")


@pytest.mark.parametrize("said_by", ["client", "server"])
def test_transcription_is_billed_to_its_own_model(
    server: SocketServer, make: MakeClient, meter: RecordingMeter, said_by: str
) -> None:
    """Only the session's settings name it, which either side may have stated; the answer is the Realtime model's."""
    settings = {"type": "realtime", "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}}
    server.answers["session.update"] = [[]]
    if said_by == "server":
        server.greets = [CREATED | {"session": settings | {"model": "gpt-realtime-2025-08-28"}}]
    server.answers["response.create"] = [[TRANSCRIPT, TRANSCRIPT, *answer("resp_1", USAGE)]]
    with realtime(make()) as connection:
        if said_by == "client":
            connection.session.update(session=settings)
        connection.response.create()
        take(connection, "response.done")
    assert meter.calls[-1].reading.model == "gpt-realtime-2025-08-28"
    assert {token for _, token in meter.recorded} == {"openai:item_1:0"}
    reading = meter.recorded[0][0]
    assert (reading.model, counts(reading)) == ("gpt-4o-mini-transcribe", {"audio_seconds": 2.5})


def test_transcription_sessions_are_asked_again(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Where nothing but transcription comes of audio, what is said next is asked for again, and refused."""
    server.answers = {"input_audio_buffer.commit": [[TRANSCRIPT]]}
    with realtime(make()) as connection:
        connection.input_audio_buffer.append(audio=SPEAK["audio"])
        connection.input_audio_buffer.commit()
        take(connection, TRANSCRIPT["type"])
        assert len(meter.recorded) == 1
        meter.refusal = budget_exceeded()
        with pytest.raises(BudgetExceeded):
            connection.input_audio_buffer.append(audio=SPEAK["audio"])


@pytest.mark.parametrize("event_id", ["event_7", None])
def test_an_event_that_the_server_refuses(
    server: SocketServer, make: MakeClient, meter: RecordingMeter, event_id: str | None
) -> None:
    """Nothing is billed for it, and nothing stays held."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no", "event_id": event_id}}
    server.answers = {"response.create": [[error]]}
    with realtime(make()) as connection:
        connection.send(CREATE | ({} if event_id is None else {"event_id": event_id}))
        take(connection, "error")
        assert [call.ended for call in meter.calls] == [True, True]
        assert meter.calls[1].readings == []


def test_a_failed_answer_bills_nothing(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """An answer that failed before it said anything has no usage, and its hold is given back."""
    failed = answer("resp_1", None, status="failed")
    server.answers = {"response.create": [[failed[0], failed[3]]]}
    with realtime(make()) as connection:
        connection.response.create()
        take(connection, "response.done")
    assert [call.readings for call in meter.calls] == [[], []]


def _close(connection: Any) -> None:
    connection.close()


def _drop(_: Any) -> None:
    """Do nothing: the caller lets go."""


@pytest.mark.parametrize("leave", [_close, _drop])
def test_leaving_in_the_middle_of_an_answer(
    server: SocketServer, make: MakeClient, meter: RecordingMeter, leave: Callable[[Any], None]
) -> None:
    """What was said until then is estimated, and marked, when the connection is closed and when it is dropped."""
    server.answers = {"response.create": [answer("resp_1", USAGE, text="four" * 30)[:3]]}
    connection = realtime(make()).enter()
    connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 400}]}
    )
    connection.response.create()
    take(connection, "response.output_audio_transcript.delta")
    leave(connection)
    socket = connection._connection
    del connection
    gc.collect()
    settle_dropped()
    call = meter.calls[-1]
    assert (call.aborted, call.reading.estimated, call.reading.complete) == (True, True, False)
    assert call.usage.output_tokens == 30
    assert 100 <= call.usage.input_tokens <= 150
    socket.close()


def test_leaving_before_anything_was_received(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """An answer that was asked for may have been made whole, so it is estimated by what was sent."""
    with realtime(make()) as connection:
        connection.response.create(response={"instructions": "y" * 200})
    call = meter.calls[-1]
    assert (call.aborted, call.reading.estimated) == (True, True)
    assert call.usage.input_tokens >= 50


def test_the_end_of_the_process_settles(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """What is open when the process ends is settled then."""
    connection = realtime(make()).enter()
    connection.response.create()
    take(connection, "response.created")
    end_streams()
    assert meter.calls[-1].aborted
    connection.close()
    assert len(meter.calls[-1].ends) == 1


@pytest.mark.parametrize("begun", [True, False])
def test_a_connection_that_breaks(
    server: SocketServer,
    make: MakeClient,
    meter: RecordingMeter,
    begun: bool,  # noqa: FBT001
) -> None:
    """The SDK's error reaches the caller; an answer that had begun is estimated, one that had not is not billed."""
    broken = {"type": CLOSE, "code": 1011}
    server.answers = {"response.create": [[*(answer("resp_1", USAGE)[:3] if begun else []), broken]]}
    with realtime(make()) as connection:
        connection.response.create()
        with pytest.raises(ConnectionClosedError):
            take(connection, "response.done")
        call = meter.calls[-1]
        assert len(call.readings) == begun
        assert len(call.ends) == 1


def test_a_connection_that_is_made_again(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """The SDK may reconnect: the lost answer is estimated, and the next one is read."""
    server.answers = {
        "response.create": [[*answer("resp_1", USAGE)[:3], {"type": CLOSE, "code": 1012}], answer("resp_2", USAGE)]
    }
    with realtime(make(), on_reconnecting=lambda _: None, initial_delay=0.001) as connection:
        connection.response.create()
        for event in connection:
            if event.type == "session.created" and len(server.paths) == 2:
                connection.response.create()
            if event.type == "response.done":
                break
    lost, again = meter.calls[1:]
    assert lost.reading.estimated
    assert counts(again.reading) == COUNTS
    assert again.ended


def test_what_is_queued_before_the_connection_is_asked_for_first(
    server: SocketServer, make: MakeClient, meter: RecordingMeter
) -> None:
    """Events given to the manager are sent once it connects; the answers among them are allowed before that, or not."""
    manager = realtime(make())
    manager.send({"type": "session.update", "session": {"type": "realtime"}})
    manager.send(CREATE)
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded):
        manager.enter()
    assert server.paths == []
    meter.refusal = None
    other = realtime(make())
    other.send(CREATE)
    with other as connection:
        take(connection, "response.done")
    assert counts(meter.call.reading) == COUNTS


def test_resources_made_before_wrapping(server: SocketServer, meter: RecordingMeter) -> None:
    """A resource that the user keeps from before is guarded while its client is wrapped, and only then."""
    with client_of(openai.OpenAI, server) as client:
        resource, kind = client.realtime, type(client.realtime)
        provider_for(client).wrap(client, meter)
        assert client.realtime is resource
        with resource.connect(model="gpt-realtime") as connection:
            connection.recv()
        assert len(meter.calls) == 1
        with client.with_options(timeout=5).realtime.connect(model="gpt-realtime") as connection:
            connection.recv()
        assert len(meter.calls) == 2
        provider_for(client).unwrap(client)
        assert type(resource) is kind
        with resource.connect(model="gpt-realtime") as connection:
            connection.recv()
        assert len(meter.calls) == 2


def test_a_fault_of_ours_leaves_the_session_alone(
    server: SocketServer, make: MakeClient, meter: RecordingMeter
) -> None:
    """A meter that fails is counted; the session goes on, and what it pays for is recorded all the same."""
    meter.expects_faults = True
    meter.refusal = RuntimeError("broken")
    with realtime(make()) as connection:
        connection.response.create()
        take(connection, "response.done")
    assert {where for where, _ in meter.faults} == {"begin"}
    assert meter.recorded[0][1] == "openai:resp_1"


def test_messages_that_are_no_events(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """What is not understood passes, in both directions."""
    server.greets = [{"type": 7, "response": [], "session": "x", "error": 1}, {"type": "response.done", "response": {}}]
    with realtime(make()) as connection:
        for _ in range(2):
            connection.recv_bytes()
        connection.send_raw(json.dumps({"type": ["response.create"], "session": 5, "audio": 7}))
        connection.send_raw(b'{"type": "response.cancel"}')
    assert all(call.readings == [] for call in meter.calls)


RESPONSE = {"model": "gpt-5-2025-08-07", "service_tier": "flex", "usage": {"input_tokens": 30, "output_tokens": 9}}


def _response(name: str, lane: str | None = None, kind: str = "response.completed") -> list[Event]:
    routing = {} if lane is None else {"stream_id": lane}
    return [
        {"type": "response.created", "response": {"id": name, "status": "in_progress"}, **routing},
        {"type": "response.output_text.delta", "delta": "Hello", "item_id": "msg_1", **routing},
        {"type": kind, "response": {"id": name, "output": [], **RESPONSE}, **routing},
    ]


def test_responses_over_a_socket(server: SocketServer, make: MakeClient, meter: RecordingMeter) -> None:
    """Each `response.create` is a call of the Responses API: guarded with its own model, read from its last event."""
    server.greets = []
    server.answers = {"response.create": [_response("resp_1"), _response("resp_2", kind="response.incomplete")]}
    with make().responses.connect() as connection:
        for end in ("response.completed", "response.incomplete"):
            connection.response.create(model="gpt-5", input="z" * 100, max_output_tokens=50)
            take(connection, end)
    opening, *calls = meter.calls
    assert (opening.request.model, opening.readings, opening.request.max_output_tokens) == (None, [], 1)
    for call in calls:
        assert (call.request.model, call.request.max_output_tokens) == ("gpt-5", 50)
        assert call.input_bytes >= 100
        assert (call.reading.model, call.reading.service_tier) == ("gpt-5-2025-08-07", "flex")
        assert counts(call.reading) == {"input_tokens": 30, "output_tokens": 9}
        assert call.ended


async def test_responses_over_an_asynchronous_socket(
    server: SocketServer, amake: MakeClient, meter: RecordingMeter
) -> None:
    """Asynchronous clients are metered alike."""
    server.greets = []
    server.answers = {"response.create": [_response("resp_1")]}
    async with amake().responses.connect() as connection:
        await connection.response.create(model="gpt-5", input="hi")
        await atake(connection, "response.completed")
    assert counts(meter.calls[1].reading) == {"input_tokens": 30, "output_tokens": 9}


def test_a_response_that_breaks_off_with_an_error(
    server: SocketServer, make: MakeClient, meter: RecordingMeter
) -> None:
    """An `error` in the middle of a response ends it; what it had said is estimated."""
    error = {"type": "error", "error": {"type": "server_error", "message": "sorry"}}
    server.greets = []
    server.answers = {"response.create": [[*_response("resp_1")[:2], error]]}
    with make().responses.connect() as connection:
        connection.response.create(model="gpt-5", input="hi")
        take(connection, "error")
        assert meter.calls[1].reading.estimated
        assert len(meter.calls[1].ends) == 1


@needs_recordings
@pytest.mark.parametrize(
    "name", [name for provider in ("openai", "azure") for name in names(provider, {"realtime": lambda *_: None})]
)
def test_recorded_answers(server: SocketServer, make: MakeClient, meter: RecordingMeter, name: str) -> None:
    """An event that a provider sent is read as it is by itself."""
    exchange = load(name)
    done = json.loads(exchange["body"])
    server.greets = []
    server.answers = {"response.create": [[done]]}
    with realtime(make(openai.AzureOpenAI if exchange["provider"] == "azure" else openai.OpenAI)) as connection:
        connection.response.create()
        connection.recv()
    expected = read_usage(exchange["body"], provider=exchange["provider"], api="realtime", model="gpt-realtime")
    assert meter.calls[-1].reading == expected
    found = counts(expected)
    assert {key: found.get(key, 0) for key in exchange["expected_usage"]} == exchange["expected_usage"]


def _ask(body: Mapping[str, Any], session: Session) -> Request:
    return Request(provider="openai", model=session.model, input=Input(body, framing=session.heard_bytes))


@settings(deadline=None)
@given(seed=st.integers())
def test_any_events_are_borne(seed: int) -> None:
    """Whatever a server and a caller say to each other, our side of it has no fault, and every call ends."""
    rng, meter = Random(seed), RecordingMeter()
    for dialect in (REALTIME, RESPONSES, LIVE, SIDEBAND, TRANSLATIONS):
        session = Session(meter, dialect, "openai", _ask, "m")
        for _ in range(12):
            event = document(ServerEvent, rng)
            if isinstance(event, dict):
                event = event | {"type": rng.choice((*EVENTS, event.get("type"))), "audio": document(str, rng)}
            wanted = session.wanted(event)
            if wanted is not None:
                session.expect(wanted, meter.begin(wanted.sending.request))
            session.take(written(event, rng))
        session.finish(ended=False)
    assert meter.faults == []
    assert {len(call.ends) for call in meter.calls} <= {1}


@pytest.mark.parametrize("message", ["", "not JSON", b"\xff", '{"type": ', "null", "[1]", "[" * 100_000])
def test_a_message_that_is_no_event_says_nothing(message: str | bytes, meter: RecordingMeter) -> None:
    """It is the SDK's to refuse; the answer that is waited for may still come."""
    session = Session(meter, REALTIME, "openai", _ask, "m")
    wanted = session.wanted(CREATE)
    assert wanted is not None
    session.expect(wanted, meter.begin(wanted.sending.request))
    session.take(message)
    for event in answer("resp_1", USAGE):
        session.take(json.dumps(event))
    session.finish(ended=False)
    assert counts(meter.call.reading) == COUNTS


EVENTS = (
    "response.create", "response.created", "response.done", "response.completed", "response.output_text.delta", "error",
    "session.start", "session.started", "session.closed", "session.usage.updated", "response.event", "decision.event",
    "input_audio_buffer.append", TRANSCRIPT["type"],
)  # fmt: skip
