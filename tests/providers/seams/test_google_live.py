"""Sessions of the Live API, over a real WebSocket on loopback: each turn is a call of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve

from ai_cost_calc import AiCostCalc
from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers.readers import read_usage
from tests.conftest import MakeCalc
from tests.providers.seams.exchanges import load, names, needs_recordings
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

genai = pytest.importorskip("google.genai")

from google.genai import errors  # noqa: E402 - once it is known to be there

from tests.providers.seams import gemini as google  # noqa: E402

MODEL: Final = "gemini-live-2.5-flash"
HALF: Final = {"promptTokenCount": 100, "responseTokenCount": 5}
FULL: Final = {"promptTokenCount": 100, "responseTokenCount": 51, "thoughtsTokenCount": 2}
COUNTS: Final = {"input_tokens": 100, "output_tokens": 53, "output_reasoning_tokens": 2}
TURN: Final[tuple[dict[str, Any], ...]] = (
    {"serverContent": {"modelTurn": {"parts": [{"text": "De"}]}}, "usageMetadata": HALF},
    {"serverContent": {"modelTurn": {"parts": [{"text": "ep."}]}}},
    {"serverContent": {"turnComplete": True}, "usageMetadata": FULL},
)
CONFIG: Final[Any] = {"response_modalities": ["TEXT"], "system_instruction": "Answer in one word."}


class Server:
    """A Live API on loopback: what it was sent, and what it answers to each message after the setup."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.connections = 0
        self.answers: list[tuple[Any, ...]] = []
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one session."""
        self.connections += 1
        async for message in connection:
            self.received.append(json.loads(message))
            if "setup" in self.received[-1]:
                await connection.send(json.dumps({"setupComplete": {"sessionId": "s1"}}))
                continue
            for answer in self.answers.pop(0) if self.answers else ():
                if answer is None:
                    connection.transport.abort()
                    return
                await connection.send(json.dumps(answer))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's certificate for loopback, which nobody has to trust: the SDK opens its sockets with TLS only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begins = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "server.pem"
    held = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(held + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
async def server(certificate: ssl.SSLContext) -> AsyncIterator[Server]:
    """A Live API."""
    live = Server()
    async with serve(live.handle, "127.0.0.1", 0, ssl=certificate) as running:
        live.url = f"https://127.0.0.1:{running.sockets[0].getsockname()[1]}"
        yield live


@asynccontextmanager
async def client_at(url: str, kind: Callable[..., Any] = google.gemini) -> AsyncIterator[Any]:
    """A client, closed afterwards."""
    client = kind(url)
    try:
        yield client
    finally:
        client.close()
        await client.aio.aclose()


@pytest.fixture
async def client(server: Server, meter: RecordingMeter) -> AsyncIterator[Any]:
    """A wrapped client."""
    async with client_at(server.url) as made:
        provider_for(made).wrap(made, meter)
        yield made


async def say(session: Any, text: str = "How deep?") -> list[Any]:
    """Say something, and take the model's turn to its end."""
    await session.send_client_content(turns={"role": "user", "parts": [{"text": text}]})
    return [message async for message in session.receive()]


async def talk_twice(client: Any, messages: list[Any]) -> None:
    """Open a session, and keep what it says in two turns."""
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        for _ in range(2):
            messages += [message.model_dump() for message in await say(session)]


async def test_each_turn_is_a_call(client: Any, server: Server, meter: RecordingMeter) -> None:
    """A session of two turns is two calls, each with the running totals that its turn ended with."""
    server.answers = [TURN, TURN]
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        assert len(meter.calls) == 1
        assert [message.text for message in await say(session)][:2] == ["De", "ep."]
        assert meter.call.ended
        await say(session)
    assert [call.usage.counts() for call in meter.calls] == [COUNTS, COUNTS]
    assert all(call.ended for call in meter.calls)
    request = meter.calls[0].request
    assert (request.provider, request.model, request.api, request.stream) == ("google", MODEL, "live", True)
    assert meter.calls[0].input_bytes >= len(CONFIG["system_instruction"])
    assert meter.calls[1].input_bytes >= len("How deep?")
    assert (meter.calls[0].reading.provider, meter.calls[0].reading.model) == ("google", MODEL)
    assert meter.calls[0].reading.complete


async def test_a_refused_session_opens_no_socket(client: Any, server: Server, meter: RecordingMeter) -> None:
    """Over budget, the refusal itself is raised before anything is opened."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as caught:
        async with client.aio.live.connect(model=MODEL, config=CONFIG):
            pytest.fail("the session was opened")
    assert caught.value is meter.refusal
    assert (server.connections, meter.calls) == (0, [])


async def test_a_refused_turn_sends_nothing(client: Any, server: Server, meter: RecordingMeter) -> None:
    """Once a budget is spent, what would start the next turn is refused and not sent; the session stays open."""
    server.answers = [TURN, TURN]
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        await say(session)
        meter.refusal = budget_exceeded()
        with pytest.raises(BudgetExceeded) as caught:
            await say(session, "And how wide?")
        assert caught.value is meter.refusal
        assert len(server.received) == 2
        meter.refusal = None
        assert await say(session, "And how long?")
    assert [call.ended for call in meter.calls] == [True, True]


async def test_a_turn_that_is_left_counts_as_far_as_it_came(client: Any, server: Server, meter: RecordingMeter) -> None:
    """Whoever leaves in the middle of a turn has used at least what was reported so far."""
    server.answers = [TURN[:2]]
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        await session.send_realtime_input(text="How deep?")
        async for message in session.receive():
            if message.text == "ep.":
                break
    assert meter.call.aborted
    assert meter.call.usage.counts() == {"input_tokens": 100, "output_tokens": 5}
    assert not meter.call.reading.complete


async def test_an_answer_without_counts_is_not_known(client: Any, server: Server, meter: RecordingMeter) -> None:
    """A turn that was heard but never counted cost something, which nobody knows."""
    server.answers = [({"serverContent": {"modelTurn": {"parts": [{"text": "De"}]}}},)]
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        await session.send_realtime_input(text="How deep?")
        async for _ in session.receive():
            break
    assert meter.call.aborted
    assert (meter.call.reading.usage, meter.call.reading.model) == (None, MODEL)


async def test_a_session_without_a_turn_costs_nothing(client: Any, meter: RecordingMeter) -> None:
    """Opening a session and closing it is free: what was held is given back."""
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        assert session.session_id == "s1"
    assert meter.call.ended
    assert meter.call.readings == []


async def test_counts_may_come_after_the_turn(client: Any, server: Server, meter: RecordingMeter) -> None:
    """A turn's counts are waited for; those of a turn that nobody asked for are kept as well."""
    said, over = (
        {"serverContent": {"modelTurn": {"parts": [{"text": "De"}]}}},
        {"serverContent": {"turnComplete": True}},
    )
    server.answers = [(said, over, {"usageMetadata": FULL}, *TURN)]
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        await say(session)
        assert meter.call.ends == []
        assert [message async for message in session.receive()]
        assert meter.call.usage.counts() == COUNTS
    assert meter.call.ended
    assert [reading.usage for reading, _ in meter.recorded] == [meter.call.usage]


async def test_the_caller_sees_what_the_bare_client_shows(server: Server, meter: RecordingMeter) -> None:
    """Messages, and the error of a connection that breaks, are those of a client that nobody wrapped."""
    seen: list[Any] = []
    for wrapped in (False, True):
        server.answers = [TURN, (*TURN[:1], None)]
        async with client_at(server.url) as client:
            if wrapped:
                provider_for(client).wrap(client, meter)
            messages: list[Any] = []
            with pytest.raises(errors.APIError) as caught:
                await talk_twice(client, messages)
            seen.append((messages, type(caught.value), str(caught.value)))
    assert seen[0] == seen[1]
    error, _ = meter.calls[1].ends[0]
    assert error is caught.value
    assert meter.calls[1].usage.counts() == {"input_tokens": 100, "output_tokens": 5}


async def test_a_session_that_cannot_be_opened_costs_nothing(client: Any, meter: RecordingMeter) -> None:
    """Where nobody listens the SDK's own error is raised, and what was held is given back."""
    unreachable: Any = {**CONFIG, "http_options": {"base_url": "https://127.0.0.1:1"}}
    with pytest.raises(OSError, match="111"):
        async with client.aio.live.connect(model=MODEL, config=unreachable):
            pytest.fail("the session was opened")
    assert meter.call.readings == []
    assert isinstance(meter.call.ends[0][0], OSError)


async def test_wrapping_the_asynchronous_side_is_enough(server: Server, meter: RecordingMeter) -> None:
    """`client.aio` may be handed over alone; after unwrapping, sessions are the SDK's own again."""
    server.answers = [TURN, TURN]
    async with client_at(server.url) as client:
        kind = type(client.aio.live)
        provider_for(client.aio).wrap(client.aio, meter)
        async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
            await say(session)
        provider_for(client.aio).unwrap(client.aio)
        assert type(client.aio.live) is kind
        async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
            await say(session)
    assert meter.call.ended


async def test_vertex_names_its_region(server: Server, meter: RecordingMeter) -> None:
    """Sessions on Vertex AI tell where they run."""
    server.answers = [TURN]
    async with client_at(server.url, google.vertex) as client:
        provider_for(client).wrap(client, meter)
        async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
            await say(session)
    assert (meter.call.reading.provider, meter.call.reading.region) == ("google", "europe-west4")


async def test_senders_at_once_begin_one_call(client: Any, server: Server, meter: RecordingMeter) -> None:
    """However many tasks send to one session, one turn is under way, and one call."""
    server.answers = [TURN, (), TURN]
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        await say(session)
        await asyncio.gather(*(session.send_realtime_input(text="How deep?") for _ in range(2)))
        assert [message async for message in session.receive()]
    assert len(meter.calls) == 2


async def test_sessions_are_recorded_for_their_customers(server: Server, make_calc: MakeCalc) -> None:
    """Two sessions at once, of two customers: each pays for its own turns."""
    calc: AiCostCalc = make_calc()
    server.answers = [TURN] * 3

    async def talk(client: Any, customer: str, turns: int) -> None:
        with calc.attribute(customer_id=customer):
            async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
                for _ in range(turns):
                    await say(session)

    async with client_at(server.url) as made:
        calc.wrap(made)
        await asyncio.gather(talk(made, "acme", 1), talk(made, "globex", 2))
    rows = {row.customer: row for row in calc.report(by=["customer"])}
    assert {name: (row.calls, row.usage.output_tokens) for name, row in rows.items()} == {
        "acme": (1, 53),
        "globex": (2, 106),
    }
    assert rows["globex"].cost == 2 * rows["acme"].cost > 0


@needs_recordings
@pytest.mark.recorded
@pytest.mark.parametrize("name", names("google", {"live": lambda *_: None}))
async def test_recorded_sessions(name: str, client: Any, server: Server, meter: RecordingMeter) -> None:
    """What is read of a recorded session as it passes is what is read of all its messages."""
    exchange = load(name)
    messages = [json.loads(line) for line in exchange["body"].splitlines() if line.strip()]
    server.answers = [tuple(messages)]
    async with client.aio.live.connect(model=exchange["model"], config=CONFIG) as session:
        await session.send_realtime_input(text="Hello.")
        for _ in messages:
            await session._receive()
    expected = read_usage(exchange["body"], provider="google", api="live", model=exchange["model"])
    assert expected.usage is not None
    usages = [call.usage for call in meter.calls if call.readings]
    assert sum(usages[1:], usages[0]) == expected.usage
