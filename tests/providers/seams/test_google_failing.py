"""Calls of Google's client that fail, are refused or cancelled half-way, and clients wrapped in unusual ways."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Final

import google.auth.transport.requests
import google.oauth2.credentials
import httpx2
import pytest

from ai_cost_calc.errors import BudgetExceeded, BudgetStoreError, ConfigError
from ai_cost_calc.providers import provider_for, settle_dropped
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.seams.conformance import done
from tests.providers.seams.recording import RecordingMeter, RefusingLater, budget_exceeded

genai = pytest.importorskip("google.genai")

from google.auth.aio.transport.sessions import AsyncAuthorizedSession  # noqa: E402 - once it is known to be there
from google.auth.transport import mtls  # noqa: E402
from google.genai import errors, types  # noqa: E402

from tests.providers.seams import gemini as google_api  # noqa: E402

pytestmark = google_api.QUIET

ASKED: Final[dict[str, Any]] = {"model": google_api.MODEL, "contents": "How deep is the fjord?"}
INTERACTION: Final[dict[str, Any]] = {"model": google_api.MODEL, "input": "How deep is the fjord?"}
RETRIES: Final = types.HttpRetryOptions(attempts=3, initial_delay=0.001, jitter=0.0)
Open = Callable[..., Any]


@pytest.fixture
async def open_client(simulator: ProviderSimulator) -> AsyncIterator[Open]:
    """Make clients of the Gemini API, closed afterwards."""
    made: list[Any] = []

    def make(kind: Callable[..., Any] = google_api.gemini, **options: Any) -> Any:
        made.append(kind(simulator.url, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()
        await client.aio.aclose()


@pytest.fixture(params=["sync", "aio", "aio-httpx2"])
def used(request: pytest.FixtureRequest, open_client: Open, meter: RecordingMeter) -> Any:
    """One side of a wrapped client that tries again."""
    side, _, transport = request.param.partition("-")
    client = open_client(transport=transport or "aiohttp", retry_options=RETRIES)
    provider_for(client).wrap(client, meter)
    return client if side == "sync" else client.aio


def answer(simulator: ProviderSimulator, body: Any = None, **behaviour: Any) -> None:
    """Answer the next request."""
    simulator.replay(body=json.dumps(body or google_api.answer()).encode(), **behaviour)


def stream(simulator: ProviderSimulator, events: list[Any] | None = None, **behaviour: Any) -> None:
    """Answer the next request with a stream."""
    body = google_api.sse(*(events or google_api.chunks()))
    simulator.replay(body=body, content_type="text/event-stream", **behaviour)


async def turns() -> None:
    """Let the event loop close what was left."""
    for _ in range(30):
        await asyncio.sleep(0)
    gc.collect()
    settle_dropped()


@pytest.mark.parametrize("status", [429, 503])
async def test_attempts_that_fail_are_not_billed(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter, status: int
) -> None:
    """The SDK tries again under one reservation; what succeeds is read once, what never does is given back."""
    simulator.next(status=status, times=2)
    answer(simulator)
    await done(used.models.generate_content(**ASKED))
    assert (len(simulator.requests), len(meter.calls)) == (3, 1)
    assert meter.call.usage.counts() == google_api.COUNTS
    assert meter.call.ended
    meter.forget()
    simulator.next(status=status, times=3)
    with pytest.raises(errors.APIError) as caught:
        await done(used.models.generate_content(**ASKED))
    assert meter.call.readings == []
    assert meter.call.ends == [(caught.value, False)]


async def test_retries_of_one_request_alone(
    open_client: Open, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Retry options may be given with a request; the guard lies outside of that loop as well."""
    client = open_client()
    provider_for(client).wrap(client, meter)
    config = types.GenerateContentConfig(http_options=types.HttpOptions(retry_options=RETRIES))
    for ask in (client.models.generate_content, client.aio.models.generate_content):
        simulator.next(status=503)
        answer(simulator)
        await done(ask(**ASKED, config=config))
    assert len(simulator.requests) == 4
    assert [call.usage.counts() for call in meter.calls] == [google_api.COUNTS] * 2


async def test_a_refusal_is_not_tried_again(used: Any, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """However often the SDK would try, a refusal is asked for once and nothing is sent."""
    asked: list[Any] = []
    refusal = budget_exceeded()

    class Counting(RecordingMeter):
        def begin(self, request: Any, /) -> Any:
            asked.append(request)
            raise refusal

    provider_for(used).unwrap(used)
    assert meter.calls == []
    client = google_api.gemini(simulator.url, retry_options=RETRIES)
    provider_for(client).wrap(client, Counting())
    for call in (
        lambda: client.models.generate_content(**ASKED),
        lambda: client.aio.models.generate_content(**ASKED),
        lambda: client.interactions.create(**INTERACTION),
        lambda: client.aio.interactions.create(**INTERACTION),
    ):
        with pytest.raises(BudgetExceeded) as caught:
            await done(call())
        assert caught.value is refusal
    assert len(asked) == 4
    assert simulator.requests == []
    client.close()
    await client.aio.aclose()


async def test_a_refused_function_call_stops_the_loop(open_client: Open, simulator: ProviderSimulator) -> None:
    """When the budget ends between two hops of the SDK's own loop, the second is refused and not sent."""

    def depth(fjord: str) -> int:
        """Tell how deep a fjord is."""
        return len(fjord)

    config = types.GenerateContentConfig(tools=[depth])
    for side in ("sync", "aio"):
        meter = RefusingLater()
        client = open_client()
        provider_for(client).wrap(client, meter)
        wanted = {"functionCall": {"name": "depth", "args": {"fjord": "Sogne"}}}
        answer(simulator, google_api.answer(wanted))
        models = (client if side == "sync" else client.aio).models
        with pytest.raises(BudgetExceeded) as caught:
            await done(models.generate_content(**ASKED, config=config))
        assert caught.value is meter.refusal
        assert meter.call.ended
    assert len(simulator.requests) == 2


INTERRUPTED: Final = {"status": "requires_continuation", "continuation_token": "more"}


async def take(begun: Any, into: list[Any] | None = None) -> Any:
    """What a call returned; a stream is read to its end, into a list."""
    made, into = await done(begun), [] if into is None else into
    if hasattr(made, "__aiter__"):
        async for each in made:
            into.append(each)
    elif hasattr(made, "__next__"):
        for each in made:
            into.append(each)
    return made


@pytest.fixture(params=["sync", "aio", "aio-httpx2"])
def ending(request: pytest.FixtureRequest, open_client: Open) -> tuple[Any, RefusingLater]:
    """One side of a wrapped client whose budget ends with its first call, and its meter."""
    side, _, transport = request.param.partition("-")
    client, meter = open_client(transport=transport or "aiohttp", retry_options=RETRIES), RefusingLater()
    provider_for(client).wrap(client, meter)
    return (client if side == "sync" else client.aio), meter


@pytest.mark.parametrize("error", [budget_exceeded, partial(BudgetStoreError, "the store cannot be reached")])
async def test_a_refused_continuation_is_raised_as_it_is(
    ending: tuple[Any, RefusingLater], simulator: ProviderSimulator, error: Callable[[], Exception]
) -> None:
    """It is asked for once, and not sent; the SDK's own error, which says how to resume, is its context."""
    used, meter = ending
    meter.error = error
    answer(simulator, google_api.interaction(**INTERRUPTED))
    with pytest.raises((BudgetExceeded, BudgetStoreError)) as caught:
        await done(used.interactions.create(**INTERACTION))
    assert meter.refused == [caught.value]
    assert len(simulator.requests) == 1
    assert meter.call.ended
    interrupted: Any = caught.value.__context__
    assert type(interrupted) is errors.ContinuationInterruptedError
    assert (interrupted.continuation_token, interrupted.interaction_id) == ("more", "v1_1")
    assert interrupted.partial_interaction.id == "v1_1"
    assert (interrupted.__cause__, interrupted.__context__) == (None, None)


async def test_a_refused_continuation_of_a_stream_is_raised_as_it_is(
    ending: tuple[Any, RefusingLater], simulator: ProviderSimulator
) -> None:
    """The events that were paid for come first; then the refusal, with the SDK's error as its context."""
    used, meter = ending
    stream(simulator, google_api.interaction_events(**INTERRUPTED))
    events: list[Any] = []
    with pytest.raises(BudgetExceeded) as caught:
        await take(used.interactions.create(**INTERACTION, stream=True), events)
    assert meter.refused == [caught.value]
    assert [event.event_type for event in events][-1] == "interaction.completed"
    assert len(simulator.requests) == 1
    assert meter.call.ended
    interrupted: Any = caught.value.__context__
    assert type(interrupted) is errors.ContinuationInterruptedError
    assert (interrupted.continuation_token, interrupted.continuation_ids) == ("more", ["v1_1"])
    assert (interrupted.__cause__, interrupted.__context__) == (None, None)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_refused_continuation_with_its_raw_response(
    ending: tuple[Any, RefusingLater], simulator: ProviderSimulator, *, streamed: bool
) -> None:
    """What the SDK hands over raw, it does not go on with: there is nothing to refuse."""
    used, meter = ending
    answer(simulator, google_api.interaction(**INTERRUPTED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that it does not
        raw = used.interactions.with_streaming_response if streamed else used.interactions.with_raw_response
        made = raw.create(**INTERACTION)
        if not streamed:
            response = await done(made)
            assert (await done(response.parse())).id == "v1_1"
        elif hasattr(made, "__aenter__"):
            async with made as response:
                assert (await done(response.parse())).id == "v1_1"
        else:
            with made as response:
                assert response.parse().id == "v1_1"
    assert (meter.refused, len(simulator.requests)) == ([], 1)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_continuation_that_fails_is_the_sdks_affair(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter, *, streamed: bool
) -> None:
    """An error that is not our refusal comes as the SDK raises it, with its own cause."""
    if streamed:
        stream(simulator, google_api.interaction_events(**INTERRUPTED))
    else:
        answer(simulator, google_api.interaction(**INTERRUPTED))
    simulator.next(status=400, times=3)
    with pytest.raises(errors.ContinuationInterruptedError) as caught:
        await take(used.interactions.create(**INTERACTION, stream=streamed))
    assert getattr(caught.value.__cause__, "status_code", None) == 400
    assert caught.value.continuation_token == INTERRUPTED["continuation_token"]
    assert len(meter.calls) == 2


async def test_streams_of_interactions_go_on_and_stay_what_they_are(
    used: Any, open_client: Open, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Both parts come through one stream, whose class passes for the SDK's own."""
    stream(simulator, google_api.interaction_events(**INTERRUPTED))
    stream(simulator, google_api.interaction_events("v1_2"))
    events: list[Any] = []
    made = await take(used.interactions.create(**INTERACTION, stream=True), events)
    assert [event.event_type for event in events].count("interaction.completed") == 2
    assert [call.request.api for call in meter.calls] == ["interactions"] * 2
    bare = open_client()
    stream(simulator, google_api.interaction_events())
    kind = type(await done((bare.aio if "Async" in type(used).__name__ else bare).interactions.create(
        **INTERACTION, stream=True
    )))  # fmt: skip
    assert isinstance(made, kind)
    assert (type(made).__qualname__, type(made).__module__) == (kind.__qualname__, kind.__module__)


async def test_a_refused_hop_of_a_stream_reaches_the_caller(
    ending: tuple[Any, RefusingLater], simulator: ProviderSimulator
) -> None:
    """After the chunks that came, the refusal itself: the SDK, which would ask three times more, does not see it."""
    used, meter = ending
    stream(simulator, [google_api.answer(finishReason="CONTINUATION", continuationToken="bW9yZQ==")])
    chunks: list[Any] = []
    with pytest.raises(BudgetExceeded) as caught:
        await take(used.models.generate_content_stream(**ASKED), chunks)
    assert meter.refused == [caught.value]
    assert caught.value.__context__ is None
    assert [chunk.text for chunk in chunks] == ["The fjord is deep."]
    assert len(simulator.requests) == 1
    assert meter.call.ended


async def test_a_refused_hop_of_contents_reaches_the_caller(
    ending: tuple[Any, RefusingLater], simulator: ProviderSimulator
) -> None:
    """So it does where the parts are put together, alone and in a chat."""
    used, meter = ending
    for ask in (used.models.generate_content, used.chats.create(model=google_api.MODEL).send_message):
        meter.forget()
        answer(simulator, google_api.answer(finishReason="CONTINUATION", continuationToken="bW9yZQ=="))
        with pytest.raises(BudgetExceeded) as caught:
            await done(ask("Deep?") if ask.__name__ == "send_message" else ask(**ASKED))
        assert meter.refused == [caught.value]
    assert len(simulator.requests) == 2


async def test_a_refused_turn_of_a_chat_reaches_the_caller(
    ending: tuple[Any, RefusingLater], simulator: ProviderSimulator
) -> None:
    """A chat's next message is refused as any call is, and so is what follows a function that its model called."""

    def depth(fjord: str) -> int:
        """Tell how deep a fjord is."""
        return len(fjord)

    used, meter = ending
    chat = used.chats.create(model=google_api.MODEL, config=types.GenerateContentConfig(tools=[depth]))
    wanted = {"functionCall": {"name": "depth", "args": {"fjord": "Sogne"}}}
    for send, prepare in ((chat.send_message, answer), (chat.send_message_stream, stream)):
        meter.forget()
        body: Any = google_api.answer(wanted)
        prepare(simulator, body if prepare is answer else [body])
        with pytest.raises(BudgetExceeded) as caught:
            await take(send("How deep?"))
        assert meter.refused == [caught.value]
    assert len(simulator.requests) == 2


async def test_a_stream_that_was_begun_before_wrapping_is_refused_as_the_sdk_has_it(
    open_client: Open, simulator: ProviderSimulator
) -> None:
    """Its loop is the SDK's own, which asks four times; what comes out of it is the refusal."""
    for asynchronous in (False, True):
        client, meter = open_client(), RefusingLater(allowed=0)
        used = client.aio if asynchronous else client
        stream(simulator, [google_api.answer(finishReason="CONTINUATION", continuationToken="bW9yZQ==")])
        chunks = await done(used.models.generate_content_stream(**ASKED))
        assert (await anext(chunks) if asynchronous else next(chunks)).text
        provider_for(client).wrap(client, meter)
        with pytest.raises(BudgetExceeded) as caught:
            await take(chunks)
        assert len(meter.refused) == 4
        assert caught.value is meter.refused[-1]
    assert len(simulator.requests) == 2


async def test_a_stream_that_breaks_counts_as_far_as_it_came(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """What the last chunk before the break reported is used at least; the SDK's error is the caller's."""
    stream(simulator, break_after=2)

    async def take() -> None:
        chunks = await done(used.models.generate_content_stream(**ASKED))
        if hasattr(chunks, "__aiter__"):
            async for _ in chunks:
                pass
        else:
            list(chunks)

    with pytest.raises(Exception, match=r"(?i)chunk|closed|payload|complete") as caught:
        await take()
    await turns()
    assert meter.call.usage.counts() == {"input_tokens": 328, "output_tokens": 20}
    assert (meter.call.reading.complete, meter.call.reading.estimated) == (False, True)
    ((error, aborted),) = meter.call.ends
    assert not aborted
    assert type(error) is type(caught.value) or error is caught.value.__cause__


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
async def test_a_task_that_is_cancelled_while_it_waits(meter: RecordingMeter, transport: str) -> None:
    """A task that is cancelled before anything was answered leaves nothing held."""
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    client = google_api.gemini(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", transport=transport)
    provider_for(client).wrap(client, meter)
    task = asyncio.create_task(client.aio.models.generate_content(**ASKED))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.call.readings == []
    ((error, _),) = meter.call.ends
    assert isinstance(error, asyncio.CancelledError)
    client.close()
    await client.aio.aclose()
    server.close()


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
async def test_a_task_that_is_cancelled_within_a_stream(
    open_client: Open, simulator: ProviderSimulator, meter: RecordingMeter, transport: str
) -> None:
    """A task that is cancelled between two chunks has used what the last one said."""
    client = open_client(transport=transport)
    provider_for(client).wrap(client, meter)
    stream(simulator, chunk_delay_ms=5_000)
    first = asyncio.Event()

    async def take() -> None:
        async for _ in await client.aio.models.generate_content_stream(**ASKED):
            first.set()

    task = asyncio.create_task(take())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    assert len(meter.call.ends) == 1
    assert meter.call.usage.counts() == {"input_tokens": 328, "output_tokens": 3}
    assert not meter.call.reading.complete


async def test_both_sides_are_wrapped_together_or_apart(open_client: Open, simulator: ProviderSimulator) -> None:
    """What the sides share stays guarded while either is wrapped; another meter is turned away."""
    meter, client = RecordingMeter(), open_client()
    api, kinds = client._api_client, (type(client), type(client.aio), type(client._api_client), type(client.aio.live))
    provider = provider_for(client)
    provider.wrap(client.aio, meter)
    provider.wrap(client, meter)
    for other in (client, client.aio):
        with pytest.raises(ConfigError):
            provider.wrap(other, RecordingMeter())
    answer(simulator)
    client.models.generate_content(**ASKED)
    provider.unwrap(client)
    assert kinds == (type(client), type(client.aio), type(api), type(client.aio.live))
    answer(simulator)
    client.models.generate_content(**ASKED)
    assert len(meter.calls) == 1


async def test_another_meter_cannot_have_the_other_side(open_client: Open, meter: RecordingMeter) -> None:
    """A client whose asynchronous side reports to one meter cannot report to another one."""
    client = open_client()
    provider_for(client).wrap(client.aio, meter)
    with pytest.raises(ConfigError):
        provider_for(client).wrap(client, RecordingMeter())


async def test_what_was_made_before_wrapping_is_guarded(
    open_client: Open, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Chats and resources that the application holds already are metered from then on, and are not afterwards."""
    client = open_client()
    chat, resource = client.chats.create(model=google_api.MODEL), client.interactions
    kind = type(resource)
    provider_for(client).wrap(client, meter)
    for _ in range(2):
        answer(simulator)
        chat.send_message("How deep?")
        answer(simulator, google_api.interaction())
        resource.create(**INTERACTION)
        provider_for(client).unwrap(client)
    assert [call.request.api for call in meter.calls] == ["generate_content", "interactions"]
    assert (client.interactions, type(client.interactions)) == (resource, kind)


async def test_blocks_restore_what_they_wrapped(
    open_client: Open, simulator: ProviderSimulator, make_calc: MakeCalc
) -> None:
    """`metered` wraps for a block, even one inside of another; a call of its own begins after neither."""
    calc, client = make_calc(), open_client()
    with calc.metered(client, customer_id="acme"), calc.metered(client, feature="chat"):
        answer(simulator)
        client.models.generate_content(**ASKED)
    answer(simulator)
    client.models.generate_content(**ASKED)
    (row,) = calc.report(by=["customer", "feature"])
    assert (row.customer, row.feature, row.calls) == ("acme", "chat", 1)


def test_a_stream_outlives_its_wrapping(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """A stream that is under way when its client is unwrapped is still read to its end."""
    client = google_api.gemini(simulator.url)
    provider_for(client).wrap(client, meter)
    stream(simulator)
    chunks = client.models.generate_content_stream(**ASKED)
    next(chunks)
    provider_for(client).unwrap(client)
    assert len(list(chunks)) == 2
    assert meter.call.usage.counts() == google_api.COUNTS
    assert meter.call.ended
    client.close()


@pytest.mark.parametrize("wrap_http", [False, True])
def test_an_http_client_of_the_applications_own(
    simulator: ProviderSimulator, meter: RecordingMeter, *, wrap_http: bool
) -> None:
    """The SDK may be handed an HTTP client; if that is wrapped as well, calls still count once."""
    with httpx2.Client(verify=google_api.UNVERIFIED) as http:
        options = types.HttpOptions(
            base_url=simulator.url, httpx_client=http, async_client_args={"ssl": google_api.UNVERIFIED}
        )
        client = genai.Client(api_key="any", http_options=options)
        if wrap_http:
            provider_for(http).wrap(http, meter)
        provider_for(client).wrap(client, meter)
        answer(simulator)
        client.models.generate_content(**ASKED)
        answer(simulator, google_api.interaction())
        client.interactions.create(**INTERACTION)
        assert [call.request.api for call in meter.calls] == ["generate_content", "interactions"]
        assert all(call.ended for call in meter.calls)
        client.close()


@pytest.fixture
def certified(simulator: ProviderSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of Vertex AI that sends with google-auth's session, as it does where there is a client certificate."""
    client = google_api.vertex(simulator.url)
    monkeypatch.setattr(client._api_client, "_use_google_auth_sync", lambda: True)
    yield client
    client.close()


@pytest.mark.parametrize("before", [False, True])
def test_sessions_with_client_certificates(
    certified: Any, simulator: ProviderSimulator, meter: RecordingMeter, *, before: bool
) -> None:
    """Requests that google-auth's own session sends are read as well, whichever was there first."""

    def make_session() -> None:
        credentials: Any = google.oauth2.credentials.Credentials(token="any")  # type: ignore[no-untyped-call]
        made: Any = google.auth.transport.requests.AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        certified._api_client._authorized_session = made

    if before:
        make_session()
    provider_for(certified).wrap(certified, meter)
    if not before:
        make_session()
    answer(simulator)
    assert certified.models.generate_content(**ASKED).text == "The fjord is deep."
    stream(simulator)
    assert len(list(certified.models.generate_content_stream(**ASKED))) == 3
    assert [call.usage.counts() for call in meter.calls] == [google_api.COUNTS] * 2
    assert all(call.ended for call in meter.calls)
    provider_for(certified).unwrap(certified)
    session = certified._api_client._authorized_session
    assert type(session) is google.auth.transport.requests.AuthorizedSession


async def test_asynchronous_sessions_with_client_certificates(
    simulator: ProviderSimulator, meter: RecordingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are those of its asynchronous session, which is made when the first request needs it."""

    async def configured(*_: Any) -> None:
        """Take no certificate: loopback asks for none."""

    client = google_api.vertex(simulator.url)
    api = client._api_client
    monkeypatch.setattr(api, "_use_google_auth_async", lambda: True)
    monkeypatch.setattr(mtls, "default_client_cert_source", lambda: None)
    monkeypatch.setattr(AsyncAuthorizedSession, "configure_mtls_channel", configured)
    monkeypatch.setattr(api, "_async_client_session_request_args", {"max_allowed_time": 60.0, "total_attempts": 1})
    provider_for(client).wrap(client, meter)
    answer(simulator)
    assert (await client.aio.models.generate_content(**ASKED)).text == "The fjord is deep."
    stream(simulator)
    assert [chunk async for chunk in await client.aio.models.generate_content_stream(**ASKED)]
    assert [type(session) for session in api._aiohttp_sessions.values()] == [AsyncAuthorizedSession]
    assert [call.usage.counts() for call in meter.calls] == [google_api.COUNTS] * 2
    assert all(call.ended for call in meter.calls)
    for session in api._aiohttp_sessions.values():
        await session.close()
    client.close()
