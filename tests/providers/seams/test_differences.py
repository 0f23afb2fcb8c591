"""Side by side with a bare client: the same answers, chunks and order, at the same time, in the same memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import MakeClient
from tests.providers.seams.recording import RecordingMeter
from tests.providers.seams.test_openai_forms import ASK, CHAT, Greeting

httpx = pytest.importorskip("httpx2" if openai.__version__ >= "3" else "httpx")

WHOLE: dict[str, Any] = {
    "chat": lambda c: c.chat.completions.create(**CHAT),
    "parsed": lambda c: c.chat.completions.parse(**CHAT, response_format=Greeting),
    "responses": lambda c: c.responses.create(**ASK),
    "embeddings": lambda c: c.embeddings.create(model="text-embedding-3-small", input="Hello."),
    "raw": lambda c: c.chat.completions.with_raw_response.create(**CHAT).parse(),
}
STREAMED: dict[str, Any] = {
    "chat": lambda c: c.chat.completions.create(**CHAT, stream=True),
    "completions": lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hi.", stream=True),
    "responses": lambda c: c.responses.create(**ASK, stream=True),
    "raw": lambda c: c.chat.completions.with_raw_response.create(**CHAT, stream=True).parse(),
}
OWN = {"id", "created", "created_at", "completed_at", "item_id", "_request_id"}
"""What no two answers share."""


def shared(value: Any) -> Any:
    """The fields of an answer that another answer to the same request has as well, in their order."""
    if isinstance(value, dict):
        return [(name, shared(inner)) for name, inner in value.items() if name not in OWN]
    return [shared(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("form", WHOLE)
def test_answers(form: str, make_client: MakeClient, openai_client: openai.OpenAI) -> None:
    """An answer has the type and the fields of the bare client's."""
    bare, wrapped = WHOLE[form](make_client()), WHOLE[form](openai_client)
    assert type(wrapped) is type(bare)
    assert shared(wrapped.to_dict(warnings=False)) == shared(bare.to_dict(warnings=False))


@pytest.mark.parametrize("form", STREAMED)
def test_streams(form: str, make_client: MakeClient, openai_client: openai.OpenAI) -> None:
    """A stream has the type, the chunks and the order of the bare client's."""
    bare, wrapped = STREAMED[form](make_client()), STREAMED[form](openai_client)
    assert type(wrapped) is type(bare)
    assert [shared(chunk.to_dict()) for chunk in wrapped] == [shared(chunk.to_dict()) for chunk in bare]


def test_raw_responses_show_the_http_response_they_had(openai_client: openai.OpenAI) -> None:
    """Once it has been read, an HTTP response is of its library's own class again, with nothing added."""
    raw = openai_client.chat.completions.with_raw_response.create(**CHAT, stream=True)
    assert isinstance(raw.http_response, httpx.Response)
    assert repr(raw.http_response) == "<Response [200 OK]>"
    list(raw.parse())
    assert type(raw.http_response) is httpx.Response
    assert not any("cost" in name for name in vars(raw.http_response))
    whole = openai_client.chat.completions.with_raw_response.create(**CHAT)
    assert type(whole.http_response) is httpx.Response


class Words(httpx.SyncByteStream):  # type: ignore[misc, name-defined]  # httpx2's or httpx's
    """A long answer that is made as it is read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made = 0

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            self.made = number + 1
            yield (
                b'data: {"id": "c", "model": "gpt-4o", "usage": null, "choices": [{"index": 0, "delta": '
                b'{"content": "a word and another"}}]}\n\n'
            )
        yield b'data: {"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}}\n\n'
        yield b"data: [DONE]\n\n"


def client_of(words: Words, meter: RecordingMeter) -> openai.OpenAI:
    """A wrapped client that is answered with these words."""

    def answer(_: Any) -> Any:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=words)

    client = openai.OpenAI(api_key="any", http_client=httpx.Client(transport=httpx.MockTransport(answer)))
    provider_for(client).wrap(client, meter)
    return client


def test_nothing_is_read_ahead(meter: RecordingMeter) -> None:
    """Each chunk is the caller's as soon as its bytes are there; the next ones are not asked for."""
    words = Words(50)
    stream = client_of(words, meter).chat.completions.create(**CHAT, stream=True)
    assert words.made == 0
    for number, _ in enumerate(stream, start=1):
        assert words.made == number
    assert meter.call.usage.output_tokens == 9


def test_memory_stays_flat(meter: RecordingMeter) -> None:
    """A long stream takes no more memory than a short one: nothing of it is kept."""

    def peak(count: int) -> int:
        stream = client_of(Words(count), meter).chat.completions.create(**CHAT, stream=True)
        tracemalloc.start()
        for _ in stream:
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)
    assert peak(3_000) < peak(300) + 50_000
    assert [call.ended for call in meter.calls] == [True] * 3


def test_compressed_answers(openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Usage is read from compressed answers, whole and streamed, and from those read without decompression."""
    body = gzip.compress(b"".join(Words(3)))
    for _ in range(2):
        simulator.replay(body=body, headers={"content-encoding": "gzip"}, content_type="text/event-stream")
    assert len(list(openai_client.chat.completions.create(**CHAT, stream=True))) == 3
    with openai_client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as response:
        assert b"".join(response.http_response.iter_raw()) == body
    assert [call.usage.output_tokens for call in meter.calls] == [9, 9]
    assert [call.ended for call in meter.calls] == [True, True]
