"""What differs where the seam is the HTTP client: it sees attempts and statuses rather than calls and exceptions."""

from __future__ import annotations

from typing import Any

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conformance import Case, ClientConformance, done, each, side_by_side
from tests.providers.seams.recording import RecordingMeter, budget_exceeded


async def taken(call: Any, client: Any) -> None:
    """Make a call and take what it gives; some streams send nothing before their first chunk is asked for."""
    answer = await done(call(client))
    if hasattr(answer, "__aiter__") or hasattr(answer, "__next__"):
        async for _ in each(answer):
            pass


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
