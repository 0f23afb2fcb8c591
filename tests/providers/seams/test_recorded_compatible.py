"""OpenAI's client at other vendors' base URLs: whose answer it is, and that it is read by that vendor's own rules.

Recorded exchanges are asked for again at the address where they were recorded, which loopback answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any, Final

import openai
import pytest

from ai_cost_calc.providers import provider_for, read_usage
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.exchanges import Ask, load, names, needs_recordings, outcome, plan
from tests.providers.seams.hosts import rerouted
from tests.providers.seams.recording import RecordingMeter

httpx: Any = pytest.importorskip("httpx2" if openai.__version__ >= "3" else "httpx")

pytestmark = [pytest.mark.recorded, needs_recordings]

ASKED: Final[Any] = {"include_usage": True}
HELLO: Final[Any] = [{"role": "user", "content": "Hello."}]


def _model(exchange: dict[str, Any]) -> str:
    return str(exchange["model_hint"] or exchange["model"] or "a-model")


def _asking(exchange: dict[str, Any]) -> dict[str, Ask]:
    """How the APIs that others copied are asked, for the model of an exchange."""
    model = _model(exchange)
    return {
        "chat": lambda c, s: c.chat.completions.create(
            model=model, messages=HELLO, stream=s, **({"stream_options": ASKED} if s else {})
        ),
        "completions": lambda c, s: c.completions.create(
            model=model, prompt="Hello.", stream=s, **({"stream_options": ASKED} if s else {})
        ),
        "responses": lambda c, s: c.responses.create(model=model, input="Hello.", stream=s),
        "embeddings": lambda c, _: c.embeddings.create(model=model, input="Hello."),
        "rerank": lambda c, _: c.post("/rerank", body={"model": model, "query": "Hello."}, cast_to=object),
    }


ENDINGS: Final = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "responses": "/responses",
    "embeddings": "/embeddings",
    "rerank": "/rerank",
}
APIS: Final[Any] = dict.fromkeys(ENDINGS)
USUAL: Final = {
    "alibaba": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "deepseek": "https://api.deepseek.com",
    "lmstudio": "http://localhost:1234/v1",
    "mistral": "https://api.mistral.ai/v1",
    "perplexity": "https://api.perplexity.ai",
    "voyageai": "https://api.voyageai.com/v1",
    "xai": "https://api.x.ai/v1",
}
"""Base URLs for exchanges whose address was not recorded."""
BILLED_BY: Final = {
    "alibaba": "alibaba",
    "bedrock-mantle": "aws",
    "cerebras": "cerebras",
    "crusoe": "crusoe",
    "deepseek": "deepseek",
    "google": "google",
    "groq": "groq",
    "lmstudio": "lmstudio",
    "mistral": "mistral",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "portkey": "portkey",
    "pydantic-gateway": "pydantic-gateway",
    "snowflake": "snowflake",
    "together": "together",
    "voyageai": "voyageai",
    "xai": "x-ai",
    "zai": "zai",
}
"""Provider of each folder of recordings, in genai-prices' ids where it has one."""
RECORDED: Final = [name for folder in (*BILLED_BY, "huggingface") for name in names(folder, APIS)]


def base_url(exchange: dict[str, Any]) -> str:
    """Where an exchange was recorded."""
    host = (exchange["url_host"] or "").replace("<AWS_REGION>", "us-east-1")
    if not host:
        return USUAL[exchange["provider"]]
    scheme = "http" if host.startswith(("localhost", "127.0.0.1")) else "https"
    return f"{scheme}://{host}{exchange['url_path'].removesuffix(ENDINGS[exchange['api']])}"


def provider_id(exchange: dict[str, Any]) -> str:
    """Who bills it; Hugging Face routes to others, whose name the path may tell."""
    folder = exchange["provider"]
    if folder != "huggingface":
        return BILLED_BY[folder]
    under = exchange["url_path"].strip("/").partition("/")[0]
    return "huggingface" if under == "v1" else f"huggingface_{under}"


@pytest.fixture
def open_at(simulator: ProviderSimulator) -> Iterator[Callable[[str], openai.OpenAI]]:
    """Open clients at a vendor's real address, which loopback answers."""
    with ExitStack() as opened:

        def open_client(url: str) -> openai.OpenAI:
            http = rerouted(httpx, simulator.url)
            return opened.enter_context(openai.OpenAI(base_url=url, api_key="any", http_client=http, max_retries=0))

        yield open_client


@pytest.mark.parametrize("name", RECORDED)
def test_an_exchange_is_read_by_its_vendors_rules(
    name: str, open_at: Callable[[str], openai.OpenAI], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """The base URL alone tells whose answer it is; usage and stated cost are those of that vendor's documentation."""
    exchange = load(name)
    client = open_at(base_url(exchange))
    provider_for(client).wrap(client, meter)
    plan(simulator, exchange)
    outcome(_asking(exchange)[exchange["api"]], client, exchange)
    request = meter.call.request
    assert request.provider == provider_id(exchange)
    if exchange["status"] >= 400:
        assert meter.call.readings == []
        return
    expected = read_usage(
        exchange["body"],
        url=f"{base_url(exchange)}{ENDINGS[exchange['api']]}",
        content_type=exchange["content_type"],
        model=request.model,
    )
    if expected.usage is None and expected.complete:
        assert meter.call.readings == []
    elif not expected.complete:
        assert not meter.call.reading.complete
    else:
        assert meter.call.reading == expected
        agree(meter, exchange)


def agree(meter: RecordingMeter, exchange: dict[str, Any]) -> None:
    """What was read agrees with what somebody else read of an exchange, and with what the vendor says it cost."""
    stated = exchange["provider_reported_cost_usd"]
    assert stated is None or meter.call.reading.provider_cost_usd == Decimal(stated)
    if exchange["expected_usage"] and not exchange.get("anomaly"):
        counts = meter.call.usage.counts()
        sides = ("input_tokens", "output_tokens", "output_reasoning_tokens", "cache_read_tokens")
        assert [counts.get(side, 0) for side in sides] == [exchange["expected_usage"].get(side, 0) for side in sides]


@pytest.mark.parametrize("name", RECORDED)
def test_the_caller_gets_what_the_bare_client_gives(
    name: str, open_at: Callable[[str], openai.OpenAI], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Field by field, chunk by chunk and error by error, a wrapped client answers like a bare one."""
    exchange = load(name)
    bare, wrapped = open_at(base_url(exchange)), open_at(base_url(exchange))
    provider_for(wrapped).wrap(wrapped, meter)
    outcomes = []
    for client in (bare, wrapped):
        plan(simulator, exchange)
        outcomes.append(outcome(_asking(exchange)[exchange["api"]], client, exchange))
    assert repr(outcomes[0]) == repr(outcomes[1])  # some vendors' embeddings decode to numbers that equal nothing


def test_every_vendor_has_recordings() -> None:
    """The table names no vendor of whom nothing was recorded."""
    assert {load(name)["provider"] for name in RECORDED} == {*BILLED_BY, "huggingface"}
