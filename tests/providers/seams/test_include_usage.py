"""Usage is asked for where the caller did not, and what came because of that is kept from him."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._models import FinalRequestOptions

from ai_cost_calc.providers import _openai_like as seam
from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._include_usage import UNASKED, UsageFilter
from ai_cost_calc.providers.openai import PROVIDER
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE
from tests.providers.seams.recording import RecordingMeter

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}
ASKED: dict[str, Any] = {"stream_options": {"include_usage": True}}

TOLD = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}
WORDS = [
    {
        "id": "c1",
        "choices": [{"index": 0, "delta": {"content": 'He said "usage":null, twice.'}, "finish_reason": None}],
    },
    {"id": "c1", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    {"id": "c1", "choices": [{"index": 0, "delta": {"content": 'data: {"choices":[],"usage":{}}\n\n'}}]},
    {"id": "c1", "choices": [{"index": 0, "delta": {"content": "fjørd 🚢"}, "finish_reason": "stop"}]},
]


@pytest.fixture(autouse=True)
def no_refusals() -> Iterator[None]:
    """What one test learns of a host is not known to the next."""
    seam._refusing.clear()
    yield
    seam._refusing.clear()


def sse(events: list[Any], end: str = "\n\n", separators: tuple[str, str] = (",", ":")) -> bytes:
    """An event stream of these chunks, as providers write it."""
    texts = [json.dumps(event, separators=separators, ensure_ascii=False) for event in events]
    return "".join(f"data: {text}{end}" for text in (*texts, "[DONE]")).encode()


def filtered(body: bytes, cuts: list[int]) -> bytes:
    """What a filter lets pass of a body that arrives cut into pieces."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    sieve = UsageFilter()
    passed = [sieve.feed(body[start:stop]) for start, stop in pairwise(places)]
    return b"".join(passed) + sieve.close()


@given(cuts=st.lists(st.integers(0, 2_000)), end=st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]), spaced=st.booleans())
def test_an_asked_stream_reads_like_one_that_was_not(*, cuts: list[int], end: str, spaced: bool) -> None:
    """Without the usage chunk and the empty usage of the others, byte for byte the stream that was not asked."""
    separators = (", ", ": ") if spaced else (",", ":")
    asked = [{**word, "usage": None} for word in WORDS]
    assert filtered(sse([*asked, TOLD], end, separators), cuts) == sse(WORDS, end, separators)


@given(body=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300)))
def test_nothing_else_is_touched(body: bytes, cuts: list[int]) -> None:
    """Bytes that are no usage chunk pass whole, in order, however they are cut."""
    assert filtered(body, cuts) == body


def test_whole_events_pass_at_once() -> None:
    """An event is handed on as soon as its last byte is there, and an incomplete one is held."""
    sieve = UsageFilter()
    body = sse(WORDS[:1])
    first = body.index(b"\n\n") + 2
    assert sieve.feed(body[: first - 1]) == b""
    assert sieve.feed(body[first - 1 : first + 3]) == body[:first]
    assert sieve.feed(body[first + 3 :]) == body[first:]


class Counted(bytes):
    """A piece of a stream that notes how much is copied in front of it."""

    copied: list[int]

    def __radd__(self, before: bytes) -> bytes:
        """Join, and note it."""
        self.copied.append(len(before))
        return before + bytes(self)


def test_a_long_event_is_not_copied_for_each_of_its_pieces() -> None:
    """What an event of many megabytes takes grows with its length, not with the square of it."""
    sieve, copied = UsageFilter(), list[int]()
    pieces = [Counted(b"x" * 1_000) for _ in range(100)]
    for piece in pieces:
        piece.copied = copied
        assert sieve.feed(piece) == b""
    assert sum(copied) < 1_000
    assert sieve.feed(b"\n\n") == b"x" * 100_000 + b"\n\n"


@pytest.mark.parametrize("held", [[], [{"usage": None}], [TOLD]])
def test_an_end_without_a_blank_line(held: list[Any]) -> None:
    """What is held when the stream ends is judged like any other event."""
    body = b"".join(b"data: " + json.dumps(event).encode() for event in held)
    sieve = UsageFilter()
    assert sieve.feed(body) + sieve.close() == (b"" if held == [TOLD] else body)


def chunks(stream: Any) -> list[Any]:
    """The chunks of a stream as the caller sees them, without what no two answers share."""
    return [chunk.model_dump(exclude={"id", "created"}, exclude_unset=True) for chunk in stream]


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_obfuscation": False}])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_caller_sees_what_he_asked_for(
    api: str, options: Any, openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The wrapped stream has the chunks of the bare one, fields included, and its usage is exact all the same."""
    bare = openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=openai_client._client)
    more = {} if options is None else {"stream_options": options}

    def ask(client: openai.OpenAI) -> list[Any]:
        if api == "chat":
            return chunks(client.chat.completions.create(**CHAT, **more, stream=True))
        return chunks(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hi.", **more, stream=True))

    unasked = ask(bare)
    assert ask(openai_client) == unasked
    assert not any("usage" in chunk for chunk in unasked)
    assert meter.call.usage.output_tokens == USAGE["output_tokens"]
    assert simulator.requests[-1].body["stream_options"] == {**(options or {}), "include_usage": True}


def test_the_callers_objects_stay_as_they_are(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Nothing the caller handed in is changed by asking."""
    options = {"include_obfuscation": False}
    messages = copy.deepcopy(CHAT["messages"])
    body = {"model": "gpt-4o", "messages": messages, "stream": True, "stream_options": options}
    before = copy.deepcopy(body)
    list(openai_client.chat.completions.create(**body))
    openai_client.post("/chat/completions", body=body, cast_to=str)
    assert body == before
    assert [call.usage.output_tokens for call in meter.calls] == [USAGE["output_tokens"]] * 2


def test_options_in_the_extra_body(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Options given as `extra_body` are completed there, where they win."""
    extra = {"stream_options": {"include_obfuscation": False}}
    list(openai_client.chat.completions.create(**CHAT, stream=True, extra_body=extra))
    assert simulator.requests[-1].body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert extra == {"stream_options": {"include_obfuscation": False}}
    assert meter.call.ended


def test_a_caller_who_asks_sees_it_all(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Who asks for usage gets the chunk that carries it, and empty usage on the others."""
    seen = chunks(openai_client.chat.completions.create(**CHAT, **ASKED, stream=True))
    assert seen[-1]["choices"] == []
    assert seen[-1]["usage"]["completion_tokens"] == USAGE["output_tokens"]
    assert all(chunk["usage"] is None for chunk in seen[:-1])


def test_lines_of_a_streaming_response(openai_client: openai.OpenAI, simulator: ProviderSimulator) -> None:
    """Who reads lines himself does not find the usage chunk either."""
    with openai_client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as response:
        lines = list(response.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""]
    assert not any('"usage"' in line for line in lines)


REFUSED = (
    b'{"error": {"message": "Unrecognized request argument supplied: stream_options", '
    b'"type": "invalid_request_error", "param": null, "code": null}}'
)


def test_a_host_that_does_not_know_the_option(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The request is repeated as the caller made it, the host is remembered, and usage is estimated and marked."""
    simulator.replay(body=REFUSED, status=400)
    seen = chunks(openai_client.chat.completions.create(**CHAT, stream=True))
    assert seen
    asked, plain = simulator.requests
    assert asked.body == {**plain.body, **ASKED}
    assert meter.call.ended
    assert meter.call.reading.estimated
    assert meter.call.usage.output_tokens > 0
    list(openai_client.chat.completions.create(**CHAT, stream=True))
    assert len(simulator.requests) == 3
    assert "stream_options" not in simulator.requests[-1].body


async def test_an_async_host_that_does_not_know_the_option(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """The asynchronous client repeats the request too."""
    http = openai.DefaultAsyncHttpxClient(verify=False)
    async with openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as client:
        provider_for(client).wrap(client, meter)
        simulator.replay(body=REFUSED, status=400)
        async for _ in await client.chat.completions.create(**CHAT, stream=True):
            pass
    assert len(simulator.requests) == 2
    assert meter.call.ended


def test_a_refusal_of_what_the_caller_asked_is_his(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A caller who set the option himself gets the host's refusal, once."""
    simulator.replay(body=REFUSED, status=400)
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        openai_client.chat.completions.create(**CHAT, **ASKED, stream=True)
    assert len(simulator.requests) == 1
    ((error, _),) = meter.call.ends
    assert isinstance(error, openai.BadRequestError)


def test_another_mistake_is_not_repeated(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A request that is wrong for another reason is sent once, and fails as it would have."""
    simulator.next(status=400)
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(**CHAT, stream=True)
    assert len(simulator.requests) == 1


def test_hosts_that_report_anyway_are_not_asked(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Where streams carry usage unasked, requests and bytes stay exactly as they are."""
    assert {"groq", "mistral", "deepseek"} <= UNASKED
    request = PROVIDER.vendor.sending(
        openai.OpenAI(base_url="https://api.groq.com/openai/v1", api_key="any"), _options()
    )
    assert request is not None
    assert (request.request.provider, request.hides_usage) == ("groq", False)
    request = PROVIDER.vendor.sending(openai.OpenAI(base_url="https://api.openai.com/v1", api_key="any"), _options())
    assert request is not None
    assert (request.request.provider, request.hides_usage) == ("openai", True)


def _options() -> Any:
    return FinalRequestOptions.construct(
        method="post", url="/chat/completions", json_data={"model": "llama", "messages": [], "stream": True}
    )


def test_a_body_that_the_caller_encoded(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Bytes are sent as they are; usage that they do not ask for is estimated."""
    raw = json.dumps({**CHAT, "stream": True}).encode()
    openai_client.post(
        "/chat/completions", content=raw, cast_to=str, options={"headers": {"content-type": "application/json"}}
    )
    assert "stream_options" not in simulator.requests[-1].body
    assert meter.call.request.model == "gpt-4o"
    assert meter.call.reading.estimated
