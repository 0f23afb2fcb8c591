"""What every client that can be wrapped promises (`ports.providers.Provider`), as one suite for all of them.

A vendor's tests say in a `Case` how to make a client and a call with it, and what the provider answers; the suite asks
through the real SDK, from loopback, and compares a wrapped client with a bare one.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from ai_cost_calc.errors import BudgetExceeded, ConfigError
from ai_cost_calc.providers import provider_for, settle_dropped
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

ERROR: bytes = b'{"error": {"message": "The request is not valid.", "type": "invalid_request_error", "code": null}}'
Call = Callable[[Any], Any]
OWN: frozenset[str] = frozenset({"raw_response", "request", "response"})
"""Attributes of an SDK's errors that hold live objects, which no two errors share."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of client, and one kind of call with it.

    Attributes:
        name: what its tests are called after.
        open: makes a bare client that talks to this URL.
        ask: makes a call that is answered at once.
        answer: the body of that answer, written after the provider's documentation.
        usage: the counts that it reports.
        provider: the id under which it is to be priced.
        model: the name under which it is to be priced.
        api: the API that the call belongs to, as budgets and estimates see it.
        stream: makes a call whose answer streams; `None` where the API has none.
        events: the body of that answer.
        events_type: its content type.
        streamed: the counts of the streamed answer, where they differ.
        error: the body of an answer with status 400.
        retries: whether the SDK asks again after a 500.
        copy: makes a copy of the client, where the SDK offers that.
        close: closes the client.
    """

    name: str
    open: Callable[[str], Any]
    ask: Call
    answer: bytes
    usage: Mapping[str, float]
    provider: str
    model: str
    api: str = "chat"
    stream: Call | None = None
    events: bytes = b""
    events_type: str = "text/event-stream"
    streamed: Mapping[str, float] | None = None
    error: bytes = field(default=ERROR, repr=False)
    retries: bool = True
    copy: Call | None = None
    close: Call = lambda client: client.close()

    def __str__(self) -> str:
        """Name the tests."""
        return self.name


async def done(value: Any) -> Any:
    """What an SDK returns, awaited where it is to be."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any) -> AsyncIterator[Any]:
    """The chunks of a stream of either kind."""
    if hasattr(stream, "__aiter__"):
        async for chunk in stream:
            yield chunk
    else:
        for chunk in stream:
            yield chunk


async def left(stream: Any) -> None:
    """Close a stream of either kind."""
    for name in ("aclose", "close"):
        if hasattr(stream, name):
            await done(getattr(stream, name)())
            return


def plain(answer: Any) -> Any:
    """The fields of an answer, or of a chunk of one."""
    if hasattr(answer, "to_dict"):
        return type(answer), answer.to_dict(warnings=False)
    if hasattr(answer, "model_dump"):
        return type(answer), answer.model_dump(warnings=False)
    return type(answer), vars(answer) if hasattr(answer, "__dict__") else answer


async def outcome(call: Call | None, client: Any) -> Any:
    """What a caller gets: the answer's fields, the chunks', or the error with its attributes."""
    assert call is not None
    try:
        answer = await done(call(client))
        is_model = hasattr(answer, "model_fields_set") or isinstance(answer, Mapping)
        if not is_model and (isinstance(answer, Iterable) or hasattr(answer, "__aiter__")):
            return [plain(chunk) async for chunk in each(answer)]
        return plain(answer)
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is compared
        told = {name: value for name, value in vars(error).items() if name.strip("_") not in OWN}
        return type(error), str(error), told, type(error.__cause__)


async def side_by_side(clients: Iterable[Any], call: Call | None, answer: Callable[[], None]) -> list[Any]:
    """What each of these clients gives its caller, answered alike."""
    outcomes = []
    for client in clients:
        answer()
        outcomes.append(await outcome(call, client))
    return outcomes


class ClientConformance:
    """Subclass this and provide a `case` fixture."""

    @pytest.fixture
    def case(self) -> Case:
        """What is tested."""
        raise pytest.UsageError("a subclass of ClientConformance provides the fixture `case`")

    @pytest.fixture
    def answered(self, case: Case, simulator: ProviderSimulator) -> Callable[[], None]:
        """Answer the next request at once."""
        return partial(simulator.replay, body=case.answer)

    @pytest.fixture
    def streaming(self, case: Case, simulator: ProviderSimulator) -> Callable[..., None]:
        """Answer the next request in a stream, event by event."""
        if case.stream is None:
            pytest.skip(f"{case} does not stream")
        return partial(simulator.replay, body=case.events, content_type=case.events_type)

    @pytest.fixture
    def slowly(self, streaming: Callable[..., None]) -> Callable[[], None]:
        """Answer the next request in a stream that takes its time, so that leaving it early leaves something."""
        return partial(streaming, chunk_delay_ms=20)

    @pytest.fixture
    def breaking(self, streaming: Callable[..., None]) -> Callable[[], None]:
        """Answer the next request in a stream that ends after its first event."""
        return partial(streaming, break_after=1)

    @pytest.fixture
    async def bare(self, case: Case, simulator: ProviderSimulator) -> AsyncIterator[Any]:
        """A client that nobody has wrapped."""
        async with _opened(case, simulator) as client:
            yield client

    @pytest.fixture
    async def client(self, case: Case, simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[Any]:
        """A wrapped client."""
        async with _opened(case, simulator) as client:
            provider_for(client).wrap(client, meter)
            yield client

    async def test_a_call_is_read_once(
        self, case: Case, client: Any, meter: RecordingMeter, answered: Callable[[], None]
    ) -> None:
        """One call, with what was asked, the exact usage, and the names it is priced under."""
        answered()
        await done(case.ask(client))
        request, reading = meter.call.request, meter.call.reading
        assert (request.provider, request.api, request.stream) == (case.provider, case.api, False)
        assert (reading.provider, reading.model) == (case.provider, case.model)
        assert meter.call.usage.counts() == case.usage
        assert (reading.complete, reading.estimated) == (True, False)
        assert meter.call.ended

    async def test_a_stream_is_read_to_its_end(
        self, case: Case, client: Any, meter: RecordingMeter, streaming: Callable[[], None]
    ) -> None:
        """A stream that is taken to its end gives exactly the usage that it reports."""
        streaming()
        assert case.stream is not None
        chunks = [chunk async for chunk in each(await done(case.stream(client)))]
        assert chunks
        reading = meter.call.reading
        assert meter.call.request.stream
        assert (reading.provider, reading.model) == (case.provider, case.model)
        assert meter.call.usage.counts() == (case.streamed or case.usage)
        assert (reading.complete, reading.estimated) == (True, False)
        assert meter.call.ended

    async def test_a_stream_that_is_left_is_estimated(
        self, case: Case, client: Any, meter: RecordingMeter, slowly: Callable[[], None]
    ) -> None:
        """A stream that is closed early ends its call at once, aborted, with an estimate that is marked as one."""
        slowly()
        stream = await first_chunk(case, client)
        await left(stream)
        check_aborted(meter)

    async def test_a_stream_that_is_dropped_is_estimated(
        self, case: Case, client: Any, meter: RecordingMeter, slowly: Callable[[], None]
    ) -> None:
        """So does one that its consumer lets go of without closing it."""
        slowly()
        stream = await first_chunk(case, client)
        assert meter.call.ends == []
        del stream
        gc.collect()
        for _ in range(10):  # an event loop closes what was dropped in its next turns
            await asyncio.sleep(0)
        gc.collect()
        settle_dropped()
        check_aborted(meter)

    async def test_a_stream_that_breaks_off_is_estimated(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, breaking: Callable[[], None]
    ) -> None:
        """Where the connection ends early the caller sees what the bare client shows, and usage is estimated."""
        outcomes = await side_by_side((bare, client), case.stream, breaking)
        assert outcomes[0] == outcomes[1]
        assert len(meter.call.ends) == 1
        assert meter.call.reading.estimated
        assert not meter.call.reading.complete

    async def test_a_refusal_reaches_the_caller(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """A call over budget raises the refusal itself, at once; nothing is sent, and nothing is tried again."""
        meter.refusal = budget_exceeded()
        for call in (case.ask, case.stream):
            if call is not None:
                with pytest.raises(BudgetExceeded) as caught:
                    await done(call(client))
                assert caught.value is meter.refusal
                assert caught.value.__cause__ is None
        assert simulator.requests == []
        assert meter.calls == []

    async def test_answers_are_the_bare_clients(
        self, case: Case, bare: Any, client: Any, answered: Callable[[], None]
    ) -> None:
        """An answer has the type and the fields that the bare client gives."""
        outcomes = await side_by_side((bare, client), case.ask, answered)
        assert outcomes[0] == outcomes[1]
        assert not _is_error(outcomes[0])

    async def test_streams_are_the_bare_clients(
        self, case: Case, bare: Any, client: Any, streaming: Callable[[], None]
    ) -> None:
        """A stream has the chunks and the order that the bare client gives."""
        outcomes = await side_by_side((bare, client), case.stream, streaming)
        assert outcomes[0] == outcomes[1]
        assert isinstance(outcomes[0], list)

    async def test_errors_are_the_bare_clients(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """An error of the provider's has the type, text and attributes that the bare client gives; it is not billed."""
        answer = partial(simulator.replay, body=case.error, status=400)
        outcomes = await side_by_side((bare, client), case.ask, answer)
        assert outcomes[0] == outcomes[1]
        assert _is_error(outcomes[0])
        assert meter.call.readings == []
        ((error, _),) = meter.call.ends
        assert error is not None

    async def test_what_the_sdk_tries_again_is_counted_once(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: ProviderSimulator, answered: Callable[[], None]
    ) -> None:
        """A failed attempt is not billed; the one that succeeds is read once, under one reservation."""
        if not case.retries:
            pytest.skip(f"{case} does not try again by itself")
        simulator.next(status=500, retry_after=0)
        answered()
        await done(case.ask(client))
        assert len(simulator.requests) == 2
        assert meter.call.usage.counts() == case.usage
        assert meter.call.ended

    async def test_wrapping_twice_and_unwrapping(
        self, case: Case, bare: Any, meter: RecordingMeter, answered: Callable[[], None]
    ) -> None:
        """A client is wrapped once however often it is asked, by one meter, and is itself again afterwards."""
        kind, attributes = type(bare), dict(vars(bare))
        provider = provider_for(bare)
        for _ in range(2):
            provider.wrap(bare, meter)
        assert isinstance(bare, kind)
        with pytest.raises(ConfigError):
            provider.wrap(bare, RecordingMeter())
        for _ in range(2):
            provider.unwrap(bare)
        assert (type(bare), vars(bare)) == (kind, attributes)
        provider.wrap(bare, meter)
        answered()
        await done(case.ask(bare))
        assert len(meter.calls) == 1
        provider.unwrap(bare)
        answered()
        await done(case.ask(bare))
        assert len(meter.calls) == 1

    async def test_copies_are_wrapped_too(
        self, case: Case, client: Any, meter: RecordingMeter, answered: Callable[[], None]
    ) -> None:
        """What the SDK copies of a wrapped client is metered like it; unwrapping one leaves the other wrapped."""
        if case.copy is None:
            pytest.skip(f"{case} makes no copies")
        copied = case.copy(client)
        assert copied is not client
        assert isinstance(copied, type(client).__bases__[0])
        provider_for(client).unwrap(client)
        answered()
        await done(case.ask(copied))
        assert meter.call.usage.counts() == case.usage
        assert meter.call.ended


async def first_chunk(case: Case, client: Any) -> Any:
    """A stream of which one chunk has been taken."""
    assert case.stream is not None
    stream = await done(case.stream(client))
    if hasattr(stream, "__anext__"):
        await anext(stream)
    elif hasattr(stream, "__aiter__"):
        await anext(aiter(stream))
    else:
        next(iter(stream))
    return stream


def check_aborted(meter: RecordingMeter) -> None:
    """The call ended because the caller left; what it came to is marked as a guess."""
    assert meter.call.ends == [(None, True)]
    assert meter.call.reading.estimated
    assert not meter.call.reading.complete
    assert meter.call.usage.input_tokens > 0


def _is_error(found: Any) -> bool:
    return isinstance(found, tuple) and isinstance(found[0], type) and issubclass(found[0], BaseException)


@asynccontextmanager
async def _opened(case: Case, simulator: ProviderSimulator) -> AsyncIterator[Any]:
    client = case.open(simulator.url)
    try:
        yield client
    finally:
        await done(case.close(client))
