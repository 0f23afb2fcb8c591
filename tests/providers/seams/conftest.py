"""Real clients against a provider on loopback, wrapped for a meter that keeps what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.recording import RecordingMeter
from tests.providers.seams.waiting import forget

USAGE = {"input_tokens": 1_200, "output_tokens": 340, "cache_read_tokens": 1_024}

# SDKs load the system's certificates for each client they make, which takes longer than a test; loopback needs none.


@pytest.fixture
def simulator() -> Iterator[ProviderSimulator]:
    """A provider on loopback that reports exact usage."""
    with ProviderSimulator(seed=1, usage=USAGE) as running:
        yield running


@pytest.fixture
def nothing_waits() -> Iterator[None]:
    """No test finds what another one left, though all of them use the same ids."""
    forget()
    yield
    forget()


MakeHttp = Callable[..., Any]
MakeClient = Callable[..., Any]


@pytest.fixture
def make_http() -> Iterator[MakeHttp]:
    """Open HTTP clients of the kind that the installed openai uses; they are closed afterwards."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(openai.DefaultHttpxClient(verify=False, **options))


@pytest.fixture
def make_client(simulator: ProviderSimulator, make_http: MakeHttp) -> MakeClient:
    """Make clients of OpenAI that nobody has wrapped."""

    def make(kind: type[openai.OpenAI] = openai.OpenAI, **options: Any) -> Any:
        options.setdefault("http_client", make_http())
        return kind(base_url=simulator.openai_base_url, api_key="any", **options)

    return make


@pytest.fixture
def make_azure(simulator: ProviderSimulator, make_http: MakeHttp) -> MakeClient:
    """Make clients of an Azure resource that nobody has wrapped."""

    def make(**options: Any) -> Any:
        options.setdefault("http_client", make_http())
        options.setdefault("api_version", "2025-04-01-preview")
        return openai.AzureOpenAI(azure_endpoint=simulator.azure_endpoint, api_key="any", **options)

    return make


@pytest.fixture
def openai_client(make_client: MakeClient, meter: RecordingMeter) -> Any:
    """A wrapped `openai.OpenAI`."""
    client = make_client()
    provider_for(client).wrap(client, meter)
    return client


@pytest.fixture
async def async_client(simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[Any]:
    """A wrapped `openai.AsyncOpenAI`."""
    http = openai.DefaultAsyncHttpxClient(verify=False)
    async with openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as client:
        provider_for(client).wrap(client, meter)
        yield client


@pytest.fixture
def anthropic_client(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped `anthropic.Anthropic`."""
    anthropic = pytest.importorskip("anthropic")
    http = anthropic.DefaultHttpxClient(verify=False)
    with anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="any", http_client=http) as client:
        provider_for(client).wrap(client, meter)
        yield client


@pytest.fixture
async def async_anthropic(simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[Any]:
    """A wrapped `anthropic.AsyncAnthropic`."""
    anthropic = pytest.importorskip("anthropic")
    http = anthropic.DefaultAsyncHttpxClient(verify=False)
    url = simulator.anthropic_base_url
    async with anthropic.AsyncAnthropic(base_url=url, api_key="any", http_client=http) as client:
        provider_for(client).wrap(client, meter)
        yield client
