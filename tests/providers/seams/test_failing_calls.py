"""Calls that are refused, fail or are repeated: the caller sees what he would have, and what is billed is counted."""

from __future__ import annotations

import contextvars
import gc
import importlib
from collections.abc import Callable
from typing import Any

import openai
import pytest

from ai_cost_calc.errors import BudgetExceeded, BudgetStoreError
from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers import provider_for, settle_dropped
from ai_cost_calc.providers._call import TappedCall
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE, MakeClient, MakeHttp
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


def drain(manager: Any) -> None:
    """Enter and leave what a streaming response is behind; a raw response has been asked for by now."""
    with manager:
        pass


def make_async(simulator: ProviderSimulator, meter: RecordingMeter, **more: Any) -> openai.AsyncOpenAI:
    """A wrapped asynchronous client."""
    client = openai.AsyncOpenAI(
        base_url=simulator.openai_base_url,
        api_key="any",
        http_client=openai.DefaultAsyncHttpxClient(verify=False),
        **more,
    )
    provider_for(client).wrap(client, meter)
    return client


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("refusal", [budget_exceeded(), BudgetStoreError("the store cannot be reached")])
def test_a_refusal_reaches_the_caller_as_it_is(
    refusal: Exception,
    openai_client: openai.OpenAI,
    meter: RecordingMeter,
    simulator: ProviderSimulator,
    *,
    stream: bool,
) -> None:
    """The very object that the meter raised comes out, nothing is sent, nothing is retried."""
    meter.refusal = refusal
    with pytest.raises(type(refusal)) as caught:
        openai_client.chat.completions.create(**CHAT, stream=stream)
    assert caught.value is refusal
    assert simulator.requests == []
    assert meter.calls == []


@pytest.mark.parametrize("raw", [False, True])
def test_raw_and_streaming_responses_are_refused_too(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator, *, raw: bool
) -> None:
    """No form of the call gets around a refusal."""
    meter.refusal = budget_exceeded()
    completions = openai_client.chat.completions
    ask: Any = completions.with_raw_response.create if raw else completions.with_streaming_response.create
    with pytest.raises(BudgetExceeded):
        drain(ask(**CHAT))
    assert simulator.requests == []


async def test_an_async_refusal(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """The asynchronous client refuses in the same way."""
    meter.refusal = budget_exceeded()
    async with make_async(simulator, meter) as client:
        with pytest.raises(BudgetExceeded) as caught:
            await client.chat.completions.create(**CHAT)
    assert caught.value is meter.refusal
    assert simulator.requests == []


@pytest.mark.parametrize("statuses", [[429], [500], [503, 429]])
@pytest.mark.parametrize("stream", [False, True])
def test_failed_attempts_cost_nothing(
    statuses: list[int],
    openai_client: openai.OpenAI,
    meter: RecordingMeter,
    simulator: ProviderSimulator,
    *,
    stream: bool,
) -> None:
    """However often the SDK repeats a call, it is begun once, and only the attempt that succeeds is read."""
    for status in statuses:
        simulator.next(status=status, retry_after=0)
    answer = openai_client.chat.completions.create(**CHAT, stream=stream)
    if stream:
        list(answer)
    assert len(simulator.requests) == len(statuses) + 1
    assert meter.call.usage.counts() == USAGE
    assert meter.call.ended


async def test_failed_async_attempts_cost_nothing(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """The asynchronous client's retries are counted in the same way."""
    simulator.next(status=429, retry_after=0)
    async with make_async(simulator, meter) as client:
        await client.chat.completions.create(**CHAT)
    assert len(simulator.requests) == 2
    assert meter.call.usage.counts() == USAGE


def test_an_attempt_that_broke_off_was_billed(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """An answer that stops in the middle is paid for: it is estimated, beside the attempt that succeeded."""
    simulator.next(break_after=1)
    openai_client.chat.completions.create(**CHAT)
    assert len(simulator.requests) == 2
    broken, whole = meter.call.readings
    assert broken.estimated
    assert not broken.complete
    assert broken.usage is not None
    assert broken.usage.input_tokens > 0
    assert whole.usage is not None
    assert whole.usage.counts() == USAGE
    assert meter.call.ended


def outcome(ask: Callable[[], Any]) -> tuple[type[BaseException], str, Any]:
    """How a call fails: its exception's type, message and body."""
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error), str(error), getattr(error, "body", None)
    raise AssertionError("it did not fail")


FAILURES: dict[str, dict[str, Any]] = {
    "bad request": {"status": 400},
    "bad key": {"status": 401},
    "no such model": {"status": 404},
    "rate limit": {"status": 429, "retry_after": 0},
    "server error": {"status": 500, "retry_after": 0},
    "broken off": {"break_after": 0},
    "garbage": {"garbage": True},
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_bare_clients(
    failure: str, openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator, *, stream: bool
) -> None:
    """A call that fails raises what it would have raised, and is not billed."""
    bare = openai.OpenAI(
        base_url=simulator.openai_base_url, api_key="any", max_retries=0, http_client=openai_client._client
    )
    wrapped = openai_client.with_options(max_retries=0)
    simulator.next(times=2, **FAILURES[failure])

    def ask(client: openai.OpenAI) -> Any:
        answer: Any = client.chat.completions.create(**CHAT, stream=stream)
        return list(answer) if stream else answer.choices[0]

    assert outcome(lambda: ask(wrapped)) == outcome(lambda: ask(bare))
    gc.collect()
    settle_dropped()
    assert len(meter.call.ends) == 1
    if failure != "garbage":
        assert meter.call.readings == []
        assert isinstance(meter.call.ends[0][0], openai.APIError)


def test_an_error_in_the_first_event_is_not_billed(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A stream that starts with an error raises it; nothing was answered, so nothing is paid."""
    simulator.replay(
        body=b'data: {"error": {"message": "The server had an error", "type": "server_error"}}\n\n',
        content_type="text/event-stream",
    )
    stream = openai_client.chat.completions.create(**CHAT, stream=True)
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(stream)
    assert meter.call.readings == []
    assert len(meter.call.ends) == 1


def test_an_error_after_some_answer_is_estimated(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A stream that fails in the middle has been paid for so far."""
    simulator.replay(
        body=b'data: {"id": "c", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {"content": '
        b'"Twelve bytes"}}]}\n\ndata: {"error": {"message": "Overloaded", "type": "server_error"}}\n\n',
        content_type="text/event-stream",
    )
    with pytest.raises(openai.APIError, match="Overloaded"):
        list(openai_client.chat.completions.create(**CHAT, stream=True))
    assert meter.call.usage.output_tokens == 3
    assert meter.call.reading.estimated


def test_a_connection_lost_in_a_stream(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The error that ends a stream is told, and what came before it is estimated."""
    simulator.next(break_after=4, text="one two three four five six seven eight nine ten")
    bare = openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=openai_client._client)
    wrapped_error = outcome(lambda: list(openai_client.chat.completions.create(**CHAT, stream=True)))
    simulator.next(break_after=4, text="one two three four five six seven eight nine ten")
    assert wrapped_error[:2] == outcome(lambda: list(bare.chat.completions.create(**CHAT, stream=True)))[:2]
    ((error, aborted),) = meter.call.ends
    assert error is not None
    assert not aborted
    assert meter.call.reading.estimated
    assert meter.call.usage.output_tokens > 0


def test_a_closed_client(openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A call on a closed client fails as it would have, and gives its hold back."""
    openai_client.close()
    with pytest.raises(Exception, match=r"closed|Connection error"):
        openai_client.with_options(max_retries=0).chat.completions.create(**CHAT)
    ((error, _),) = meter.call.ends
    assert error is not None
    assert meter.call.readings == []


@pytest.mark.parametrize("broken", ["begin", "read", "end", "beat"])
@pytest.mark.parametrize("stream", [False, True])
def test_faults_of_ours_stay_ours(
    broken: str,
    openai_client: openai.OpenAI,
    meter: RecordingMeter,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stream: bool,
) -> None:
    """A meter that fails is told of its own fault; the caller has his answer."""
    meter.expects_faults = True
    fault = RuntimeError("ours")

    def fail(*_: Any, **__: Any) -> None:
        raise fault

    if broken == "begin":
        monkeypatch.setattr(meter, "begin", fail)
    else:
        monkeypatch.setattr("tests.providers.seams.recording.RecordedCall." + broken, fail)
    answer: Any = openai_client.chat.completions.create(**CHAT, stream=stream)
    if stream:
        assert list(answer)
    else:
        assert answer.usage is not None
        assert answer.usage.completion_tokens == USAGE["output_tokens"]
    monkeypatch.undo()
    if broken == "beat":
        assert meter.call.usage.counts() == USAGE
    assert all(error is fault for _, error in meter.faults)
    assert meter.faults or (broken == "beat" and not stream)
    for call in meter.calls:
        call.ends = call.ends or [(None, False)]


def test_a_reader_that_fails_is_estimated(
    openai_client: openai.OpenAI, meter: RecordingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When reading a stream fails, the bytes pass on, and what is known is that there was an answer."""
    meter.expects_faults = True
    monkeypatch.setattr(
        "ai_cost_calc.providers.readers.UsageReader.feed", lambda *_: (_ for _ in ()).throw(RuntimeError("ours"))
    )
    assert list(openai_client.chat.completions.create(**CHAT, stream=True))
    monkeypatch.undo()
    assert [where for where, _ in meter.faults] == ["tap"]
    assert meter.call.reading.estimated
    assert meter.call.ended


@pytest.mark.parametrize("broken", ["abegin", "hook_during"])
async def test_async_faults_of_ours_stay_ours(
    broken: str, async_client: openai.AsyncOpenAI, meter: RecordingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault before an asynchronous call is counted, and the call is made."""
    meter.expects_faults = True

    def fail(*_: Any) -> None:
        raise RuntimeError("ours")

    if broken == "abegin":
        monkeypatch.setattr(meter, "abegin", fail)
    else:
        monkeypatch.setattr("ai_cost_calc.providers._call.hook_during", fail)
    answer = await async_client.chat.completions.create(**CHAT)
    assert answer.usage is not None
    assert [where for where, _ in meter.faults] == ["begin" if broken == "abegin" else "hook"]


async def test_async_mistakes_are_not_repeated(
    async_client: openai.AsyncOpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """An asynchronous stream that is refused for what the caller did is asked for once."""
    simulator.next(status=400)
    with pytest.raises(openai.BadRequestError):
        await async_client.chat.completions.create(**CHAT, stream=True)
    assert len(simulator.requests) == 1
    assert isinstance(meter.call.ends[0][0], openai.BadRequestError)


async def test_async_polls_are_free(
    async_client: openai.AsyncOpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Looking at a response is not refused to asynchronous clients either, and a failed look changes nothing."""
    meter.refusal = budget_exceeded()
    simulator.next(status=404)
    with pytest.raises(openai.NotFoundError):
        await async_client.responses.retrieve("resp_unknown")
    assert meter.calls == []


def test_an_answer_that_the_sdk_cannot_use(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """What the SDK makes of a stream may fail after it has come: it was billed, and the call ends with the error."""
    with pytest.raises(RuntimeError, match="type argument"):
        openai_client.post(
            "/chat/completions", body={**CHAT, "stream": True}, cast_to=str, stream=True, stream_cls=openai.Stream
        )
    ((error, _),) = meter.call.ends
    assert isinstance(error, RuntimeError)
    assert meter.call.reading.estimated


def test_a_call_that_is_let_go_elsewhere(meter: RecordingMeter) -> None:
    """A coroutine that nobody awaits any more is closed wherever Python finds it; its call ends there."""
    request = CallRequest(provider="openai", model="gpt-4o")
    running = meter.begin(request)
    call = TappedCall(meter, running, Sending(request, None, b"chat/completions"))
    contextvars.copy_context().run(call.__enter__)
    closed = GeneratorExit()
    call.__exit__(GeneratorExit, closed, None)
    assert running.ends == [(closed, False)]


def test_a_token_that_is_fetched_on_the_way(
    make_client: MakeClient, make_http: MakeHttp, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """An HTTP client may ask for a token before it sends a request: that answer is not the call's."""

    class Fetched(importlib.import_module("httpx2" if openai.__version__ >= "3" else "httpx").Auth):  # type: ignore[misc]
        """Asks for a token first."""

        requires_response_body = True

        def auth_flow(self, request: Any) -> Any:
            token = yield type(request)("POST", f"{simulator.url}/oauth/token")
            request.headers["authorization"] = token.json()["access_token"]
            yield request

    simulator.replay(body=b'{"access_token": "t", "usage": {"prompt_tokens": 7, "completion_tokens": 7}}')
    client = make_client(http_client=make_http(auth=Fetched()))
    provider_for(client).wrap(client, meter)
    client.chat.completions.create(**CHAT)
    assert [request.path for request in simulator.requests] == ["/oauth/token", "/v1/chat/completions"]
    assert meter.call.usage.counts() == USAGE
