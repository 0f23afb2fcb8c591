"""A metered stream comes to its consumer chunk by chunk, as it is sent, and takes no memory for the length of it."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import openai
import pytest

from ai_cost_calc.providers import provider_for
from tests.providers.readers.bodies import CHAT_COUNTS, CHAT_USAGE, chunk
from tests.providers.seams.recording import RecordingMeter

HTTP: Final = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]
"""httpx or httpx2: what the installed openai sends with."""

CHUNKS: Final = 2_000
SAID: Final = [b"data: " + json.dumps(chunk(f" w{number}")).encode() + b"\n\n" for number in range(CHUNKS)]
END: Final = [
    b"data: " + json.dumps(chunk(finish="stop")).encode() + b"\n\n",
    b"data: " + json.dumps(chunk(choices=[], usage=CHAT_USAGE)).encode() + b"\n\n",
    b"data: [DONE]\n\n",
]
ASK: Final[dict[str, Any]] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True}


class Lockstep(HTTP.SyncByteStream, HTTP.AsyncByteStream):  # type: ignore[misc, name-defined]
    """Sends a chunk once it is asked for, and notes how many the consumer had by then."""

    def __init__(self, taken: list[str]) -> None:
        self.taken = taken
        self.taken_before: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        for piece in (*SAID, *END):
            self.taken_before.append(len(self.taken))
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def answering(stream: Lockstep) -> Any:
    """A transport whose every answer is this stream."""
    headers = {"content-type": "text/event-stream"}
    return HTTP.MockTransport(lambda _: HTTP.Response(200, stream=stream, headers=headers))


def client_of(stream: Lockstep) -> openai.OpenAI:
    """A client that is answered with this stream."""
    return openai.OpenAI(api_key="any", http_client=HTTP.Client(transport=answering(stream)))


def keep(piece: Any, taken: list[str]) -> None:
    """Keep what a chunk says."""
    if piece.choices and piece.choices[0].delta.content:
        taken.append(piece.choices[0].delta.content)


def take(client: openai.OpenAI, taken: list[str]) -> None:
    """Take a stream to its end, keeping what it says."""
    for piece in client.chat.completions.create(**ASK):
        keep(piece, taken)


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
def test_each_chunk_is_there_before_the_next_is_asked_for(
    meter: RecordingMeter,
    wrapped: bool,  # noqa: FBT001
) -> None:
    """Nothing is held back, the first chunk included: each is taken before the next is read from the network."""
    taken: list[str] = []
    stream = Lockstep(taken)
    with client_of(stream) as client:
        if wrapped:
            provider_for(client).wrap(client, meter)
        take(client, taken)
    assert taken == [f" w{number}" for number in range(CHUNKS)]
    assert stream.taken_before[: CHUNKS + 1] == list(range(CHUNKS + 1))
    if wrapped:
        assert meter.call.usage.counts() == CHAT_COUNTS
        assert meter.call.beats >= CHUNKS


async def test_each_chunk_is_there_before_the_next_is_asked_for_asynchronously(meter: RecordingMeter) -> None:
    """Asynchronous streams are not held back either."""
    taken: list[str] = []
    stream = Lockstep(taken)
    http = HTTP.AsyncClient(transport=answering(stream))
    async with openai.AsyncOpenAI(api_key="any", http_client=http) as client:
        provider_for(client).wrap(client, meter)
        async for piece in await client.chat.completions.create(**ASK):
            keep(piece, taken)
    assert stream.taken_before[: CHUNKS + 1] == list(range(CHUNKS + 1))
    assert meter.call.usage.counts() == CHAT_COUNTS


def _peak(client: openai.OpenAI) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        for _ in client.chat.completions.create(**ASK):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_stream_takes_no_more_memory_than_a_bare_one(meter: RecordingMeter) -> None:
    """Two thousand chunks pass without one of them being kept."""
    with client_of(Lockstep([])) as bare, client_of(Lockstep([])) as wrapped:
        provider_for(wrapped).wrap(wrapped, meter)
        for client in (bare, wrapped):
            take(client, [])
        assert _peak(wrapped) < _peak(bare) + 100_000
