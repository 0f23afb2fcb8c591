"""Anthropic's clients: every form begun once, read once, ended once; what is free left alone."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for, settle_dropped
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")

ASK: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "max_tokens": 400,
    "messages": [{"role": "user", "content": "Describe the fjord."}],
}
TEXT = "The fjord lies still at dawn, and the first ferry has not left yet. " * 4


def drain(stream: Any) -> None:
    """Take a stream to its end."""
    for _ in stream:
        pass


def _helper(client: Any) -> None:
    with client.messages.stream(**ASK) as stream:
        stream.get_final_message()


def _beta_helper(client: Any) -> None:
    with client.beta.messages.stream(**ASK) as stream:
        drain(stream.text_stream)


def _streaming_response(read: Callable[[Any], Any], **more: Any) -> Callable[[Any], None]:
    def form(client: Any) -> None:
        with client.messages.with_streaming_response.create(**ASK, **more) as response:
            read(response)

    return form


FORMS: dict[str, Callable[[Any], Any]] = {
    "message": lambda c: c.messages.create(**ASK),
    "stream": lambda c: drain(c.messages.create(**ASK, stream=True)),
    "stream helper": _helper,
    "raw": lambda c: c.messages.with_raw_response.create(**ASK).parse(),
    "raw stream": lambda c: drain(c.messages.with_raw_response.create(**ASK, stream=True).parse()),
    "streaming response": _streaming_response(lambda response: response.parse()),
    "streaming response, lines": _streaming_response(lambda response: drain(response.iter_lines()), stream=True),
    "beta": lambda c: c.beta.messages.create(**ASK),
    "beta stream helper": _beta_helper,
    "options": lambda c: c.with_options(timeout=20).messages.create(**ASK),
    "middleware": lambda c: c.with_middleware(lambda request, call_next: call_next(request)).messages.create(**ASK),
    "posted": lambda c: c.post("/v1/messages", body=ASK, cast_to=object),
}


async def _ahelper(client: Any) -> None:
    async with client.messages.stream(**ASK) as stream:
        await stream.get_final_message()


async def _astream(client: Any) -> None:
    async for _ in await client.messages.create(**ASK, stream=True):
        pass


ASYNC_FORMS: dict[str, Callable[[Any], Any]] = {
    "message": lambda c: c.messages.create(**ASK),
    "stream": _astream,
    "stream helper": _ahelper,
    "raw": lambda c: c.messages.with_raw_response.create(**ASK),
    "beta": lambda c: c.beta.messages.create(**ASK),
    "options": lambda c: c.with_options(timeout=20).messages.create(**ASK),
}


def check(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """One request, one begin, one reading with the exact usage, one end."""
    assert len(simulator.requests) == 1
    assert meter.call.usage.counts() == USAGE
    assert meter.call.reading.complete
    assert meter.call.ended
    request = meter.call.request
    assert (request.provider, request.model, request.api) == ("anthropic", "claude-opus-4-8", "messages")
    assert request.max_output_tokens == 400


@pytest.mark.parametrize("form", FORMS)
def test_anthropic_is_metered_once(
    form: str, anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Whatever the form, the client begins, reads and ends one call, with the usage that was reported."""
    FORMS[form](anthropic_client)
    check(meter, simulator)


@pytest.mark.parametrize("form", ASYNC_FORMS)
async def test_async_anthropic_is_metered_once(
    form: str, async_anthropic: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The asynchronous client is metered in the same way."""
    await ASYNC_FORMS[form](async_anthropic)
    check(meter, simulator)


def test_each_step_of_a_tool_run_is_metered(
    anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A tool runner asks again after each tool: every request is a call of its own."""

    @anthropic.beta_tool  # type: ignore[untyped-decorator]
    def get_tide(place: str) -> str:
        """Look up the tide at a place.

        Args:
            place: which harbour.
        """
        return f"high at {place}"

    simulator.replay(
        body=b'{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", '
        b'"content": [{"type": "tool_use", "id": "toolu_1", "name": "get_tide", "input": {"place": "Oslo"}}], '
        b'"stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 70, "output_tokens": 20}}'
    )
    anthropic_client.beta.messages.tool_runner(**ASK, tools=[get_tide]).until_done()
    assert [call.usage.output_tokens for call in meter.calls] == [20, USAGE["output_tokens"]]
    assert [call.ended for call in meter.calls] == [True, True]
    assert meter.calls[0].input_bytes > 2_400


def test_counting_tokens_is_free(anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Counting tokens is neither refused nor recorded."""
    meter.refusal = budget_exceeded()
    simulator.replay(body=b'{"input_tokens": 12}')
    counted = anthropic_client.messages.count_tokens(model=ASK["model"], messages=ASK["messages"])
    assert counted.input_tokens == 12
    assert meter.calls == []


@pytest.mark.parametrize("streaming", [False, True])
def test_a_refusal_reaches_the_caller_as_it_is(
    anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator, *, streaming: bool
) -> None:
    """The SDK, which retries whatever a hook raises, does not come to see the refusal."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as caught:
        anthropic_client.messages.create(**ASK, stream=streaming)
    assert caught.value is meter.refusal
    assert simulator.requests == []


async def test_an_async_refusal(async_anthropic: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """The asynchronous client refuses in the same way, its helper included."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded):
        await async_anthropic.messages.create(**ASK)
    with pytest.raises(BudgetExceeded):
        await _ahelper(async_anthropic)
    assert simulator.requests == []


def test_retries_are_counted_once(anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Overload and server errors cost nothing; the attempt that succeeds is read."""
    simulator.next(status=529, retry_after=0)
    simulator.next(status=500, retry_after=0)
    anthropic_client.messages.create(**ASK)
    assert len(simulator.requests) == 3
    assert meter.call.usage.counts() == USAGE
    assert meter.call.ended


def first_words(stream: Any) -> None:
    """Take events until there is some text."""
    for event in stream:
        if event.type == "content_block_delta":
            return


def _close(stream: Any) -> None:
    first_words(stream)
    stream.close()


def _drop(stream: Any) -> None:
    first_words(stream)


@pytest.mark.parametrize("leave", [_close, _drop])
def test_what_a_left_stream_said_of_its_input_is_exact(
    leave: Callable[[Any], None], anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Anthropic tells the input at the start: only the output of a stream that was left is estimated."""
    simulator.next(chunk_delay_ms=2, text=TEXT)
    leave(anthropic_client.messages.create(**ASK, stream=True))
    gc.collect()
    settle_dropped()
    assert meter.call.aborted
    usage = meter.call.usage
    assert (usage.input_tokens, usage.cache_read_tokens) == (USAGE["input_tokens"], USAGE["cache_read_tokens"])
    assert 0 < usage.output_tokens < len(TEXT) // 4
    assert meter.call.reading.estimated
    assert not meter.call.reading.complete


def test_a_dropped_stream_is_closed_at_once(
    anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Anthropic takes care that a dropped stream needs no garbage collector; wrapped, it still does not."""
    simulator.next(chunk_delay_ms=2, text=TEXT)
    gc.disable()
    try:
        first_words(anthropic_client.messages.create(**ASK, stream=True))
        assert meter.call.aborted
    finally:
        gc.enable()


async def test_a_cancelled_stream(async_anthropic: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Cancelling the task that reads a stream ends its call."""
    simulator.next(chunk_delay_ms=2, text=TEXT)
    started = asyncio.Event()

    async def consume() -> None:
        async with async_anthropic.messages.stream(**ASK) as stream:
            async for _ in stream.text_stream:
                started.set()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.call.aborted
    assert meter.call.usage.input_tokens == USAGE["input_tokens"]


def test_an_error_event(anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A stream that starts with an error was not answered, so nothing is paid."""
    simulator.replay(
        body=b'event: error\ndata: {"type": "error", "error": {"type": "overloaded", "message": "Overloaded"}}\n\n',
        content_type="text/event-stream",
    )
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        drain(anthropic_client.messages.create(**ASK, stream=True))
    assert meter.call.readings == []
    assert len(meter.call.ends) == 1


class Tokens:
    """A provider of access tokens, as a profile or a federation has one."""

    def __call__(self, *, force_refresh: bool = False) -> Any:
        """Give a token."""
        return importlib.import_module("anthropic.lib.credentials").AccessToken(token="issued", expires_at=None)


def test_copies_keep_their_credentials(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Anthropic hands credentials on only to copies of exactly its own class, which a wrapped client's are."""
    http = anthropic.DefaultHttpxClient(verify=False)
    with anthropic.Anthropic(base_url=simulator.anthropic_base_url, credentials=Tokens(), http_client=http) as client:
        bare = client.with_options(timeout=7)
        assert bare.credentials is not None
        provider_for(client).wrap(client, meter)
        made = client.with_options(timeout=7)
        assert made.credentials is bare.credentials
        assert made._token_cache is client._token_cache
        made.messages.create(**ASK)
        assert simulator.requests[-1].headers["authorization"] == "Bearer issued"
        check(meter, simulator)
        provider_for(client).unwrap(client)
        assert type(client) is anthropic.Anthropic
        assert http.event_hooks == {"request": [], "response": []}


def test_the_object_stays_what_it_is(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Nothing is added to the client, and all of it comes back."""
    http = anthropic.DefaultHttpxClient(verify=False)
    with anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="any", http_client=http) as client:
        attributes, shown = dict(vars(client)), repr(client)
        provider_for(client).wrap(client, meter)
        assert isinstance(client, anthropic.Anthropic)
        assert (repr(client), vars(client)) == (shown, attributes)
        provider_for(client).unwrap(client)
        assert type(client) is anthropic.Anthropic
        assert vars(client) == attributes


def test_middleware_that_reads_the_stream_itself(
    meter: RecordingMeter, simulator: ProviderSimulator, anthropic_client: Any
) -> None:
    """Middleware sees the stream before its caller does; what it takes is read as well."""

    def whole(request: Any, call_next: Any) -> Any:
        response = call_next(request)
        response.http_response.read()
        return response

    client = anthropic_client.with_middleware(whole)
    events = list(client.messages.create(**ASK, stream=True))
    assert events[-1].type == "message_stop"
    check(meter, simulator)
