"""Every recorded exchange, asked for again over plain HTTP: what the tap reads is what is read of the whole body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import httpx2
import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._http_request import place_of
from ai_cost_calc.providers._jobs import JOBS
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.exchanges import RECORDED, load, needs_recordings
from tests.providers.seams.http_clients import elsewhere
from tests.providers.seams.http_conformance import body_of, check_recorded, content_type_of
from tests.providers.seams.recording import RecordingMeter

pytestmark = [pytest.mark.recorded, needs_recordings]

NAMES: Final = [
    name
    for name in sorted(str(path.relative_to(RECORDED)) for path in RECORDED.glob("*/*/*.json"))
    if load(name)["url_path"]
]
"""Those that say where they were asked for."""
LEFT_ALONE: Final = {
    "anthropic/batch_results", "anthropic/count_tokens", "bedrock/count_tokens", "google/cached_contents",
    "google/count_tokens", "openai/assistants_runs", "openai/batch_results", "openai/batches", "openai/moderations",
}  # fmt: skip
"""What is free, or is billed later."""


@pytest.fixture
def client(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[httpx2.Client]:
    """A wrapped HTTP client."""
    with httpx2.Client(transport=elsewhere(httpx2, simulator.url)[0]) as client:
        provider_for(client).wrap(client, meter)
        yield client


@pytest.mark.parametrize("name", NAMES)
def test_an_exchange_over_plain_http(
    name: str, client: httpx2.Client, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The same reading, begun under the names it is priced by; nothing begins for what is not billed."""
    exchange = load(name)
    url = f"http://{exchange['url_host']}{exchange['url_path']}"
    body = body_of(exchange)
    simulator.replay(body=body, content_type=content_type_of(exchange), status=exchange["status"])
    response = client.post(url, json=exchange["request"])
    assert response.content == body
    if place_of(url, None) is None:
        assert meter.calls == []
        return
    if meter.call.request.api == "responses" and exchange["request"].get("background") and not meter.call.ends:
        waiting = JOBS.finish(response.json()["id"])
        assert waiting is meter.call
        waiting.end()
    check_recorded(exchange, str(response.request.url), meter)


def test_what_is_left_alone() -> None:
    """Only these APIs begin no call."""
    found = {
        f"{exchange['provider']}/{exchange['api']}"
        for exchange in map(load, NAMES)
        if place_of(f"http://{exchange['url_host']}{exchange['url_path']}", None) is None
    }
    assert found == LEFT_ALONE
