"""A gateway may send a request on to a path that no API has: the answer that comes of it is still the call's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import httpx
import httpx2
import openai
import pytest
import requests

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import PLAIN, PLAIN_COUNTS, chat, sse
from tests.providers.seams.http_clients import without_certificates
from tests.providers.seams.recording import RecordingMeter

ASK: Final[dict[str, Any]] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


def _openai(url: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="any", http_client=openai.DefaultHttpxClient(verify=False))


def _following(library: Any) -> Any:
    client = without_certificates(library)
    client.follow_redirects = True
    return client


def _post(client: Any, url: str) -> None:
    client.post(f"{url}/v1/chat/completions", json=ASK)


CLIENTS: Final[dict[str, tuple[Callable[[str], Any], Callable[[Any, str], Any]]]] = {
    "httpx": (lambda _: _following(httpx), _post),
    "httpx2": (lambda _: _following(httpx2), _post),
    "requests": (lambda _: requests.Session(), _post),
    "openai": (_openai, lambda client, _: client.chat.completions.create(**ASK)),
    "openai, streamed": (_openai, lambda client, _: list(client.chat.completions.create(**ASK, stream=True))),
}


def _send_on(simulator: ProviderSimulator, *, streamed: bool, status: int = 200) -> None:
    simulator.replay(body=b"", status=307, headers={"location": "/gate/17"})
    whole = chat(PLAIN, model="gpt-4o")
    body = sse(whole) if streamed else json.dumps(whole).encode()
    kind = "text/event-stream" if streamed else "application/json"
    simulator.replay(body=body, content_type=kind, status=status, path="/gate/17")


@pytest.mark.parametrize("name", CLIENTS)
def test_an_answer_from_where_a_request_was_sent_on_to(
    name: str, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """One call, with what the answer says it used."""
    make, ask = CLIENTS[name]
    client = make(simulator.url)
    provider_for(client).wrap(client, meter)
    _send_on(simulator, streamed="streamed" in name)
    with client:
        ask(client, simulator.url)
    assert [request.path for request in simulator.requests] == ["/v1/chat/completions", "/gate/17"]
    assert meter.call.usage.counts() == PLAIN_COUNTS


async def test_an_answer_from_where_aiohttp_was_sent_on_to(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Sessions of aiohttp follow redirects too."""
    async with aiohttp.ClientSession() as session:
        provider_for(session).wrap(session, meter)
        _send_on(simulator, streamed=False)
        async with session.post(f"{simulator.url}/v1/chat/completions", json=ASK) as response:
            await response.read()
    assert meter.call.usage.counts() == PLAIN_COUNTS


def test_an_error_from_where_a_request_was_sent_on_to(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Nothing is billed for an error, wherever it comes from."""
    client = _following(httpx)
    provider_for(client).wrap(client, meter)
    _send_on(simulator, streamed=False, status=400)
    with client:
        _post(client, simulator.url)
    assert meter.call.readings == []
