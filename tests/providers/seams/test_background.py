"""Responses made in the background: recorded once per id, when their usage appears, for whoever asked for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai._models import FinalRequestOptions

from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._jobs import JOBS, MOST, Jobs
from ai_cost_calc.providers.openai import PROVIDER
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE
from tests.providers.seams.recording import RecordedCall, RecordingMeter, budget_exceeded

ASK: dict[str, Any] = {"model": "gpt-5", "input": "Write a long report.", "background": True}


def response(status: str, *, response_id: str = "resp_1", background: bool = True, done: bool = False) -> bytes:
    """A response as OpenAI's API reference describes it."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 900,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1_000,
    }
    body = {
        "id": response_id, "object": "response", "created_at": 1, "status": status, "background": background,
        "error": None, "model": "gpt-5-2025-08-07", "output": [], "parallel_tool_calls": True, "tool_choice": "auto",
        "tools": [], "usage": usage if done else None,
    }  # fmt: skip
    return json.dumps(body).encode()


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """No test finds what another one left."""
    JOBS._running.clear()
    JOBS._recorded.clear()
    yield
    JOBS._running.clear()


def test_usage_is_recorded_when_it_appears(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The call stays open until a poll finds the answer done, and is its maker's; later polls add nothing."""
    simulator.replay(body=response("queued"))
    queued = openai_client.responses.create(**ASK)
    assert meter.call.ends == []
    simulator.replay(body=response("in_progress"))
    openai_client.responses.retrieve(queued.id)
    assert (meter.call.ends, meter.call.beats) == ([], 1)
    for _ in range(3):
        simulator.replay(body=response("completed", done=True))
        openai_client.responses.retrieve(queued.id)
    assert meter.call.usage.output_tokens == 900
    assert meter.call.tokens == ["openai:resp_1"]
    assert meter.call.ended
    assert meter.recorded == []


def test_the_simulators_own_background_responses(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Created and polled until done, as an application would."""
    made = openai_client.responses.create(**ASK)
    while made.status in {"queued", "in_progress"}:
        made = openai_client.responses.retrieve(made.id)
    assert meter.call.usage.counts() == USAGE
    assert meter.call.ended


async def test_async_polls(simulator: ProviderSimulator, meter: RecordingMeter, openai_client: openai.OpenAI) -> None:
    """Another client of the same process may do the polling."""
    simulator.replay(body=response("queued"))
    openai_client.responses.create(**ASK)
    http = openai.DefaultAsyncHttpxClient(verify=False)
    async with openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as client:
        provider_for(client).wrap(client, meter)
        simulator.replay(body=response("completed", done=True))
        await client.responses.retrieve("resp_1")
    assert meter.call.usage.output_tokens == 900
    assert meter.call.ended


def test_another_process_asked(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A background response that another process asked for is recorded once, under an id that both share."""
    for _ in range(2):
        simulator.replay(body=response("completed", done=True))
        openai_client.responses.retrieve("resp_1")
    ((reading, shared_id),) = meter.recorded
    assert reading.usage is not None
    assert reading.usage.output_tokens == 900
    assert shared_id == "openai:resp_1"
    assert meter.calls == []


def test_ordinary_responses_are_not_recorded_again(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Looking at a response that was recorded when it was made adds nothing."""
    simulator.replay(body=response("completed", background=False, done=True))
    openai_client.responses.create(model="gpt-5", input="Hi.")
    simulator.replay(body=response("completed", background=False, done=True))
    openai_client.responses.retrieve("resp_1")
    assert meter.call.ended
    assert meter.recorded == []


def test_giving_up_may_find_the_answer_done(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Cancelling is free, is never refused, and may carry usage."""
    simulator.replay(body=response("queued"))
    openai_client.responses.create(**ASK)
    meter.refusal = budget_exceeded()
    simulator.replay(body=response("cancelled", done=True))
    openai_client.responses.cancel("resp_1")
    assert meter.call.usage.output_tokens == 900
    assert meter.call.ended


def stream_of(events: list[tuple[str, bytes]]) -> bytes:
    """The events of a streamed response."""
    return b"".join(
        b"event: %s\ndata: %s\n\n"
        % (kind.encode(), b'{"type": "%s", "sequence_number": %d, "response": %s}' % (kind.encode(), number, body))
        for number, (kind, body) in enumerate(events)
    )


def test_a_background_stream_that_is_left(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The answer goes on being made: nothing is estimated, and a later poll finds its usage."""
    simulator.next(chunk_delay_ms=1)
    events = [("response.created", response("queued")), ("response.in_progress", response("in_progress"))]
    simulator.replay(body=stream_of(events), content_type="text/event-stream")
    simulator._plans.pop(0)
    with openai_client.responses.create(**ASK, stream=True) as stream:
        next(iter(stream))
    assert meter.call.ends == []
    simulator.replay(body=response("completed", done=True))
    openai_client.responses.retrieve("resp_1")
    assert meter.call.usage.output_tokens == 900
    assert meter.call.ended


def test_a_background_stream_that_ends(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A stream taken to its end is recorded then, and polls afterwards add nothing."""
    events = [("response.created", response("queued")), ("response.completed", response("completed", done=True))]
    simulator.replay(body=stream_of(events), content_type="text/event-stream")
    assert len(list(openai_client.responses.create(**ASK, stream=True))) == 2
    simulator.replay(body=response("completed", done=True))
    openai_client.responses.retrieve("resp_1")
    assert meter.call.usage.output_tokens == 900
    assert meter.call.ended
    assert meter.recorded == []


def test_a_streamed_poll(openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Usage is found in a poll that streams, too."""
    simulator.replay(body=response("queued"))
    openai_client.responses.create(**ASK)
    events = [
        ("response.in_progress", response("in_progress")),
        ("response.completed", response("completed", done=True)),
    ]
    simulator.replay(body=stream_of(events), content_type="text/event-stream")
    assert len(list(openai_client.responses.retrieve("resp_1", stream=True))) == 2
    assert meter.call.usage.output_tokens == 900
    assert meter.call.ended


def test_a_background_request_that_fails(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A request that is refused by the provider ends its call; nothing waits."""
    simulator.next(status=400)
    with pytest.raises(openai.BadRequestError):
        openai_client.responses.create(**ASK)
    ((error, _),) = meter.call.ends
    assert isinstance(error, openai.BadRequestError)


def test_other_requests_about_responses(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Only a look at a response itself is a poll: its input items, and its deletion, are not."""

    def sending(method: str, url: str) -> Any:
        return PROVIDER.vendor.sending(openai_client, FinalRequestOptions.construct(method=method, url=url))

    assert sending("get", "/responses/resp_1").polls
    assert sending("post", "/responses/resp_1/cancel").polls
    assert sending("get", "/responses/resp_1/input_items") is None
    assert sending("delete", "/responses/resp_1") is None
    assert sending("get", "/chat/completions/chatcmpl-1") is None
    assert sending("post", "/responses/resp_1/unknown") is None


def test_the_oldest_is_let_go() -> None:
    """Memory stays bounded: beyond a number, the oldest unfinished answer is given up and its hold released."""
    jobs = Jobs()
    calls = [RecordedCall.__new__(RecordedCall) for _ in range(MOST + 1)]
    for number, call in enumerate(calls):
        call.ends = []
        jobs.keep(str(number), call)
    assert calls[0].ended
    assert jobs.waiting("0") is None
    assert jobs.waiting("1") is calls[1]
    for number in range(MOST + 1):
        jobs.finish(str(number))
    assert not jobs.recorded("0")
    assert jobs.recorded(str(MOST))
