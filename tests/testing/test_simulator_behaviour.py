"""What a test can make the simulator do, seen through the real SDKs."""

from __future__ import annotations

import gzip
import json
import struct
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ai_cost_calc.testing import ProviderSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

openai = pytest.importorskip("openai", reason="the openai SDK is not installed")
anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")

CHAT: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello to the team in Oslo."}]}
MESSAGE: Any = {**CHAT, "model": "claude-haiku-4-5", "max_tokens": 100}

BROKEN = "incomplete chunked read|Connection error"
"""What the SDKs say of a stream that ends too soon: version 2 passes on what its HTTP client says."""


@pytest.fixture
def client(simulator: ProviderSimulator) -> Iterator[Any]:
    """Open an OpenAI client with two retries, the SDK's own number."""
    with openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", max_retries=2) as opened:
        yield opened


@pytest.fixture
def claude(simulator: ProviderSimulator) -> Iterator[Any]:
    """Open an Anthropic client without retries."""
    with anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="any", max_retries=0) as opened:
        yield opened


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, "BadRequestError", None),
        (401, "AuthenticationError", "invalid_api_key"),
        (404, "NotFoundError", "model_not_found"),
        (429, "RateLimitError", "rate_limit_exceeded"),
        (500, "InternalServerError", None),
        (503, "InternalServerError", None),
    ],
)
def test_openai_errors_are_in_its_own_words(
    simulator: ProviderSimulator, client: Any, status: int, error: str, code: str | None
) -> None:
    """The SDK raises the class it has for the status, with the provider's code."""
    simulator.next(status=status)
    with pytest.raises(getattr(openai, error)) as raised:
        client.with_options(max_retries=0).chat.completions.create(**CHAT)
    assert raised.value.code == code
    assert raised.value.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "BadRequestError", "invalid_request_error"),
        (401, "AuthenticationError", "authentication_error"),
        (413, "ContentTooLargeError", "request_too_large"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (529, "OverloadedError", "overloaded_error"),
    ],
)
def test_anthropic_errors_are_in_its_own_words(
    simulator: ProviderSimulator, claude: Any, status: int, error: str, kind: str
) -> None:
    """The SDK raises the class it has for the status, with the provider's type."""
    simulator.next(status=status)
    with pytest.raises(anthropic.APIStatusError) as raised:
        claude.messages.create(**MESSAGE)
    assert type(raised.value).__name__ == error
    assert raised.value.body["error"]["type"] == kind


def test_azure_words_its_refusals_differently(simulator: ProviderSimulator) -> None:
    """Azure's code is the status."""
    simulator.next(status=401)
    with (
        openai.AzureOpenAI(azure_endpoint=simulator.azure_endpoint, api_version="2025-04-01", api_key="any") as azure,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        azure.chat.completions.create(**CHAT)
    assert raised.value.code == "401"


def test_retries_see_the_planned_errors_then_the_answer(simulator: ProviderSimulator, client: Any) -> None:
    """Two planned refusals cost the SDK two attempts, without the SDK's own long waits."""
    simulator.next(status=429, retry_after=0, times=2)
    began = time.monotonic()
    assert client.chat.completions.create(**CHAT).usage.prompt_tokens > 0
    assert time.monotonic() - began < 1
    counts = [request.headers["x-stainless-retry-count"] for request in simulator.requests]
    assert counts == ["0", "1", "2"]


def test_the_wait_asked_for_is_sent(simulator: ProviderSimulator, claude: Any) -> None:
    """`retry_after` arrives in seconds, as the providers send it."""
    with pytest.raises(anthropic.RateLimitError) as raised:
        claude.with_options(
            default_headers={"x-simulate-status": "429", "x-simulate-retry-after": "7"}
        ).messages.create(**MESSAGE)
    assert raised.value.response.headers["retry-after"] == "7"
    assert [request.model for request in simulator.requests] == ["claude-haiku-4-5"]


def test_plans_wait_for_their_path(simulator: ProviderSimulator, client: Any, claude: Any) -> None:
    """A plan for one path lets other requests pass, and plans are used up in order."""
    simulator.next(path="/messages", text="first")
    simulator.next(path="/messages", text="second")
    assert client.chat.completions.create(**CHAT).choices[0].message.content not in {"first", "second"}
    texts = [claude.messages.create(**MESSAGE).content[0].text for _ in range(3)]
    assert texts[:2] == ["first", "second"]
    assert texts[2] not in {"first", "second"}


def test_exact_usage_is_reported_by_every_api(client: Any, claude: Any) -> None:
    """Usage in this package's names arrives in each API's own."""
    usage = {
        "input_tokens": 5_000,
        "cache_read_tokens": 3_000,
        "cache_write_tokens": 1_000,
        "cache_write_1h_tokens": 400,
        "output_tokens": 700,
        "output_reasoning_tokens": 200,
        "web_searches": 2,
    }
    headers = {"x-simulate-usage": json.dumps(usage)}
    chat = client.chat.completions.create(**CHAT, extra_headers=headers).usage
    assert (chat.prompt_tokens, chat.completion_tokens, chat.total_tokens) == (5_000, 700, 5_700)
    assert chat.prompt_tokens_details.cached_tokens == 3_000
    assert chat.completion_tokens_details.reasoning_tokens == 200
    response = client.responses.create(model="gpt-4o", input="Hello", extra_headers=headers)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5_000, 700)
    assert response.usage.input_tokens_details.cached_tokens == 3_000
    assert [item.type for item in response.output].count("web_search_call") == 2
    message = claude.messages.create(**MESSAGE, extra_headers=headers).usage
    assert (message.input_tokens, message.cache_read_input_tokens) == (1_000, 3_000)
    assert message.cache_creation.ephemeral_5m_input_tokens == 600
    assert message.cache_creation.ephemeral_1h_input_tokens == 400
    assert message.server_tool_use.web_search_requests == 2
    embedded = client.embeddings.create(model="text-embedding-3-small", input="a", extra_headers=headers)
    assert embedded.usage.prompt_tokens == 5_000


def test_a_usage_for_all_can_be_overridden_for_one() -> None:
    """The constructor's usage holds until a plan or a header says otherwise; zero is a usage too."""
    with (
        ProviderSimulator(usage={"input_tokens": 10, "output_tokens": 5}) as simulator,
        openai.OpenAI(base_url=simulator.openai_base_url, api_key="any") as client,
    ):
        simulator.next(usage={"input_tokens": 20})
        simulator.next(usage={"input_tokens": 30})
        header = {"x-simulate-usage": "{}"}
        totals = [
            client.chat.completions.create(**CHAT, extra_headers=extra).usage.total_tokens
            for extra in (None, header, None)
        ]
    assert totals == [20, 0, 15]


def test_text_can_be_given(simulator: ProviderSimulator, client: Any) -> None:
    """The answer is the text asked for, counted as such, and cut where the limit is."""
    for _ in range(2):
        simulator.next(text="Hei hei, Oslo!!!")
    whole = client.chat.completions.create(**CHAT)
    assert whole.choices[0].message.content == "Hei hei, Oslo!!!"
    assert whole.usage.completion_tokens == 4
    cut = client.chat.completions.create(**CHAT, max_tokens=2)
    assert cut.choices[0].message.content == "Hei hei,"
    assert cut.choices[0].finish_reason == "length"


@pytest.mark.parametrize("chunks", [1, 3])
def test_streams_break_where_asked(client: Any, chunks: int) -> None:
    """So many chunks arrive, then the connection is gone."""
    received: list[Any] = []
    with (
        client.chat.completions.create(
            **CHAT, stream=True, extra_headers={"x-simulate-break-after": str(chunks)}
        ) as stream,
        pytest.raises(Exception, match=BROKEN),
    ):
        received.extend(stream)
    assert len(received) == chunks
    assert client.chat.completions.create(**CHAT).usage is not None


def test_a_stream_shorter_than_its_break_is_whole(client: Any) -> None:
    """A break that lies behind the end changes nothing."""
    chunks = list(client.chat.completions.create(**CHAT, stream=True, extra_headers={"x-simulate-break-after": "99"}))
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("break_after", [0, 1])
def test_plain_answers_break_before_or_within(simulator: ProviderSimulator, client: Any, break_after: int) -> None:
    """A connection dropped before the answer or in its middle is a connection error to the SDK."""
    simulator.next(break_after=break_after)
    with pytest.raises(openai.APIConnectionError):
        client.with_options(max_retries=0).chat.completions.create(**CHAT)
    assert len(simulator.requests) == 1


def test_garbage_is_no_json(simulator: ProviderSimulator, client: Any) -> None:
    """What cannot be parsed reaches the SDK, plain and streamed."""
    simulator.next(garbage=True, times=2)
    assert client.chat.completions.with_raw_response.create(**CHAT).text == '{"id": "half of'
    with pytest.raises(ValueError, match="Unterminated string"):
        list(client.chat.completions.create(**CHAT, stream=True))


def test_delays_hold_back_the_first_byte_and_every_chunk(client: Any) -> None:
    """A slow answer takes at least as long as asked, and nothing arrives before."""
    began = time.monotonic()
    client.chat.completions.create(**CHAT, extra_headers={"x-simulate-delay-ms": "60"})
    assert time.monotonic() - began >= 0.06
    began = time.monotonic()
    headers = {"x-simulate-chunk-delay-ms": "20", "x-simulate-text": '"12345678"'}
    stream = client.chat.completions.create(**CHAT, stream=True, extra_headers=headers)
    next(stream)
    first = time.monotonic() - began
    count = 1 + len(list(stream))
    assert time.monotonic() - began >= 0.02 * (count - 1)
    assert first < time.monotonic() - began


def test_hanging_answers_end_when_the_client_gives_up(client: Any) -> None:
    """A hanging provider is a timeout to the SDK, and the simulator goes on answering."""
    with pytest.raises(openai.APITimeoutError):
        client.with_options(max_retries=0, timeout=0.2).chat.completions.create(
            **CHAT, extra_headers={"x-simulate-hang": "true"}
        )
    assert client.chat.completions.create(**CHAT).usage is not None


def test_closing_ends_hanging_answers() -> None:
    """Whoever still waits for an answer gets a connection error when the simulator closes."""
    failed: list[Exception] = []

    def ask(base_url: str) -> None:
        with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
            try:
                client.chat.completions.create(**CHAT)
            except openai.APIConnectionError as error:
                failed.append(error)

    with ProviderSimulator(hang=True) as simulator:
        thread = threading.Thread(target=ask, args=[simulator.openai_base_url])
        thread.start()
        while not simulator.requests:
            time.sleep(0.005)
    thread.join(5)
    assert len(failed) == 1


def test_a_recorded_answer_is_replayed_byte_for_byte(simulator: ProviderSimulator, client: Any) -> None:
    """Body, status, type and headers are the ones given, compressed bodies included; the next answer is the usual."""
    body = b'{"object": "chat.completion", "choices": [], "model": "recorded",\n "usage": null}'
    simulator.replay(
        body=gzip.compress(body),
        headers={"content-encoding": "gzip", "x-ratelimit-remaining-tokens": "9", "content-length": "1"},
        path="/chat/completions",
    )
    assert client.embeddings.create(model="text-embedding-3-small", input="a").usage.prompt_tokens == 1
    raw = client.chat.completions.with_raw_response.create(**CHAT)
    assert raw.content == body
    assert raw.headers["x-ratelimit-remaining-tokens"] == "9"
    assert raw.parse().model == "recorded"
    assert client.chat.completions.create(**CHAT).model == "gpt-4o-2024-08-06"


def test_recorded_streams_and_errors_are_replayed(simulator: ProviderSimulator, client: Any) -> None:
    """A recorded stream keeps every byte and can be broken off; a recorded error is raised as one."""
    body = b'data: {"id":"1","choices":[]}\r\n\r\ndata: {"id":"2","choices":[]}\n\ndata: [DONE]\n\n'
    for _ in range(3):
        simulator.replay(body=body, content_type="text/event-stream; charset=utf-8")
    with client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as raw:
        assert b"".join(raw.iter_bytes()) == body
    assert [chunk.id for chunk in client.chat.completions.create(**CHAT, stream=True)] == ["1", "2"]
    broken = client.chat.completions.create(**CHAT, stream=True, extra_headers={"x-simulate-break-after": "1"})
    with broken, pytest.raises(Exception, match=BROKEN):
        list(broken)
    simulator.replay(body=b'{"error": {"code": "model_not_found"}}', status=404)
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(**CHAT)
    assert raised.value.code == "model_not_found"


def test_an_aws_event_stream_is_replayed_frame_by_frame(simulator: ProviderSimulator, client: Any) -> None:
    """Each frame says its own length; a stream of them keeps every byte, and can be broken off after one."""
    first, second = struct.pack(">I", 7) + b"one", struct.pack(">I", 9) + b"other"
    replay = partial(simulator.replay, body=first + second, content_type="application/vnd.amazon.eventstream")
    replay()
    with client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as raw:
        assert b"".join(raw.iter_bytes()) == first + second
    replay(break_after=1)
    read: list[bytes] = []
    with (
        client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as raw,
        pytest.raises(Exception, match=BROKEN),
    ):
        read.extend(raw.iter_bytes())
    assert b"".join(read) == first


def test_requests_are_recorded_and_forgotten(simulator: ProviderSimulator, client: Any) -> None:
    """A test sees what was sent, headers in lower case, and no key in a printed record."""
    client.chat.completions.create(**CHAT, stream=True, extra_headers={"X-Trace": "abc"}).close()
    (request,) = simulator.requests
    assert (request.method, request.path, request.model) == ("POST", "/v1/chat/completions", "gpt-4o")
    assert request.stream is True
    assert request.body["messages"] == CHAT["messages"]
    assert request.headers["x-trace"] == "abc"
    assert request.headers["authorization"] == "Bearer any"
    assert "Bearer" not in repr(request)
    simulator.reset()
    assert simulator.requests == []


def test_reset_forgets_plans_and_caches(simulator: ProviderSimulator, client: Any) -> None:
    """After a reset the next test starts from nothing."""
    long = {**CHAT, "messages": [{"role": "user", "content": "word " * 2_000}]}
    client.chat.completions.create(**long)
    queued = client.responses.create(model="gpt-4o", input="Hello", background=True)
    simulator.next(status=400, times=5)
    simulator.reset()
    assert client.chat.completions.create(**long).usage.prompt_tokens_details.cached_tokens == 0
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(queued.id)


def test_misspelt_behaviours_are_refused(simulator: ProviderSimulator, client: Any) -> None:
    """A behaviour that does not exist is an error where it is written, not a test that passes for no reason."""
    wrong: Any = {"dealy_ms": 5}
    with pytest.raises(TypeError, match="dealy_ms"):
        ProviderSimulator(**wrong)
    with pytest.raises(TypeError, match="dealy_ms"):
        simulator.next(**wrong)
    with pytest.raises(ValueError, match="status 200"):
        simulator.next(status=200)
    with pytest.raises(TypeError, match="tokens"):
        simulator.next(usage={"tokens": 5})
    with pytest.raises(openai.BadRequestError, match="dealy_ms"):
        client.chat.completions.create(**CHAT, extra_headers={"x-simulate-dealy-ms": "5"})


def test_an_unstarted_simulator_says_so() -> None:
    """There is no URL before the start, nor after the close."""
    simulator = ProviderSimulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url
    with simulator:
        assert simulator.url.startswith("http://127.0.0.1:")
        assert simulator.start().url == simulator.anthropic_base_url
    simulator.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url
