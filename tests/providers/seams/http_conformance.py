"""What differs where the seam is the HTTP client: it sees attempts and statuses rather than calls and exceptions."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import read_usage
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conformance import Case, ClientConformance, done, each, side_by_side
from tests.providers.seams.recording import RecordingMeter, budget_exceeded


async def taken(call: Any, client: Any) -> None:
    """Make a call and take what it gives; some streams send nothing before their first chunk is asked for."""
    answer = await done(call(client))
    if hasattr(answer, "__aiter__") or hasattr(answer, "__next__"):
        async for _ in each(answer):
            pass


def body_of(exchange: dict[str, Any]) -> bytes:
    """The bytes that a provider answered with."""
    raw: str = exchange["body"]
    return base64.b64decode(raw) if exchange["body_encoding"] == "base64" else raw.encode()


def content_type_of(exchange: dict[str, Any]) -> str:
    """What it said they are."""
    said: str | None = exchange["content_type"]
    return said or ("text/event-stream" if exchange["streaming"] else "application/json")


def check_recorded(exchange: dict[str, Any], url: str, meter: RecordingMeter) -> None:
    """One call, which ended, and one reading: that of the whole body, or an estimate where a stream never told."""
    assert meter.call.ended
    request = meter.call.request
    expected = read_usage(
        body_of(exchange),
        provider=request.provider,
        api=request.api,
        model=request.model,
        url=url,
        content_type=content_type_of(exchange),
        status=exchange["status"],
    )
    if expected.usage is None and expected.complete:
        assert meter.call.readings == []
    elif expected.complete or not exchange["streaming"]:
        assert meter.call.reading == expected
    else:
        assert meter.call.reading.estimated


class HttpConformance(ClientConformance):
    """Subclass this and provide a `case` fixture."""

    async def test_a_refusal_reaches_the_caller(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """A call over budget raises the refusal itself, at once; nothing is sent, and nothing is tried again."""
        meter.refusal = budget_exceeded()
        for call in (case.ask, case.stream):
            with pytest.raises(BudgetExceeded) as caught:
                await taken(call, client)
            assert caught.value is meter.refusal
            assert caught.value.__cause__ is None
        assert simulator.requests == []
        assert meter.calls == []

    async def test_errors_are_the_bare_clients(
        self, case: Case, bare: Any, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
    ) -> None:
        """A status that says no is an answer like any other to an HTTP client, and is not billed."""
        outcomes = await side_by_side((bare, client), case.ask, lambda: simulator.replay(body=case.error, status=400))
        assert outcomes[0] == outcomes[1]
        assert issubclass(outcomes[0][0], Exception)
        assert meter.call.readings == []
        assert meter.call.ended
