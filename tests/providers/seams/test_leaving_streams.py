"""Streams that their consumer leaves before the end, in every way there is: one end, with what is known estimated."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

from ai_cost_calc.providers import end_streams, provider_for, settle_dropped
from ai_cost_calc.providers._request import BYTES_PER_TOKEN, Request
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE
from tests.providers.seams.recording import RecordedCall, RecordingMeter

TEXT = "The fjord lies still at dawn, and the first ferry has not left yet. " * 4
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Describe the fjord."}]}


@pytest.fixture(autouse=True)
def slowly(simulator: ProviderSimulator) -> None:
    """Answers come word by word, so that leaving early leaves something."""
    simulator.next(chunk_delay_ms=2, text=TEXT, times=50)


def first_words(stream: Any) -> None:
    """Take chunks until there is some text."""
    for chunk in stream:
        if chunk.choices[0].delta.content:
            return


async def afirst_words(stream: Any) -> None:
    """Take chunks until there is some text."""
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            return


def check_estimate(call: RecordedCall) -> None:
    """The call ended as aborted, with input and output estimated from bytes, and marked so."""
    assert call.aborted
    assert call.reading.estimated
    assert not call.reading.complete
    assert call.usage.input_tokens == -(-call.input_bytes // BYTES_PER_TOKEN)
    assert 0 < call.usage.output_tokens < len(TEXT) / BYTES_PER_TOKEN
    assert call.reading.model == "gpt-4o-2024-08-06"


def _close(stream: Any) -> None:
    first_words(stream)
    stream.close()


def _leave_with(stream: Any) -> None:
    with stream:
        first_words(stream)


def _raise_inside(stream: Any) -> None:
    def mistaken() -> None:
        with stream:
            first_words(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mistaken()


def _close_response(stream: Any) -> None:
    first_words(stream)
    stream.response.close()


WAYS: dict[str, Callable[[Any], None]] = {
    "closed": _close,
    "left by with": _leave_with,
    "raised in with": _raise_inside,
    "response closed": _close_response,
}


@pytest.mark.parametrize("way", WAYS)
def test_left_early(way: str, openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Leaving a stream ends its call at once."""
    WAYS[way](openai_client.chat.completions.create(**CHAT, stream=True))
    check_estimate(meter.call)


def test_closed_twice_ends_once(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Closing again changes nothing, nor does letting go of what was closed."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    _close(stream)
    stream.close()
    del stream
    gc.collect()
    settle_dropped()
    check_estimate(meter.call)


def test_broken_off_and_dropped(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A stream left by a bare `break` ends when Python lets go of it."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    first_words(stream)
    assert meter.call.ends == []
    del stream
    gc.collect()
    settle_dropped()
    check_estimate(meter.call)


def test_nothing_of_the_request_is_kept_for_a_stream(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """While an answer streams, its request's sizes are known, and its content is not held."""
    with openai_client.chat.completions.create(**CHAT, stream=True):
        request = meter.call.request
        assert isinstance(request, Request)
        assert request.input._body is None
        assert request.input_bytes == meter.call.input_bytes > 0


def test_dropped_unread(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A stream that nobody reads ends as well; its output is not known at all."""
    openai_client.chat.completions.create(**CHAT, stream=True)
    gc.collect()
    settle_dropped()
    assert meter.call.aborted
    assert meter.call.usage.output_tokens == 0
    assert meter.call.reading.estimated


def test_streaming_response_unread(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A streaming response that is closed unread was billed: its input is estimated."""
    with openai_client.chat.completions.with_streaming_response.create(**CHAT):
        assert meter.call.ends == []
    assert meter.call.aborted
    assert meter.call.usage.input_tokens > 0
    assert not meter.call.reading.complete


def test_read_twice(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A second reader fails as it would have, and the first one is metered to the end."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    first_words(stream)
    with pytest.raises(Exception, match="already been streamed"):
        stream.response.read()
    assert meter.call.ends == []
    list(stream)
    assert meter.call.ended
    assert meter.call.usage.counts() == USAGE


def test_stream_helper_left(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Leaving the block of a stream helper ends the call."""
    with openai_client.chat.completions.stream(**CHAT) as stream:
        for event in stream:
            if event.type == "content.delta" and event.delta:
                break
    check_estimate(meter.call)


def test_dropped_where_a_lock_is_held(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """The garbage collector may find a stream inside of a lock that ending the call takes: it must not wait for it."""
    lock = threading.Lock()
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    first_words(stream)
    call = meter.call
    end = call.end

    def end_locked(**how: Any) -> None:
        assert lock.acquire(timeout=5), "the call was ended while its lock was held"
        lock.release()
        end(**how)

    call.end = end_locked  # type: ignore[method-assign]
    del stream
    with lock:
        gc.collect()
        assert call.ends == []
    settle_dropped()
    check_estimate(call)


def test_next_call_settles_dropped_ones(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """What the collector found is concluded before the next call is begun, so that budgets know of it."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    first_words(stream)
    del stream
    gc.collect()
    openai_client.chat.completions.create(**CHAT)
    dropped, following = meter.calls
    check_estimate(dropped)
    assert following.ended


def test_read_by_another_thread(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """The thread that reads a stream need not be the one that asked for it."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    reader.join()
    assert meter.call.ended
    assert meter.call.usage.counts() == USAGE


def test_client_closed_under_a_stream(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A client that is closed takes its streams along; the call ends when they are let go."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    first_words(stream)
    openai_client.close()
    stream.close()
    check_estimate(meter.call)


def test_process_ends_under_a_stream(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Streams still open when the process ends are concluded, while there is somebody to tell."""
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    first_words(stream)
    end_streams()
    check_estimate(meter.call)
    stream.close()


async def _aclose(stream: Any) -> None:
    await afirst_words(stream)
    await stream.close()


async def _aleave_with(stream: Any) -> None:
    async with stream:
        await afirst_words(stream)


async def _acancel(stream: Any) -> None:
    started = asyncio.Event()

    async def consume() -> None:
        async with stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    started.set()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _acancel_bare(stream: Any) -> None:
    started = asyncio.Event()

    async def consume() -> None:
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                started.set()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


ASYNC_WAYS: dict[str, Callable[[Any], Any]] = {
    "closed": _aclose,
    "left by with": _aleave_with,
    "cancelled in with": _acancel,
    "cancelled": _acancel_bare,
}


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_async_left_early(way: str, async_client: openai.AsyncOpenAI, meter: RecordingMeter) -> None:
    """Leaving an asynchronous stream, or cancelling the task that reads it, ends its call at once."""
    await ASYNC_WAYS[way](await async_client.chat.completions.create(**CHAT, stream=True))
    check_estimate(meter.call)


async def test_async_broken_off_and_dropped(async_client: openai.AsyncOpenAI, meter: RecordingMeter) -> None:
    """An asynchronous stream left by a bare `break` ends when Python lets go of it, which takes its event loop too."""
    stream = await async_client.chat.completions.create(**CHAT, stream=True)
    await afirst_words(stream)
    del stream
    for _ in range(100):
        gc.collect()
        settle_dropped()
        if meter.call.ends:
            break
        await asyncio.sleep(0.001)
    check_estimate(meter.call)


async def test_cancelled_before_the_answer(
    async_client: openai.AsyncOpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A task cancelled while it waits for the answer ends the call; nothing is known to be billed."""
    simulator.reset()
    simulator.next(hang=True)
    task = asyncio.create_task(async_client.chat.completions.create(**CHAT))
    while not simulator.requests:  # noqa: ASYNC110 - the request arrives in another thread
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ((error, aborted),) = meter.call.ends
    assert isinstance(error, asyncio.CancelledError)
    assert not aborted
    assert meter.call.readings == []


def test_event_loop_closed_under_a_stream(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """A stream whose event loop is gone cannot be closed any more; its call ends all the same."""
    kept: list[Any] = []

    async def leave() -> None:
        client = openai.AsyncOpenAI(
            base_url=simulator.openai_base_url,
            api_key="any",
            http_client=openai.DefaultAsyncHttpxClient(verify=False),
        )
        provider_for(client).wrap(client, meter)
        stream = await client.chat.completions.create(**CHAT, stream=True)
        await afirst_words(stream)
        kept.append(stream)
        await client.close()

    asyncio.run(leave())
    kept.clear()
    gc.collect()
    settle_dropped()
    check_estimate(meter.call)
