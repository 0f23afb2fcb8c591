"""Recorded exchanges of Google's APIs, replayed from loopback through the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conformance import outcome
from tests.providers.seams.exchanges import check_reading, load, names, needs_recordings, plan
from tests.providers.seams.recording import RecordingMeter

genai = pytest.importorskip("google.genai")

from tests.providers.seams import gemini as google  # noqa: E402 - once it is known to be there

pytestmark = [pytest.mark.recorded, needs_recordings, google.QUIET]

Ask = Callable[[dict[str, Any], Any], Any]
HELLO: Final = "Hello."


def model_of(exchange: dict[str, Any]) -> str:
    """The model that was asked for."""
    named = exchange["model"] or exchange["model_hint"] or "text-embedding-005"
    return str(named).removeprefix("models/")


def generate(exchange: dict[str, Any], used: Any) -> Any:
    """Ask for contents, streamed as the recording was."""
    models = used.models
    ask = models.generate_content_stream if exchange["streaming"] else models.generate_content
    return ask(model=model_of(exchange), contents=HELLO)


def interact(exchange: dict[str, Any], used: Any) -> Any:
    """Ask for an interaction, of an agent where no model was asked for, which works in the background."""
    model = exchange["model"] or exchange["model_hint"]
    asked = {"model": model} if model else {"agent": "deep-research-pro-preview-12-2025", "background": True}
    return used.interactions.create(input=HELLO, stream=exchange["streaming"], **asked)


def embed(exchange: dict[str, Any], used: Any) -> Any:
    """Ask for an embedding."""
    return used.models.embed_content(model=model_of(exchange), contents=HELLO)


def count(exchange: dict[str, Any], used: Any) -> Any:
    """Count tokens."""
    return used.models.count_tokens(model=model_of(exchange), contents=HELLO)


def cache(exchange: dict[str, Any], used: Any) -> Any:
    """Make a cache."""
    return used.caches.create(model=model_of(exchange), config={"contents": HELLO})


GEMINI: Final[dict[str, Ask]] = {"generate_content": generate, "embed": embed, "interactions": interact}
VERTEX: Final[dict[str, Ask]] = {"generate_content": generate, "embed": embed, "predict": embed}
FREE: Final[dict[str, Ask]] = {"count_tokens": count, "cached_contents": cache}
RECORDINGS: Final = [
    *names("google", {api: lambda *_: None for api in GEMINI}),
    *names("vertex", {api: lambda *_: None for api in VERTEX}),
]
BILLED: Final = [name for name in RECORDINGS if not load(name)["body"].startswith("[")]
"""All but a stream that came as one JSON array: the SDK asks for events, and cannot read anything else."""
Clients = Callable[[], Any]


@pytest.fixture(params=["sync", "aio", "aio-httpx2"])
def side(request: pytest.FixtureRequest) -> str:
    """Which side of a client is asked, and how the asynchronous one sends."""
    side: str = request.param
    return side


@pytest.fixture
async def make(name: str, side: str, simulator: ProviderSimulator) -> AsyncIterator[Clients]:
    """Make clients of the API that the recording is of."""
    transport = "httpx2" if side.endswith("httpx2") else "aiohttp"
    made: list[Any] = []

    def open_client() -> Any:
        opened = google.vertex if name.startswith("vertex/") else google.gemini
        made.append(opened(simulator.url, transport=transport))
        return made[-1]

    yield open_client
    for client in made:
        client.close()
        await client.aio.aclose()


async def asked(client: Any, side: str, exchange: dict[str, Any]) -> Any:
    """What a caller gets of an exchange."""
    used = client if side == "sync" else client.aio
    ask = (GEMINI | VERTEX | FREE)[exchange["api"]]
    return await outcome(partial(ask, exchange), used)


@pytest.mark.parametrize("name", BILLED)
async def test_exchanges(
    name: str, side: str, make: Clients, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """What the tap reads of an exchange is what is read of its whole body; the caller gets what a bare client gives."""
    exchange = load(name)
    wrapped, bare = make(), make()
    provider_for(wrapped).wrap(wrapped, meter)
    outcomes = []
    for client in (wrapped, bare):
        plan(simulator, exchange)
        outcomes.append(await asked(client, side, exchange))
    assert outcomes[0] == outcomes[1]
    if exchange["model"] is None and exchange["api"] == "interactions":
        assert (meter.call.readings, meter.call.ends) == ([], [])  # it is under way
        meter.call.end()
    else:
        check_reading(simulator, meter, exchange)


@pytest.mark.parametrize("name", names("google", {api: lambda *_: None for api in FREE}))
async def test_what_is_free(
    name: str, side: str, make: Clients, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Counting tokens and making caches are no calls."""
    client = make()
    provider_for(client).wrap(client, meter)
    plan(simulator, load(name))
    await asked(client, side, load(name))
    assert len(simulator.requests) == 1
    assert meter.calls == []
