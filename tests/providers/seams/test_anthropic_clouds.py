"""Anthropic's clients for other clouds: every form metered once, under the names that the cloud bills."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import EVENT_STREAM, MESSAGE_COUNTS, message, message_stream, sse, wrapped
from tests.providers.seams.hosts import rerouted
from tests.providers.seams.recording import RecordingMeter

anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")
httpx2 = pytest.importorskip("httpx2")

ASK: Final[dict[str, Any]] = {
    "model": "claude-opus-4-8",
    "max_tokens": 400,
    "messages": [{"role": "user", "content": "Describe the fjord."}],
}
VERTEX: Final[dict[str, Any]] = {"region": "us-east5", "project_id": "p", "access_token": "any"}
CLOUDS: Final[dict[str, dict[str, Any]]] = {
    "Anthropic": {"api_key": "any"},
    "AnthropicAWS": {"api_key": "any", "aws_region": "us-west-2", "workspace_id": "wrkspc_1"},
    "AnthropicBedrock": {"api_key": "any", "aws_region": "eu-north-1"},
    "AnthropicBedrockMantle": {"api_key": "any", "aws_region": "us-east-1"},
    "AnthropicFoundry": {"api_key": "any", "resource": "fjord"},
    "AnthropicGoogleCloud": {"project": "p", "workspace_id": "w", "token_provider": lambda: "any"},
    "AnthropicVertex": VERTEX,
}
BILLED_BY: Final = {
    "Anthropic": ("anthropic", "claude-sonnet-4-5-20250929", "us"),
    "AnthropicAWS": ("anthropic", "claude-sonnet-4-5-20250929", "us"),
    "AnthropicBedrock": ("aws", "claude-opus-4-8", "eu-north-1"),
    "AnthropicBedrockMantle": ("aws", "claude-opus-4-8", "us"),
    "AnthropicFoundry": ("azure", "claude-sonnet-4-5-20250929", "us"),
    "AnthropicGoogleCloud": ("anthropic", "claude-sonnet-4-5-20250929", "us"),
    "AnthropicVertex": ("google", "claude-sonnet-4-5-20250929", "us"),
}
"""Provider, model and place that a call of each client is priced by; the message itself says where it ran (`us`)."""


@pytest.fixture
def open_cloud(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Callable[[str], Any]]:
    """Open a wrapped client at the cloud's real address, which is answered from loopback."""
    with ExitStack() as opened:

        def open_client(name: str) -> Any:
            http = rerouted(httpx2, simulator.url)
            client = opened.enter_context(getattr(anthropic, name)(http_client=http, **CLOUDS[name]))
            provider_for(client).wrap(client, meter)
            return client

        yield open_client


def _drained(stream: Any) -> None:
    for _ in stream:
        pass


def _helper(messages: Any) -> None:
    with messages.stream(**ASK) as stream:
        stream.get_final_message()


WHOLE: Final[dict[str, Callable[[Any], Any]]] = {
    "create": lambda c: c.messages.create(**ASK),
    "raw": lambda c: c.messages.with_raw_response.create(**ASK).parse(),
    "beta": lambda c: c.beta.messages.create(**ASK),
    "options": lambda c: c.with_options(max_retries=1).messages.create(**ASK),
    "middleware": lambda c: c.with_middleware(lambda request, call_next: call_next(request)).messages.create(**ASK),
}
STREAMED: Final[dict[str, Callable[[Any], Any]]] = {
    "create": lambda c: _drained(c.messages.create(**ASK, stream=True)),
    "beta": lambda c: _drained(c.beta.messages.create(**ASK, stream=True)),
}


def events() -> list[dict[str, Any]]:
    """A streamed message with the event that each block begins with."""
    first, *others = message_stream()
    blocks = [{"type": "text", "text": ""}, {"type": "tool_use", "id": "toolu_1", "name": "tide", "input": {}}]
    starts = [
        {"type": "content_block_start", "index": index, "content_block": block} for index, block in enumerate(blocks)
    ]
    return [first, *starts, *others]


def answer(simulator: ProviderSimulator, name: str, *, streamed: bool = False) -> None:
    """Answer the next request as this cloud does."""
    if not streamed:
        simulator.replay(body=json.dumps(message()).encode())
    elif name == "AnthropicBedrock":
        simulator.replay(body=b"".join(map(wrapped, events())), content_type=EVENT_STREAM)
    else:
        simulator.replay(body=sse(*events(), named=True), content_type="text/event-stream")


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("name", CLOUDS)
def test_an_answer_is_read_once(
    name: str, form: str, open_cloud: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Whatever the form, one call with the exact usage, under the names the cloud bills."""
    client = open_cloud(name)
    answer(simulator, name)
    WHOLE[form](client)
    reading = meter.call.reading
    assert (reading.provider, reading.model, reading.region) == BILLED_BY[name]
    assert meter.call.usage.counts() == MESSAGE_COUNTS
    assert meter.call.request.max_output_tokens == 400
    assert meter.call.ended


@pytest.mark.parametrize("form", STREAMED)
@pytest.mark.parametrize("name", CLOUDS)
def test_a_stream_is_read_once(
    name: str, form: str, open_cloud: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """So is a stream, in server-sent events or in the frames of Amazon Bedrock."""
    client = open_cloud(name)
    answer(simulator, name, streamed=True)
    STREAMED[form](client)
    reading = meter.call.reading
    assert (reading.provider, reading.model) == BILLED_BY[name][:2]
    assert meter.call.usage.counts() == MESSAGE_COUNTS
    assert meter.call.ended


@pytest.mark.parametrize("name", [name for name in CLOUDS if name not in {"AnthropicBedrock", "AnthropicVertex"}])
@pytest.mark.parametrize("helper", [_helper, lambda messages: messages.parse(**ASK)], ids=["stream", "parse"])
def test_helpers_are_read_once(
    name: str, helper: Callable[[Any], Any], open_cloud: Callable[[str], Any], meter: RecordingMeter,
    simulator: ProviderSimulator,
) -> None:  # fmt: skip
    """The SDK's helpers make one request, and one call."""
    client = open_cloud(name)
    answer(simulator, name, streamed=helper is _helper)
    helper(client.messages)
    assert meter.call.usage.counts() == MESSAGE_COUNTS
    assert meter.call.ended


@pytest.mark.parametrize("name", [name for name in CLOUDS if name != "AnthropicBedrock"])
def test_counting_is_free(
    name: str, open_cloud: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Counting tokens is let through everywhere, budget or not."""
    client = open_cloud(name)
    simulator.replay(body=b'{"input_tokens": 14}')
    counted = client.messages.count_tokens(model=ASK["model"], messages=ASK["messages"])
    assert counted.input_tokens == 14
    assert meter.calls == []


def test_where_requests_go(open_cloud: Callable[[str], Any], simulator: ProviderSimulator) -> None:
    """Wrapped or not, a client sends its requests where its cloud takes them."""
    for name in CLOUDS:
        answer(simulator, name)
        open_cloud(name).messages.create(**ASK)
    assert [request.path for request in simulator.requests] == [
        "/v1/messages",
        "/v1/messages",
        "/model/claude-opus-4-8/invoke",
        "/anthropic/v1/messages",
        "/anthropic/v1/messages",
        "/v1/projects/p/locations/global/workspaces/w/invoke/v1/messages",
        "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-4-8:rawPredict",
    ]


@pytest.mark.parametrize("name", ["AnthropicBedrock", "AnthropicBedrockMantle"])
def test_a_global_profile_keeps_its_name(
    name: str, open_cloud: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Amazon prices a global profile below a regional one, and only the request says which it was."""
    profile = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
    answer(simulator, name)
    open_cloud(name).messages.create(**{**ASK, "model": profile})
    assert meter.call.reading.model == profile


def test_what_is_billed_on_top(
    open_cloud: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Compaction on Amazon Bedrock is read beside the message, under the name that was asked for."""
    iteration = {"type": "compaction", "input_tokens": 60_000, "output_tokens": 500}
    usage = {"input_tokens": 30, "output_tokens": 9, "iterations": [iteration]}
    simulator.replay(body=json.dumps(message(usage)).encode())
    open_cloud("AnthropicBedrock").beta.messages.create(**ASK)
    (compaction,) = meter.call.reading.also
    assert compaction.usage is not None
    assert (compaction.model, compaction.usage.input_tokens) == ("claude-opus-4-8", 60_000)


CALLED: Final = {
    "stop_reason": "tool_use",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "tide", "input": {"place": "Bergen"}}],
}


@pytest.mark.parametrize("name", ["Anthropic", "AnthropicBedrock", "AnthropicVertex"])
def test_a_tool_runner_is_counted_hop_by_hop(
    name: str, open_cloud: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Each request that the runner makes is a call of its own, with its own usage."""

    @anthropic.beta_tool  # type: ignore[untyped-decorator]  # the SDK may be absent
    def tide(place: str) -> str:
        """Tell the tide.

        Args:
            place: where.
        """
        return f"high in {place}"

    client = open_cloud(name)
    simulator.replay(body=json.dumps(message({"input_tokens": 10, "output_tokens": 5}, **CALLED)).encode())
    simulator.replay(body=json.dumps(message({"input_tokens": 40, "output_tokens": 7})).encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        final = client.beta.messages.tool_runner(**ASK, tools=[tide]).until_done()
    assert final.content[0].text == "Hi! My name is Claude."
    assert [call.usage.counts() for call in meter.calls] == [
        {"input_tokens": 10, "output_tokens": 5},
        {"input_tokens": 40, "output_tokens": 7},
    ]
    assert all(call.ended for call in meter.calls)
