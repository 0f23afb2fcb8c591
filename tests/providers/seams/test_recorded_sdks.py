"""Recorded exchanges of Groq, Together and Claude on Amazon Bedrock, and recorded batches, through their own SDKs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pytest

from ai_cost_calc.providers import provider_for, read_usage
from ai_cost_calc.providers._jobs import JOBS
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.exchanges import Ask, body_of, load, names, needs_recordings, outcome, plan
from tests.providers.seams.hosts import rerouted
from tests.providers.seams.recording import RecordingMeter

if TYPE_CHECKING:
    import openai

pytestmark = [pytest.mark.recorded, needs_recordings]

HELLO: Final[Any] = [{"role": "user", "content": "Hello."}]
CLAUDE: Final = [
    name
    for name in names("bedrock", {"invoke": lambda *_: None})
    if "anthropic.claude-" in load(name)["url_path"] and "claude-v2" not in load(name)["url_path"]
]
"""Exchanges of Claude models that answer in Anthropic's messages."""


def _model(exchange: dict[str, Any]) -> str:
    found = exchange["model_hint"] or exchange["model"]
    return str(found) if "/model/" not in exchange["url_path"] else unquote(exchange["url_path"].split("/")[2])


def _chat(exchange: dict[str, Any]) -> Ask:
    return lambda c, s: c.chat.completions.create(model=_model(exchange), messages=HELLO, stream=s)


def _completion(exchange: dict[str, Any]) -> Ask:
    return lambda c, s: c.completions.create(model=_model(exchange), prompt="Hello.", stream=s)


def _message(exchange: dict[str, Any]) -> Ask:
    return lambda c, s: c.messages.create(model=_model(exchange), max_tokens=100, messages=HELLO, stream=s)


SDKS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "groq": ("groq", "Groq", {"api_key": "any"}),
    "together": ("together", "Together", {"api_key": "any"}),
    "bedrock": ("anthropic", "AnthropicBedrock", {"api_key": "any", "aws_region": "us-east-1"}),
}
ASKS: Final[dict[str, Callable[[dict[str, Any]], Ask]]] = {
    "groq/chat": _chat,
    "together/chat": _chat,
    "together/completions": _completion,
    "bedrock/invoke": _message,
}
RECORDED: Final = [
    *names("groq", {"chat": lambda *_: None}),
    *names("together", {"chat": lambda *_: None, "completions": lambda *_: None}),
    *CLAUDE,
]


@pytest.fixture
def open_sdk(simulator: ProviderSimulator) -> Iterator[Callable[[str], Any]]:
    """Open clients at their own vendor's address, which loopback answers."""
    with ExitStack() as opened:

        def open_client(folder: str) -> Any:
            module, name, options = SDKS[folder]
            sdk = pytest.importorskip(module)
            httpx = importlib.import_module("httpx2" if module == "anthropic" else "httpx")
            http = rerouted(httpx, simulator.url)
            return opened.enter_context(getattr(sdk, name)(http_client=http, max_retries=0, **options))

        yield open_client


@pytest.mark.parametrize("name", RECORDED)
def test_an_exchange_is_read_as_its_whole_body(
    name: str, open_sdk: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """What the tap reads through the vendor's own SDK is what is read of the whole body."""
    exchange = load(name)
    client = open_sdk(exchange["provider"])
    provider_for(client).wrap(client, meter)
    plan(simulator, exchange)
    outcome(ASKS[f"{exchange['provider']}/{exchange['api']}"](exchange), client, exchange)
    if exchange["status"] >= 400:
        assert meter.call.readings == []
        return
    host = client.base_url.host
    expected = read_usage(
        body_of(exchange),
        url=f"https://{host}{simulator.requests[-1].path}",
        content_type=exchange["content_type"],
        model=_model(exchange),
    )
    if expected.complete:
        assert meter.call.reading == expected
    else:
        assert not meter.call.reading.complete
    if exchange["expected_usage"]:
        assert meter.call.usage.output_tokens == exchange["expected_usage"]["output_tokens"]
        assert meter.call.usage.input_tokens == exchange["expected_usage"]["input_tokens"]


@pytest.mark.parametrize("name", RECORDED)
def test_the_caller_gets_what_the_bare_client_gives(
    name: str, open_sdk: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Field by field, chunk by chunk and error by error, a wrapped client answers like a bare one."""
    exchange = load(name)
    bare, wrapped = open_sdk(exchange["provider"]), open_sdk(exchange["provider"])
    provider_for(wrapped).wrap(wrapped, meter)
    ask = ASKS[f"{exchange['provider']}/{exchange['api']}"](exchange)
    outcomes = []
    for client in (bare, wrapped):
        plan(simulator, exchange)
        outcomes.append(outcome(ask, client, exchange))
    assert outcomes[0] == outcomes[1]


@pytest.fixture
def no_jobs() -> None:
    """Nothing was seen before."""
    JOBS._recorded.clear()


@pytest.mark.usefixtures("no_jobs")
def test_recorded_batches(openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Batches that were recorded while they ran tell nothing yet; the output file tells all, once."""
    for name in names("openai", {"batches": lambda *_: None}):
        exchange = load(name)
        plan(simulator, exchange)
        assert openai_client.batches.retrieve(exchange["url_path"].rpartition("/")[2]).usage is not None
    assert meter.recorded == []
    (name,) = names("openai", {"batch_results": lambda *_: None})
    for _ in range(2):
        plan(simulator, load(name))
        assert openai_client.files.content("file-7DLNVnm7WMeyfALa1241zH").content == body_of(load(name))
    ((reading, recorded_as),) = meter.recorded
    assert reading.usage is not None
    assert reading.usage.counts() == {"input_tokens": load(name)["expected_usage"]["input_tokens"]}
    assert (reading.model, reading.service_tier) == ("text-embedding-3-small", "batch")
    assert recorded_as == "openai:file-7DLNVnm7WMeyfALa1241zH"


@pytest.mark.usefixtures("no_jobs")
def test_recorded_results_of_a_message_batch(
    anthropic_client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Anthropic's results are read line by line and recorded at their end."""
    (name,) = names("anthropic", {"batch_results": lambda *_: None})
    exchange = load(name)
    batch_id = exchange["url_path"].split("/")[-2]
    state = b'{"id": "%s", "type": "message_batch", "processing_status": "ended", "results_url": "%s"}'
    simulator.replay(body=state % (batch_id.encode(), f"{simulator.url}{exchange['url_path']}".encode()))
    plan(simulator, exchange)
    assert len(list(anthropic_client.messages.batches.results(batch_id))) == 2
    ((reading, recorded_as),) = meter.recorded
    assert reading.usage is not None
    assert reading.usage.counts() == exchange["expected_usage"]
    assert (reading.model, reading.calls, recorded_as) == ("claude-haiku-4-5-20251001", 2, f"anthropic:{batch_id}")
