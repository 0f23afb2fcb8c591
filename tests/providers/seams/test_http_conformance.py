"""HTTP clients themselves keep every provider's promises, those of httpx, httpx2, requests and aiohttp alike."""

from __future__ import annotations

import json
from typing import Any, Final
from unittest.mock import ANY

import pytest

from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import CHAT_COUNTS, RESPONSE_COUNTS, chat, chat_stream, response, sse
from tests.providers.seams.conformance import Case, done, side_by_side
from tests.providers.seams.http_clients import OPEN, ask, close, get, stream
from tests.providers.seams.http_conformance import HttpConformance
from tests.providers.seams.recording import RecordingMeter

CHAT: Final[dict[str, Any]] = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Describe the fjord."}]}
STREAM: Final[dict[str, Any]] = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}

CASES: Final = [
    Case(
        name=name,
        open=OPEN[name],
        ask=lambda client: ask(client, CHAT),
        answer=json.dumps(chat()).encode(),
        usage=CHAT_COUNTS,
        provider="openai",
        model="gpt-4.1-2025-04-14",
        stream=lambda client: stream(client, STREAM),
        events=sse(*chat_stream()).replace(b"gpt-4o-mini", b"gpt-4.1-2025-04-14"),
        retries=False,
        close=close,
    )
    for name in OPEN
]


class TestHttpClients(HttpConformance):
    """An HTTP client of every library, asked for OpenAI's chat completions without an SDK."""

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request: pytest.FixtureRequest) -> Case:
        """What is tested."""
        case: Case = request.param
        return case

    async def test_connections_that_fail(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """An error of the connection is the bare client's, ends the call, and is not billed."""
        simulator.close()
        outcomes = await side_by_side((bare, client), case.ask, lambda: None)
        assert outcomes[0][0] is outcomes[1][0]
        assert issubclass(outcomes[0][0], Exception)
        assert meter.call.readings == []
        ((error, _),) = meter.call.ends
        assert type(error) is outcomes[0][0]

    async def test_a_chat_stream_without_usage(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """The request is sent as it is; what its stream does not report is estimated, and marked."""
        body = {**CHAT, "stream": True}
        events = sse(*chat_stream(usage=None))
        outcomes = await side_by_side(
            (bare, client),
            lambda client: stream(client, body),
            lambda: simulator.replay(body=events, content_type="text/event-stream"),
        )
        assert outcomes[0] == outcomes[1]
        assert all(request.body == body for request in simulator.requests)
        assert meter.call.usage.counts() == {"input_tokens": ANY, "output_tokens": -(-len("Grüße 👋".encode()) // 4)}
        assert (meter.call.reading.estimated, meter.call.reading.complete) == (True, False)
        assert meter.call.ended

    async def test_background_responses(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """A response that is made in the background is one call, which the poll ends that finds it done."""
        url = "http://api.openai.com/v1/responses"
        name = f"resp_{case.name.replace('.', '_')}"
        queued = response(id=name, status="queued", background=True, usage=None)
        simulator.replay(body=json.dumps(queued).encode())
        await done(ask(client, {"model": "gpt-5", "input": "Hello.", "background": True}, url))
        assert meter.call.ends == []
        simulator.replay(body=json.dumps(response(id=name, background=True)).encode())
        await done(get(client, f"{url}/{name}"))
        assert meter.call.usage.counts() == RESPONSE_COUNTS
        assert meter.call.ended
