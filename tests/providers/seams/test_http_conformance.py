"""HTTP clients themselves keep every provider's promises, those of httpx, httpx2, requests and aiohttp alike."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import CHAT_COUNTS, chat, chat_stream, sse
from tests.providers.seams.conformance import Case, side_by_side
from tests.providers.seams.http_clients import OPEN, ask, close, stream
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
