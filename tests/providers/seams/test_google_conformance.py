"""Google's client keeps every provider's promises: both APIs, sync and async, with aiohttp and without."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import settle_dropped
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conformance import (
    Case,
    ClientConformance,
    check_aborted,
    done,
    each,
    first_chunk,
    left,
    outcome,
)
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

genai = pytest.importorskip("google.genai")

from google.genai import types  # noqa: E402 - once it is known to be there

from tests.providers.seams import gemini as google  # noqa: E402

pytestmark = google.QUIET

RETRIES: Final = types.HttpRetryOptions(attempts=2, initial_delay=0.001, jitter=0.0)
ASKED: Final[dict[str, Any]] = {"model": google.MODEL, "contents": "How deep is the fjord?"}
ASKED_INTERACTION: Final[dict[str, Any]] = {"model": google.MODEL, "input": "How deep is the fjord?"}
Opened = Callable[..., Any]


def content_case(name: str, client: Opened, side: Callable[[Any], Any], **more: Any) -> Case:
    """`generate_content` and its stream, on one side of a client."""
    return Case(
        name=name,
        open=lambda url: client(url, retry_options=RETRIES, **more),
        ask=lambda opened: side(opened).models.generate_content(**ASKED),
        answer=json.dumps(google.answer()).encode(),
        usage=google.COUNTS,
        provider="google",
        model=google.MODEL,
        api="generate_content",
        stream=lambda opened: side(opened).models.generate_content_stream(**ASKED),
        events=google.sse(*google.chunks()),
        error=google.ERROR,
        close=closed,
    )


def interaction_case(name: str, side: Callable[[Any], Any]) -> Case:
    """`interactions.create` and its stream."""
    return Case(
        name=name,
        open=lambda url: google.gemini(url, retry_options=RETRIES),
        ask=lambda opened: side(opened).interactions.create(**ASKED_INTERACTION),
        answer=json.dumps(google.interaction()).encode(),
        usage=google.INTERACTION_COUNTS,
        provider="google",
        model=google.MODEL,
        api="interactions",
        stream=lambda opened: side(opened).interactions.create(**ASKED_INTERACTION, stream=True),
        events=google.sse(*google.interaction_events()),
        error=google.ERROR,
        close=closed,
    )


async def closed(client: Any) -> None:
    """Close both sides of a client."""
    client.close()
    await client.aio.aclose()


CASES: Final = [
    content_case("gemini", google.gemini, lambda client: client),
    content_case("gemini.aio", google.gemini, lambda client: client.aio),
    content_case("gemini.aio-httpx2", google.gemini, lambda client: client.aio, transport="httpx2"),
    content_case("vertex", google.vertex, lambda client: client),
    content_case("vertex.aio", google.vertex, lambda client: client.aio),
    interaction_case("interactions", lambda client: client),
    interaction_case("interactions.aio", lambda client: client.aio),
]


async def ended(meter: RecordingMeter) -> None:
    """Give the event loop the few turns in which it closes one generator of the SDK's after the other."""
    for _ in range(30):
        settle_dropped()
        if meter.call.ends:
            return
        await asyncio.sleep(0)


class TestClients(ClientConformance):
    """Every side of the client."""

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request: pytest.FixtureRequest) -> Case:
        """What is tested."""
        case: Case = request.param
        return case

    async def test_a_stream_that_is_left_is_estimated(
        self, case: Case, client: Any, meter: RecordingMeter, slowly: Callable[[], None]
    ) -> None:
        """A stream that is closed early ends its call, aborted, once the event loop has closed what is inside of it."""
        slowly()
        stream = await first_chunk(case, client)
        await left(stream)
        await ended(meter)
        check_aborted(meter)

    async def test_a_stream_that_is_dropped_is_estimated(
        self, case: Case, client: Any, meter: RecordingMeter, slowly: Callable[[], None]
    ) -> None:
        """So does one that its consumer lets go of without closing it."""
        slowly()
        stream = await first_chunk(case, client)
        assert meter.call.ends == []
        del stream
        gc.collect()
        await ended(meter)
        check_aborted(meter)

    async def test_errors_are_the_bare_clients(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """So are errors; the generated resources raise theirs after the call, of an answer that is not billed."""
        if case.api != "interactions":
            await super().test_errors_are_the_bare_clients(case, bare, client, meter, simulator)
            return
        outcomes = []
        for each_client in (bare, client):
            simulator.replay(body=case.error, status=400)
            outcomes.append(await outcome(case.ask, each_client))
        assert outcomes[0] == outcomes[1]
        assert issubclass(outcomes[0][0], Exception)
        assert meter.call.readings == []
        assert meter.call.ended

    async def test_a_refusal_reaches_the_caller(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """A call over budget raises the refusal itself, a stream of contents with its first chunk; nothing is sent."""
        meter.refusal = budget_exceeded()
        assert case.stream is not None
        with pytest.raises(BudgetExceeded) as asked:
            await done(case.ask(client))
        with pytest.raises(BudgetExceeded) as streamed:
            [chunk async for chunk in each(await done(case.stream(client)))]
        for caught in (asked, streamed):
            assert caught.value is meter.refusal
            assert caught.value.__cause__ is None
        assert simulator.requests == []
        assert meter.calls == []
