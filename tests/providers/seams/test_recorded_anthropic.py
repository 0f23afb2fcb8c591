"""Recorded exchanges of Anthropic, replayed from loopback through the real SDK."""

from __future__ import annotations

from typing import Any

import pytest

from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.exchanges import Ask, check, load, names, needs_recordings, outcome, plan
from tests.providers.seams.recording import RecordingMeter

anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")

pytestmark = [pytest.mark.recorded, needs_recordings]

HELLO: Any = [{"role": "user", "content": "Hello."}]

APIS: dict[str, Ask] = {
    "messages": lambda c, s: c.messages.create(model="claude-opus-4-8", max_tokens=100, messages=HELLO, stream=s),
}


@pytest.mark.parametrize("name", names("anthropic", APIS))
def test_anthropic(name: str, anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """What the tap reads of an exchange of Anthropic is what is read of its whole body."""
    check(simulator, meter, load(name), APIS["messages"], anthropic_client.with_options(max_retries=0))


@pytest.mark.parametrize("name", names("anthropic", APIS))
def test_the_caller_gets_what_the_bare_client_gives(
    name: str, anthropic_client: Any, simulator: ProviderSimulator
) -> None:
    """Field by field, chunk by chunk and error by error, a wrapped client answers like a bare one."""
    exchange = load(name)
    bare = anthropic.Anthropic(
        base_url=simulator.anthropic_base_url, api_key="any", max_retries=0, http_client=anthropic_client._client
    )
    outcomes = []
    for client in (bare, anthropic_client.with_options(max_retries=0)):
        plan(simulator, exchange)
        outcomes.append(outcome(APIS["messages"], client, exchange))
    assert outcomes[0] == outcomes[1]
