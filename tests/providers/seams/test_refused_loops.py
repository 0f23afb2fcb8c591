"""Loops and helpers of SDKs that send by themselves: the refusal of a further request leaves them as it is, at once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conformance import done
from tests.providers.seams.recording import RecordingMeter, RefusingLater, budget_exceeded

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "How is the tide?"}]}
CLAUDE: dict[str, Any] = {"model": "claude-opus-4-8", "max_tokens": 400, **ASK}
TOOL_USE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "tide", "input": {"place": "Bergen"}}],
    "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 70, "output_tokens": 20},
}  # fmt: skip


@pytest.fixture
def meter() -> RefusingLater:
    """A meter that allows the first call."""
    return RefusingLater()


async def check(call: Callable[[], Any], meter: RefusingLater, simulator: ProviderSimulator, *, sent: int = 1) -> None:
    """The refusal itself is raised, asked for once; nothing but the calls before it was sent."""
    with pytest.raises(BudgetExceeded) as caught:
        await done(call())
    assert meter.refused == [caught.value]
    assert caught.value.__cause__ is None
    assert len(simulator.requests) == len(meter.calls) == sent
    assert all(call.ended for call in meter.calls)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_tool_runner_of_anthropics(
    anthropic_client: Any,
    async_anthropic: Any,
    meter: RefusingLater,
    simulator: ProviderSimulator,
    *,
    asynchronous: bool,
) -> None:
    """What follows a tool is refused."""
    anthropic = pytest.importorskip("anthropic")
    client = async_anthropic if asynchronous else anthropic_client

    async def atide(place: str) -> str:
        """Tell the tide."""
        return f"high in {place}"

    def tide(place: str) -> str:
        """Tell the tide."""
        return f"high in {place}"

    tool = anthropic.beta_async_tool(atide, name="tide") if asynchronous else anthropic.beta_tool(tide)
    simulator.replay(body=json.dumps(TOOL_USE).encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        runner = client.beta.messages.tool_runner(**CLAUDE, tools=[tool])
    await check(runner.until_done, meter, simulator)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("helper", ["chat", "responses"])
async def test_streaming_helpers_of_openais(
    openai_client: Any,
    async_client: Any,
    meter: RefusingLater,
    simulator: ProviderSimulator,
    helper: str,
    *,
    asynchronous: bool,
) -> None:
    """Refused when they are entered."""
    client = async_client if asynchronous else openai_client
    meter.allow(0)

    async def enter() -> None:
        if helper == "chat":
            opening = client.chat.completions.stream(model="gpt-5", **ASK)
        else:
            opening = client.responses.stream(model="gpt-5", input="How is the tide?")
        if asynchronous:
            async with opening:
                pass
        else:
            with opening:
                pass

    await check(enter, meter, simulator, sent=0)


async def test_batches_of_embeddings_of_coheres(simulator: ProviderSimulator) -> None:
    """Embeddings that are sent in several threads are refused in each; the caller sees one of the refusals."""
    cohere = pytest.importorskip("cohere")
    meter = RecordingMeter()
    meter.refusal = budget_exceeded()
    with httpx.Client(transport=httpx.HTTPTransport(verify=False)) as http:
        client = cohere.Client("any", base_url=simulator.url, httpx_client=http)
        provider_for(client).wrap(client, meter)
        with pytest.raises(BudgetExceeded) as caught:
            client.embed(texts=["fjord"] * 200, model="embed-v4.0", input_type="search_document")
    assert caught.value is meter.refusal
    assert simulator.requests == []


async def test_a_tool_runner_of_openais_hides_the_refusal(
    meter: RefusingLater, simulator: ProviderSimulator, openai_client: Any
) -> None:
    """It replaces every error by one of its own; the refusal is its context, and nothing more is sent."""
    lib = pytest.importorskip("openai.lib.responses_tool_runner", reason="openai 2 has no runner of tools")
    called = {
        "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "tide", "arguments": "{}", "status": "completed"
    }  # fmt: skip
    answer = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "status": "completed",
        "output": [called], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None,
        "usage": {"input_tokens": 30, "output_tokens": 9, "total_tokens": 39,
                  "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
    }  # fmt: skip
    simulator.replay(body=json.dumps(answer).encode())
    parameters = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    tool = {"type": "function", "name": "tide", "parameters": parameters, "strict": True}
    runner = lib.ResponsesToolRunner(functions=[lib.RegisteredFunction(tool, lambda _: "high")])
    with pytest.raises(lib.ToolRunnerError) as caught:
        runner.run(openai_client, {"model": "gpt-5", "input": "How is the tide?"})
    assert meter.refused == [caught.value.__context__]
    assert len(simulator.requests) == 1
    assert meter.call.ended
