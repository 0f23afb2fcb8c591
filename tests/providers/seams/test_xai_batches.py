"""xAI's batches: each request in one is a call from when it is added until its result is listed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import grpc
import pytest
import xai_sdk
from google.protobuf.empty_pb2 import Empty
from xai_sdk.chat import user
from xai_sdk.proto import batch_pb2, image_pb2, video_pb2

from ai_cost_calc import Budget, BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._jobs import JOBS
from tests.conftest import MakeCalc
from tests.providers.seams.grpc_server import (
    COUNTS,
    MODEL,
    GrpcSimulator,
    batch_result,
    completion,
    open_client,
    pictures,
)
from tests.providers.seams.recording import RecordingMeter, RefusingLater

pytestmark = pytest.mark.usefixtures("nothing_waits")

COST: Final = Decimal("0.00044685")
"""What one answer costs, as xAI states it."""
PICTURE: Final = batch_pb2.BatchRequest(
    image_request=image_pb2.GenerateImageRequest(prompt="A fjord", model="grok-imagine-image", n=2)
)
VIDEO: Final = batch_pb2.BatchRequest(
    batch_request_id="film", video_request=video_pb2.GenerateVideoRequest(prompt="A fjord", model="grok-imagine-video")
)
NOTHING: Final = Empty()


@pytest.fixture
def simulator() -> Iterator[GrpcSimulator]:
    """The provider."""
    with GrpcSimulator() as running:
        yield running


@pytest.fixture
def client(meter: RecordingMeter, simulator: GrpcSimulator) -> Iterator[Any]:
    """A wrapped client."""
    with open_client(simulator.url) as client:
        provider_for(client).wrap(client, meter)
        yield client


def chat(client: Any, name: str | None = None) -> Any:
    """A chat to be added to a batch."""
    return client.chat.create(model=MODEL, messages=[user("Describe the fjord.")], batch_request_id=name)


def state(**counts: int) -> batch_pb2.Batch:
    """How a batch stands."""
    return batch_pb2.Batch(batch_id="b-1", state=batch_pb2.BatchState(**counts))


def listed(*results: batch_pb2.BatchResult) -> batch_pb2.ListBatchResultsResponse:
    """What a batch has answered so far."""
    return batch_pb2.ListBatchResultsResponse(results=results)


def failed(name: str) -> batch_pb2.BatchResult:
    """A request of a batch that was not answered."""
    return batch_pb2.BatchResult(batch_request_id=name, error={"code": 3})


async def done(value: Any) -> Any:
    """What a client of either kind returns."""
    return await value if asyncio.iscoroutine(value) else value


@pytest.mark.parametrize("kind", [xai_sdk.Client, xai_sdk.AsyncClient])
async def test_each_request_is_a_call_until_its_result_is_listed(
    kind: Any, meter: RecordingMeter, simulator: GrpcSimulator
) -> None:
    """Results come in any order, in several listings, and are recorded at batch rates once, for who added them."""
    client = open_client(simulator.url, kind)
    provider_for(client).wrap(client, meter)
    simulator.replay(body=NOTHING)
    await done(client.batch.add("b-1", [chat(client, "first"), chat(client, "second"), VIDEO]))
    first, second, film = meter.calls
    assert [(call.request.api, call.request.batch) for call in meter.calls] == [
        ("grpc_chat", True), ("grpc_chat", True), ("grpc_video", True),
    ]  # fmt: skip
    assert first.input_bytes > 0
    assert [call.ends for call in meter.calls] == [[], [], []]
    for results in ([batch_result("second", completion())], [failed("film")]):
        simulator.replay(body=listed(*results))
        await done(client.batch.list_batch_results("b-1"))
    assert (second.usage.counts(), second.reading.service_tier, second.tokens) == (COUNTS, "batch", ["x-ai:b-1/second"])
    assert second.ended
    assert (film.readings, film.ended) == ([], True)
    assert (first.ends, first.beats) == ([], 2)
    simulator.replay(body=listed(batch_result("first", completion())))
    await done(client.batch.list_batch_results("b-1"))
    assert (first.usage.counts(), first.ended) == (COUNTS, True)
    assert meter.recorded == []
    await done(client.close())


def test_a_refusal_adds_nothing(simulator: GrpcSimulator) -> None:
    """Where the budget ends within a batch nothing is sent, and what its first requests held is given back."""
    meter = RefusingLater(allowed=2)
    with open_client(simulator.url) as client:
        provider_for(client).wrap(client, meter)
        with pytest.raises(BudgetExceeded) as caught:
            client.batch.add("b-1", [chat(client) for _ in range(3)])
    assert [caught.value] == meter.refused
    assert caught.value.__cause__ is None
    assert simulator.requests == []
    assert [(call.ends, call.readings) for call in meter.calls] == [([(caught.value, False)], [])] * 2


async def test_a_refusal_adds_nothing_awaited(simulator: GrpcSimulator) -> None:
    """Likewise."""
    meter = RefusingLater(allowed=1)
    client = open_client(simulator.url, xai_sdk.AsyncClient)
    provider_for(client).wrap(client, meter)
    with pytest.raises(BudgetExceeded) as caught:
        await client.batch.add("b-1", [chat(client), chat(client)])
    assert [caught.value] == meter.refused
    assert simulator.requests == []
    assert meter.call.ends == [(caught.value, False)]
    await client.close()


def test_requests_that_cannot_be_added(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """The caller gets the SDK's error, and nothing is held."""
    simulator.replay(body=b"No such batch.", status=400)
    with pytest.raises(grpc.RpcError) as caught:
        client.batch.add("b-1", [chat(client), PICTURE])
    assert [call.ends for call in meter.calls] == [[(caught.value, False)]] * 2


def test_requests_without_a_name(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Their results, which xAI names, are recorded for whoever lists them; what they held ends with the batch."""
    simulator.replay(body=NOTHING)
    client.batch.add("b-1", [chat(client), chat(client, "named")])
    unnamed, named = meter.calls
    simulator.replay(body=state(num_requests=2, num_pending=1, num_success=1))
    client.batch.get("b-1")
    assert (unnamed.beats, unnamed.ends, named.beats) == (1, [], 1)
    simulator.replay(body=state(num_requests=2, num_success=2))
    client.batch.get("b-1")
    assert (unnamed.readings, unnamed.ended) == ([], True)
    assert named.ends == []
    simulator.replay(body=listed(batch_result("named", completion()), batch_result("r-7", pictures(1))))
    client.batch.list_batch_results("b-1")
    assert named.ended
    ((reading, token),) = meter.recorded
    assert (reading.service_tier, token) == ("batch", "x-ai:b-1/r-7")


def test_a_batch_that_is_cancelled(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Once it is known that nothing was answered, nothing is held."""
    simulator.replay(body=NOTHING)
    client.batch.add("b-1", [chat(client, "first"), PICTURE])
    for now, over in ((state(num_requests=2, num_pending=2), False), (state(num_requests=2, num_cancelled=2), True)):
        simulator.replay(body=now)
        client.batch.cancel("b-1")
        assert [(call.readings, call.ended) for call in meter.calls] == [([], over)] * 2


def test_a_batch_of_a_file(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """What is in the file is not known: one call stands for it until the batch is over. Without a file, none does."""
    simulator.replay(body=state())
    client.batch.create("mine")
    assert meter.calls == []
    simulator.replay(body=state())
    client.batch.create("mine", input_file_id="file-1")
    assert (meter.call.request.api, meter.call.request.batch, meter.call.ends) == ("batches", True, [])
    simulator.replay(body=state(num_requests=3, num_success=3))
    client.batch.get("b-1")
    assert (meter.call.readings, meter.call.ended) == ([], True)


def test_a_batch_of_a_file_that_cannot_be_made(client: Any, meter: RecordingMeter, simulator: GrpcSimulator) -> None:
    """Nothing is held."""
    simulator.replay(body=b"No such file.", status=400)
    with pytest.raises(grpc.RpcError) as caught:
        client.batch.create("mine", input_file_id="file-1")
    assert meter.call.ends == [(caught.value, False)]


def test_a_budget_holds_for_a_batch(make_calc: MakeCalc, simulator: GrpcSimulator) -> None:
    """A batch is for whom it was made, whoever lists its results, and counts once; more than fits is refused whole."""
    calc = make_calc(budgets=[Budget(2, per="day", unit="calls")])
    client = calc.wrap(open_client(simulator.url))
    simulator.replay(body=NOTHING)
    with calc.attribute(customer_id="acme"):
        client.batch.add("b-1", [chat(client, "first"), chat(client, "second")])
    (status,) = calc.budgets.status()
    assert (status.spent, status.held) == (Decimal(0), Decimal(2))
    with pytest.raises(BudgetExceeded):
        client.batch.add("b-1", [chat(client, "third")])
    for _ in range(2):
        simulator.replay(body=listed(batch_result("first", completion()), batch_result("second", completion())))
        with calc.attribute(customer_id="globex"):
            client.batch.list_batch_results("b-1")
    client.close()
    (status,) = calc.budgets.status()
    assert (status.spent, status.held) == (Decimal(2), Decimal(0))
    calc.flush()
    assert {row.customer: row.cost for row in calc.report(by=["customer"])} == {"acme": 2 * COST}


def test_nothing_of_what_was_asked_is_kept(make_calc: MakeCalc, simulator: GrpcSimulator) -> None:
    """While a batch is under way its requests are not held on to, although no budget has measured them."""
    with make_calc().wrap(open_client(simulator.url)) as client:
        simulator.replay(body=NOTHING)
        client.batch.add("b-1", [chat(client, "first")])
        waiting: Any = JOBS.waiting("x-ai:b-1/first")
        assert waiting._request.input._request is None
