"""xAI's clients keep every provider's promises, synchronous and asynchronous alike, over real gRPC."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import grpc
import pytest
import xai_sdk
from xai_sdk.chat import user

from ai_cost_calc.errors import BudgetExceeded
from tests.providers.seams.conformance import Case, ClientConformance, done, each
from tests.providers.seams.grpc_server import COUNTS, MODEL, GrpcSimulator, chunks, completion, open_client
from tests.providers.seams.recording import RecordingMeter, budget_exceeded


def asked(client: Any) -> Any:
    """A chat with one question."""
    return client.chat.create(model=MODEL, messages=[user("Describe the fjord.")], max_tokens=300)


EVENTS: Final[Any] = chunks()
CASES: Final = [
    Case(
        name=f"xai_sdk.{kind.__module__.split('.')[1]}",
        open=partial(open_client, kind=kind),
        ask=lambda client: asked(client).sample(),
        answer=completion(),
        usage=COUNTS,
        provider="x-ai",
        model=MODEL,
        api="grpc_chat",
        stream=lambda client: asked(client).stream(),
        events=EVENTS,
        error=b"No such model.",
    )
    for kind in (xai_sdk.Client, xai_sdk.AsyncClient)
]


async def told(call: Callable[[Any], Any], client: Any) -> tuple[Any, ...]:
    """What a caller is told of an answer or an error; gRPC's errors have no value of their own to compare."""
    try:
        answer = await done(call(client))
        if hasattr(answer, "__next__") or hasattr(answer, "__anext__"):
            taken = [(type(whole), type(chunk), chunk.proto) async for whole, chunk in each(answer)]
            return (type(answer), *taken)
        return type(answer), answer.proto, answer.content
    except grpc.RpcError as error:
        return type(error), error.code(), error.details()


class TestXai(ClientConformance):
    """Both clients."""

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request: pytest.FixtureRequest) -> Case:
        """What is tested."""
        case: Case = request.param
        return case

    @pytest.fixture
    def simulator(self) -> Iterator[GrpcSimulator]:
        """The provider."""
        with GrpcSimulator() as running:
            yield running

    @pytest.fixture(autouse=True)
    def _forget_logs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The tracing logs an error when an asynchronous stream is dropped; pytest would keep the stream with it."""
        monkeypatch.setattr(logging.getLogger("opentelemetry.context"), "disabled", True)

    async def side_by_side(self, case: Case, bare: Any, client: Any, **answer: Any) -> tuple[Any, ...]:
        """What both clients tell, answered alike."""
        simulator: GrpcSimulator = answer.pop("simulator")
        outcomes = []
        for asking in (bare, client):
            simulator.replay(**answer)
            call = case.stream if isinstance(answer["body"], list) else case.ask
            assert call is not None
            outcomes.append(await told(call, asking))
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    async def test_answers_are_the_bare_clients(self, case: Case, bare: Any, client: Any, simulator: Any) -> None:
        """An answer has the type and the fields that the bare client gives."""
        assert await self.side_by_side(case, bare, client, simulator=simulator, body=completion())

    async def test_streams_are_the_bare_clients(self, case: Case, bare: Any, client: Any, simulator: Any) -> None:
        """A stream has the chunks and the order that the bare client gives."""
        taken = await self.side_by_side(case, bare, client, simulator=simulator, body=chunks())
        assert len(taken) == 1 + len(chunks())

    async def test_errors_are_the_bare_clients(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: Any
    ) -> None:
        """An error of the provider's has the type, code and details that the bare client gives; it is not billed."""
        error = await self.side_by_side(case, bare, client, simulator=simulator, body=b"No such model.", status=400)
        assert error[1:] == (grpc.StatusCode.INVALID_ARGUMENT, "No such model.")
        assert meter.call.readings == []
        ((seen, _),) = meter.call.ends
        assert isinstance(seen, grpc.RpcError)

    async def test_a_stream_that_breaks_off_is_estimated(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: Any
    ) -> None:
        """The error is the bare client's; what was said by then is estimated."""
        error = await self.side_by_side(case, bare, client, simulator=simulator, body=chunks(), break_after=1)
        assert error[1:] == (grpc.StatusCode.INTERNAL, "The connection broke.")
        assert len(meter.call.ends) == 1
        assert (meter.call.reading.estimated, meter.call.reading.complete) == (True, False)
        assert meter.call.usage.output_tokens == -(-len("Deep ") // 4)

    async def test_a_stream_that_never_begins(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: Any
    ) -> None:
        """An error in place of the first chunk is not billed."""
        await self.side_by_side(case, bare, client, simulator=simulator, body=chunks(), break_after=0)
        assert meter.call.readings == []
        assert len(meter.call.ends) == 1

    async def test_a_refusal_reaches_the_caller(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: Any
    ) -> None:
        """A call over budget raises the refusal itself, a stream when it is begun; nothing is sent."""
        meter.refusal = budget_exceeded()
        assert case.stream is not None
        with pytest.raises(BudgetExceeded) as caught:
            await done(case.ask(client))
        assert caught.value is meter.refusal
        with pytest.raises(BudgetExceeded) as caught:
            [chunk async for chunk in each(case.stream(client))]
        assert caught.value is meter.refusal
        assert caught.value.__cause__ is None
        assert simulator.requests == []
        assert meter.calls == []
