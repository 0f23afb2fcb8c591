"""xAI's clients: every way to ask, answers made in the background, streams that are left, and what stays alone."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import grpc
import pytest
import xai_sdk
from google.protobuf.json_format import ParseDict
from pydantic import BaseModel
from xai_sdk.chat import image, user
from xai_sdk.proto import batch_pb2, chat_pb2, deferred_pb2, tokenize_pb2, usage_pb2, video_pb2
from xai_sdk.tools import web_search

from ai_cost_calc import Budget, BudgetExceeded
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._jobs import JOBS
from ai_cost_calc.providers.not_metered import NOT_METERED
from ai_cost_calc.providers.xai import RPCS
from tests.conftest import MakeCalc
from tests.providers.seams.customers import served
from tests.providers.seams.exchanges import load, names, needs_recordings
from tests.providers.seams.grpc_server import (
    COUNTS,
    MODEL,
    GrpcSimulator,
    batch_result,
    chunks,
    completion,
    found,
    open_client,
    pictures,
    started,
    usage,
)
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

COST: Final = Decimal("0.00044685")
"""What `usage()` says that an answer costs, in US dollars."""
QUICK: Final = {"interval": dt.timedelta(milliseconds=1)}
DONE, PENDING, EXPIRED = deferred_pb2.DONE, deferred_pb2.PENDING, deferred_pb2.EXPIRED


class Fjord(BaseModel):
    """What a model is to fill in."""

    depth: int


@pytest.fixture
def simulator() -> Iterator[GrpcSimulator]:
    """The provider."""
    with GrpcSimulator() as running:
        yield running


@pytest.fixture
def bare(simulator: GrpcSimulator) -> Iterator[Any]:
    """A client that nobody has wrapped."""
    with open_client(simulator.url) as client:
        yield client


@pytest.fixture
def client(bare: Any, meter: RecordingMeter) -> Any:
    """A wrapped one."""
    provider_for(bare).wrap(bare, meter)
    return bare


def chat(client: Any, **settings: Any) -> Any:
    """A chat with one question."""
    return client.chat.create(model=MODEL, **{"messages": [user("Describe the fjord.")], **settings})


# Every way to ask.


def test_parsed_answers(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """`parse` is a call like any other."""
    simulator.replay(body=completion('{"depth": 1308}'))
    assert chat(client).parse(Fjord)[1] == Fjord(depth=1308)
    assert meter.call.usage.counts() == COUNTS
    assert meter.call.reading.provider_cost_usd == COST
    assert meter.call.ended


def test_several_answers_at_once(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Several answers to one question are one call, and so are several streams."""
    outputs = [chat_pb2.CompletionOutput(index=number) for number in range(3)]
    simulator.replay(body=completion(outputs=outputs))
    simulator.replay(body=chunks())
    with pytest.warns(PendingDeprecationWarning):
        assert len(chat(client).sample_batch(3)) == 3
    with pytest.warns(PendingDeprecationWarning):
        assert len(list(chat(client).stream_batch(2))) == len(chunks())
    assert [call.request.choices for call in meter.calls] == [3, 2]
    assert [call.usage.counts() for call in meter.calls] == [COUNTS, COUNTS]
    assert [call.ended for call in meter.calls] == [True, True]


def test_compaction(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Compacting a conversation is billed; the answer names no model, so it is the one asked for."""
    answer = chat_pb2.CompactContextResponse(id="c-1", encrypted_content="…", usage=usage())
    for _ in range(2):
        simulator.replay(body=answer)
    assert client.chat.compact_context(MODEL, [user("Summarise.")]).usage == usage()
    chat(client).compact()
    assert [call.reading.model for call in meter.calls] == [MODEL, MODEL]
    assert [call.usage.counts() for call in meter.calls] == [COUNTS, COUNTS]
    assert meter.calls[0].input_bytes >= len("Summarise.")


def test_chats_made_before_wrapping(bare: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """A chat that the user holds from before is metered while its client is wrapped, and only then."""
    held = chat(bare)
    for _ in range(2):
        simulator.replay(body=completion())
    provider_for(bare).wrap(bare, meter)
    held.sample()
    provider_for(bare).unwrap(bare)
    held.sample()
    assert meter.call.ended


def test_pictures(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Pictures are counted, and cost what xAI says they do."""
    simulator.replay(body=pictures(2, cost_in_usd_ticks=400_000_000))
    client.image.sample_batch("A fjord", "grok-imagine-image", 2, image_url="https://x.ai/sketch.png")
    assert (meter.call.request.api, meter.call.request.choices, meter.call.media_items) == ("grpc_image", 2, 1)
    assert meter.call.usage.counts() == {"images": 2}
    assert meter.call.reading.provider_cost_usd == Decimal("0.04")
    assert meter.call.reading.model == "grok-imagine-image"
    assert meter.call.ended


def test_what_costs_nothing_passes(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """An answer that is looked up again was paid for when it was made."""
    meter.refusal = budget_exceeded()
    simulator.replay(body=completion())
    simulator.replay(body=chat_pb2.DeleteStoredCompletionResponse(response_id="cec8162c-a241"))
    assert client.chat.get_stored_completion("cec8162c-a241")[0].content == "Deep and still."
    assert client.chat.delete_stored_completion("cec8162c-a241") == "cec8162c-a241"
    simulator.replay(body=tokenize_pb2.TokenizeTextResponse(tokens=[tokenize_pb2.Token(token_id=1)]))
    assert len(client.tokenize.tokenize_text("Fjord", MODEL)) == 1
    assert meter.calls == []
    assert meter.recorded == []


def test_what_is_said_not_to_be_metered_exists(bare: Any) -> None:
    """The list names parts of a real client, and every other part that sends is metered or free."""
    named = {name for each in NOT_METERED["xai-sdk"] for name in each.calls}
    assert named | RPCS.keys() | {"auth", "files", "models", "tokenize"} == {
        name for name in vars(bare) if not name.startswith("_")
    }


@pytest.mark.parametrize("tier", ["priority", "default"])
def test_service_tiers(client: Any, meter: RecordingMeter, simulator: GrpcSimulator, tier: str) -> None:
    """Tiers are told as other APIs write them: the one asked for, and the one that served."""
    served = usage_pb2.ServiceTier.Value(f"SERVICE_TIER_{tier.upper()}")
    simulator.replay(body=completion(service_tier=served))
    chat(client, service_tier=tier).sample()
    assert meter.call.request.service_tier == meter.call.reading.service_tier == tier


def test_the_size_of_a_chat(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Text and tools are measured; pictures count as media, and so do xAI's own tools and what it has kept."""
    simulator.replay(body=completion())
    sketch = "data:image/png;base64," + "A" * 50_000
    question = user("x" * 700, image(image_url=sketch))
    chat(
        client,
        messages=[question],
        tools=[web_search()],
        previous_response_id="r-1",
        max_tokens=50,
    ).sample()
    assert meter.call.media_items == 3
    assert 700 <= meter.call.input_bytes < 1_000
    assert (meter.call.request.max_output_tokens, meter.call.request.model) == (50, MODEL)


def test_an_answer_without_a_stated_cost(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """A cost that xAI does not state is not zero."""
    used = usage()
    used.ClearField("cost_in_usd_ticks")
    simulator.replay(body=completion(usage=used))
    simulator.replay(body=completion(usage=None))
    chat(client).sample()
    chat(client).sample()
    whole, without = meter.calls
    assert whole.usage.counts() == COUNTS
    assert whole.reading.provider_cost_usd is None
    assert (without.reading.estimated, without.reading.complete) == (True, False)


# Answers made in the background.


@pytest.mark.parametrize("kind", [xai_sdk.Client, xai_sdk.AsyncClient])
async def test_deferred_answers_are_recorded_once(kind: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """The call goes on until a poll finds the answer; polls cost nothing and are never refused."""
    client = open_client(simulator.url, kind)
    provider_for(client).wrap(client, meter)
    job = f"job-{kind.__module__}"
    for body in (started(job), found(PENDING), found(PENDING), found(DONE, completion())):
        simulator.replay(body=body)
    answer = chat(client).defer(**QUICK)
    answer = await answer if asyncio.iscoroutine(answer) else answer
    assert answer.content == "Deep and still."
    assert len(simulator.requests) == 4
    assert meter.call.usage.counts() == COUNTS
    assert (meter.call.tokens, meter.call.beats) == ([f"x-ai:{job}"], 2)
    assert meter.call.ended
    assert meter.recorded == []
    closed = client.close()
    if closed is not None:
        await closed


def test_a_deferred_answer_that_another_process_asked_for(
    client: Any, meter: RecordingMeter, simulator: GrpcSimulator
) -> None:
    """Who finds it first records it, under a token that makes it one record; looking again records nothing."""
    for _ in range(2):
        simulator.replay(body=found(DONE, completion()))
        client.chat._stub.GetDeferredCompletion(deferred_pb2.GetDeferredRequest(request_id="elsewhere"))
    ((reading, token),) = meter.recorded
    assert (reading.response_id, token) == ("cec8162c-a241", "x-ai:elsewhere")
    assert meter.calls == []


def test_a_deferred_answer_is_waited_for_without_its_question(make_calc: MakeCalc, simulator: GrpcSimulator) -> None:
    """While it is made, nothing of what was asked is held on to, although no budget has measured it."""
    with make_calc().wrap(open_client(simulator.url)) as client:
        asked = chat(client).proto
        held = sys.getrefcount(asked)
        simulator.replay(body=started("slow"))
        client.chat._stub.StartDeferredCompletion(asked)
        assert JOBS.waiting("x-ai:slow") is not None
        assert sys.getrefcount(asked) == held
    JOBS.give_up("x-ai:slow")


def test_a_deferred_answer_that_expires(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """What was held is given back."""
    simulator.replay(body=started("late"))
    simulator.replay(body=found(EXPIRED))
    with pytest.raises(RuntimeError, match="expired"):
        chat(client).defer(**QUICK)
    assert meter.call.readings == []
    assert meter.call.ended


def test_a_deferred_answer_that_cannot_be_started(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """There is nothing to wait for."""
    simulator.replay(body=b"No such model.", status=400)
    with pytest.raises(grpc.RpcError) as caught:
        chat(client).defer()
    assert meter.call.ends == [(caught.value, False)]


@pytest.mark.parametrize("ticks", [7_000_000_000, None])
def test_videos(client: Any, meter: RecordingMeter, simulator: GrpcSimulator, ticks: int | None) -> None:
    """A video costs what xAI says it does; where it says nothing, the cost is unknown and not zero."""
    used = None if ticks is None else usage_pb2.SamplingUsage(cost_in_usd_ticks=ticks)
    made = video_pb2.VideoResponse(video=video_pb2.GeneratedVideo(url="https://x.ai/1.mp4"), model="v", usage=used)
    simulator.replay(body=started(f"video-{ticks}"))
    simulator.replay(body=video_pb2.GetDeferredVideoResponse(status=DONE, response=made))
    client.video.generate("A fjord at dawn", "grok-imagine-video", duration=6, **QUICK)
    assert meter.call.reading.provider_cost_usd == (None if ticks is None else Decimal("0.7"))
    assert (meter.call.reading.usage is None) == (ticks is None)
    assert meter.call.request.api == "grpc_video"
    assert meter.call.ended


def test_results_of_a_batch(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Each result is recorded at batch rates, under a token that makes it one record however often it is listed."""
    results = [
        batch_result("first", completion()),
        batch_result("second", pictures(1, cost_in_usd_ticks=200_000_000)),
        batch_pb2.BatchResult(batch_request_id="third", error={"code": 3}),
    ]
    simulator.replay(body=batch_pb2.ListBatchResultsResponse(results=results))
    assert len(client.batch.list_batch_results("b-1").succeeded) == 2
    assert [token for _, token in meter.recorded] == ["x-ai:b-1/first", "x-ai:b-1/second"]
    assert [reading.service_tier for reading, _ in meter.recorded] == ["batch", "batch"]
    assert [reading.provider_cost_usd for reading, _ in meter.recorded] == [COST, Decimal("0.02")]
    assert meter.calls == []


# Streams that are left.


def test_a_stream_that_is_left_keeps_its_running_total(
    client: Any, meter: RecordingMeter, simulator: GrpcSimulator
) -> None:
    """The counts so far are kept and marked as incomplete; the server is told to stop, as by a bare client."""
    simulator.replay(body=chunks(), chunk_delay_ms=30)
    for number, _ in enumerate(chat(client).stream()):
        if number == 1:
            break
    assert meter.call.aborted
    assert meter.call.usage.output_tokens == 112
    assert (meter.call.reading.complete, meter.call.reading.estimated) == (False, True)
    assert meter.call.beats == 2


def test_leaving_at_the_last_chunk_is_the_end(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Whoever stops when the model has finished leaves nothing to be estimated."""
    simulator.replay(body=chunks())
    for _, chunk in chat(client).stream():
        if chunk.choices[0].finish_reason == "REASON_STOP":
            break
    assert meter.call.usage.counts() == COUNTS
    assert meter.call.reading.complete
    assert meter.call.ended


def test_a_call_of_its_own_tools_is_not_the_end(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """After a search the model goes on, so a stream that is left there is incomplete."""
    searching = chunks()[1]
    searching.outputs[0].finish_reason = 4  # REASON_TOOL_CALLS
    simulator.replay(body=[searching, *chunks()[2:]], chunk_delay_ms=30)
    for _ in chat(client).stream():
        break
    assert meter.call.aborted
    assert not meter.call.reading.complete


async def test_a_task_that_is_cancelled(meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """A stream is estimated, an answer that had not come is not billed; both are over at once."""
    async with open_client(simulator.url, xai_sdk.AsyncClient) as client:
        provider_for(client).wrap(client, meter)
        simulator.replay(body=chunks(), chunk_delay_ms=10_000)
        reached = asyncio.Event()

        async def read() -> None:
            async for _ in chat(client).stream():
                reached.set()

        task = asyncio.create_task(read())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert meter.call.aborted
        assert meter.call.reading.estimated
        meter.forget()
        simulator.replay(body=completion(), delay_ms=10_000)
        asking = asyncio.create_task(chat(client).sample())
        await asyncio.to_thread(simulator.waits.wait, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert len(meter.call.ends) == 1
    assert meter.call.readings == []


# What wrapping leaves alone.


def test_unwrapping_gives_the_stubs_their_methods_back(bare: Any, meter: RecordingMeter) -> None:
    """Each part of the client sends with what it was made with."""
    stubs = [bare.chat._stub, bare.image._stub, bare.video._stub, bare.batch._stub]
    before = [dict(vars(stub)) for stub in stubs]
    provider = provider_for(bare)
    provider.wrap(bare, meter)
    assert [dict(vars(stub)) for stub in stubs] != before
    provider.unwrap(bare)
    assert [dict(vars(stub)) for stub in stubs] == before


def test_a_copy_shares_what_it_sends_with(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """A copy is wrapped with its original, and never twice."""
    shared = copy.copy(client)
    provider_for(shared).wrap(shared, meter)
    with pytest.raises(ConfigError, match="unwrap it there first"):
        provider_for(shared).wrap(shared, RecordingMeter())
    simulator.replay(body=completion())
    chat(shared).sample()
    assert meter.call.usage.counts() == COUNTS


def test_blocks_may_overlap(bare: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Of several blocks that meter one client, the last to leave restores it."""
    provider = provider_for(bare)
    provider.wrap(bare, meter, scoped=True)
    provider.wrap(bare, meter, scoped=True)
    provider.unwrap(bare, scoped=True)
    for _ in range(2):
        simulator.replay(body=completion())
        chat(bare).sample()
        provider.unwrap(bare, scoped=True)
    assert meter.call.ended


def test_the_call_behind_a_stream_can_be_reached(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Whoever looks behind the SDK finds gRPC's own call, and its own method."""
    simulator.replay(body=chunks())
    request = chat(client)._make_request(1)
    messages = client.chat._stub.GetCompletionChunk(request)
    assert [message.id for message in messages] == ["cec8162c-a241"] * len(chunks())
    assert messages.code() is grpc.StatusCode.OK
    assert callable(client.chat._stub.GetCompletion.with_call)
    assert meter.call.ended


def test_faults_of_ours_stay_inside(
    client: Any, meter: RecordingMeter, simulator: GrpcSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that cannot be read reaches its caller, and does not count as free."""
    meter.expects_faults = True
    monkeypatch.setattr("ai_cost_calc.providers.xai.reading_of", None)
    monkeypatch.setattr("ai_cost_calc.providers.xai.Chunks.message", None)
    for body in (completion(), chunks()):
        simulator.replay(body=body)
    assert chat(client).sample().content == "Deep and still."
    assert len(list(chat(client).stream())) == len(chunks())
    assert [where for where, _ in meter.faults] == ["tap", "tap"]
    assert [call.reading.estimated for call in meter.calls] == [True, True]


# With prices and budgets.


def test_two_threads_with_their_own_customers(make_calc: MakeCalc, simulator: GrpcSimulator) -> None:
    """One client serves two threads; each customer pays what xAI states for what its own thread asked."""
    calc = make_calc()
    shared = calc.wrap(open_client(simulator.url))
    for _ in range(10):
        simulator.replay(body=completion())
        simulator.replay(body=chunks())
    rows = served(calc, lambda: [(chat(shared).sample(), list(chat(shared).stream())) for _ in range(5)])
    shared.close()
    assert {name: (row.calls, row.cost) for name, row in rows.items()} == {
        "acme": (10, 10 * COST),
        "globex": (10, 10 * COST),
    }


def test_a_budget_holds_before_xai_is_asked(make_calc: MakeCalc, simulator: GrpcSimulator) -> None:
    """Two calls fit; the third is refused, and nothing is sent."""
    calc = make_calc(budgets=[Budget(2, per="day", unit="calls")])
    client = calc.wrap(open_client(simulator.url))
    for _ in range(2):
        simulator.replay(body=completion())
        chat(client).sample()
    with pytest.raises(BudgetExceeded):
        list(chat(client).stream())
    client.close()
    assert len(simulator.requests) == 2
    (status,) = calc.budgets.status()
    assert (status.spent, status.held) == (Decimal(2), Decimal(0))


@needs_recordings
@pytest.mark.recorded
@pytest.mark.parametrize("name", names("xai", {"grpc_chat": lambda *_: None}))
def test_what_xai_really_answered(client: Any, meter: RecordingMeter, simulator: GrpcSimulator, name: str) -> None:
    """Recorded answers, sent as protocol buffers again, are read as their documentation says."""
    exchange = load(name)
    simulator.replay(body=ParseDict(json.loads(exchange["body"]), chat_pb2.GetChatCompletionResponse()))
    chat(client).sample()
    assert meter.call.usage == Usage(**exchange["expected_usage"])
    stated = exchange["provider_reported_cost_usd"]
    assert meter.call.reading.provider_cost_usd == (None if stated is None else Decimal(str(stated)))
