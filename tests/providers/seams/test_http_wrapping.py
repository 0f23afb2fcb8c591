"""HTTP clients beside SDKs: each call counts once, whoever is wrapped; clients that are shared and handed on."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any, Final

import anthropic
import cohere
import groq
import httpx
import httpx2
import ollama
import openai
import pytest
import requests
from mistralai.client import Mistral

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.errors import ConfigError, UnsupportedClient
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.seams.http_clients import ask, without_certificates
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

CHAT: Final[dict[str, Any]] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello."}]}


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped HTTP client of each library."""
    with without_certificates(request.param) as client:
        provider_for(client).wrap(client, meter)
        yield client


def openai_with(http: Any, simulator: ProviderSimulator) -> openai.OpenAI:
    """A bare client of OpenAI's that was handed this HTTP client."""
    if openai.__version__ < "3" and isinstance(http, httpx2.Client):
        pytest.skip("openai 2 takes clients of httpx alone")
    return openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http)


def test_a_wrapped_sdk_on_a_wrapped_http_client(http: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """The SDK's call counts, and the HTTP client lets it pass: retries are one call, a stream is read once."""
    client = openai_with(http, simulator)
    provider_for(client).wrap(client, meter)
    simulator.next(status=500, retry_after=0)
    client.chat.completions.create(**CHAT)
    assert len(simulator.requests) == 2
    assert meter.call.ended
    meter.forget()
    assert len(list(client.chat.completions.create(**CHAT, stream=True))) > 1
    assert meter.call.ended
    assert meter.call.reading.complete
    provider_for(client).unwrap(client)
    client.chat.completions.create(**CHAT)
    assert len(meter.calls) == 2


def test_a_bare_sdk_on_a_wrapped_http_client(http: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Each attempt of the SDK's is a call; the one that fails is not billed."""
    client = openai_with(http, simulator)
    simulator.next(status=500, retry_after=0)
    client.chat.completions.create(**CHAT)
    failed, succeeded = meter.calls
    assert failed.readings == []
    assert succeeded.reading.complete
    assert succeeded.ended


def test_openai_raises_a_refusal_as_it_is(http: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Nothing is sent, nothing is tried again: openai 2 lets its own kind of errors pass, which the refusal becomes."""
    client = openai_with(http, simulator)
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as caught:
        client.chat.completions.create(**CHAT)
    assert caught.value is meter.refusal
    assert isinstance(caught.value, openai.OpenAIError)
    assert simulator.requests == []
    copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (type(copied), str(copied)) == (BudgetExceeded, str(caught.value))


def test_anthropic_raises_a_refusal_as_it_is(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Likewise."""
    meter.refusal = budget_exceeded()
    with without_certificates(httpx2) as http:
        provider_for(http).wrap(http, meter)
        client = anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="any", http_client=http)
        with pytest.raises(BudgetExceeded) as caught:
            client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "Hi."}])
    assert caught.value is meter.refusal
    assert simulator.requests == []


def test_groq_wraps_a_refusal(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Groq and together take any exception for a fault of the connection; nothing is sent, and the cause is there."""
    meter.refusal = budget_exceeded()
    with without_certificates(httpx) as http:
        provider_for(http).wrap(http, meter)
        client = groq.Groq(base_url=simulator.openai_base_url, api_key="any", http_client=http, max_retries=0)
        with pytest.raises(groq.APIConnectionError) as caught:
            client.chat.completions.create(model="llama", messages=[{"role": "user", "content": "Hi."}])
    assert caught.value.__cause__ is meter.refusal
    assert simulator.requests == []


def test_a_refusal_over_plain_http_stays_what_it_is(
    http: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Without an SDK above it, a refusal is of no SDK's kind."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as caught:
        http.post(f"{simulator.openai_base_url}/chat/completions", json=CHAT)
    assert type(caught.value) is BudgetExceeded
    assert simulator.requests == []


def test_sdks_that_share_an_http_client(meter: RecordingMeter) -> None:
    """It is guarded for as long as one of those that send with it is wrapped, and then itself again."""
    with without_certificates(httpx) as http:
        first, second = (cohere.ClientV2("any", httpx_client=http) for _ in range(2))
        for client in (first, second, http):
            provider_for(client).wrap(client, meter)
        for client in (http, first):
            provider_for(client).unwrap(client)
            assert type(http) is not httpx.Client
        provider_for(second).unwrap(second)
        assert type(http) is httpx.Client
        assert http.event_hooks == {"request": [], "response": []}


def test_an_http_client_belongs_to_one_meter(http: Any, meter: RecordingMeter) -> None:
    """Another meter may wrap neither it nor an SDK's client that sends with it."""
    with pytest.raises(ConfigError, match="another AiCostCalc"):
        provider_for(http).wrap(http, RecordingMeter())
    if isinstance(http, httpx.Client):
        client = cohere.ClientV2("any", httpx_client=http)
        with pytest.raises(ConfigError, match="another AiCostCalc"):
            provider_for(client).wrap(client, RecordingMeter())


def test_blocks_wrap_for_as_long_as_they_last(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Overlapping blocks end with the last one; what was wrapped before stays so."""
    url = f"{simulator.openai_base_url}/chat/completions"
    with without_certificates(httpx2) as http:
        provider = provider_for(http)
        provider.wrap(http, meter, scoped=True)
        provider.wrap(http, meter, scoped=True)
        provider.unwrap(http, scoped=True)
        ask(http, CHAT, url)
        assert len(meter.calls) == 1
        provider.unwrap(http, scoped=True)
        ask(http, CHAT, url)
        assert len(meter.calls) == 1
        assert type(http) is httpx2.Client


def test_clients_that_are_closed_first(meter: RecordingMeter) -> None:
    """Mistral's client lets go of its HTTP clients when it is left; they are set free all the same."""
    with without_certificates(httpx2) as http:
        with Mistral(api_key="any", client=http) as client:
            provider_for(client).wrap(client, meter)
        provider_for(client).unwrap(client)
        assert type(http) is httpx2.Client


def test_copies_and_pickles(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A copy of a wrapped session is wrapped, a pickled one is bare: a meter belongs to its process."""
    session = requests.Session()
    provider_for(session).wrap(session, meter)
    url = f"{simulator.openai_base_url}/chat/completions"
    made = copy.copy(session)
    assert isinstance(made, requests.Session)
    ask(made, CHAT, url)
    assert meter.call.ended
    provider_for(made).unwrap(made)
    bare = pickle.loads(pickle.dumps(session))  # noqa: S301 - our own
    assert type(made) is type(bare) is requests.Session
    ask(bare, CHAT, url)
    assert len(meter.calls) == 1
    for each in (session, made, bare):
        each.close()


class Custom(httpx2.Client):
    """A client of an application's own, which does something before it sends."""

    def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        """Add a header."""
        request.headers["x-own"] = "yes"
        return super().send(request, **kwargs)


def test_classes_of_an_applications_own(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A subclass keeps what it does, and is metered."""
    with Custom(verify=False) as http:
        provider_for(http).wrap(http, meter)
        ask(http, CHAT, f"{simulator.openai_base_url}/chat/completions")
        assert simulator.requests[-1].headers["x-own"] == "yes"
        assert meter.call.ended
        provider_for(http).unwrap(http)
        assert type(http) is Custom


class Delegating(httpx2.Client):
    """A client that sends through another one, whose hooks are not its own."""

    def send(self, request: httpx2.Request, **kwargs: Any) -> httpx2.Response:
        """Let another client send it."""
        with httpx2.Client(verify=False) as other:
            return other.send(request, **kwargs)


def test_clients_that_send_through_another(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """An answer that no hook of the client's own saw is read from what it returns."""
    with Delegating(verify=False) as http:
        provider_for(http).wrap(http, meter)
        ask(http, CHAT, f"{simulator.openai_base_url}/chat/completions")
        assert meter.call.reading.complete
        assert meter.call.ended


class Foreign:
    """What Mistral's SDK takes for an HTTP client, and nobody knows."""

    def send(self, *_: Any, **__: Any) -> Any:
        """Never called."""

    def build_request(self, *_: Any, **__: Any) -> Any:
        """Never called."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mistral(api_key="any", client=Foreign()),
        lambda: cohere.BedrockClientV2(aws_region="us-east-1", aws_access_key="a", aws_secret_key="b"),
        lambda: httpx,
    ],
    ids=["a foreign HTTP client", "a client of another cloud", "a module"],
)
def test_what_cannot_be_guarded_is_refused(make: Callable[[], Any], meter: RecordingMeter) -> None:
    """Rather than leave spend unseen, wrapping says no."""
    client = make()
    with pytest.raises(UnsupportedClient):
        provider_for(client).wrap(client, meter)


def test_the_module_ollama(meter: RecordingMeter, simulator: ProviderSimulator, monkeypatch: Any) -> None:
    """Its functions are methods of a client of its own, which is wrapped and unwrapped with it."""
    monkeypatch.setattr(ollama._client._client, "base_url", simulator.url)
    monkeypatch.setitem(ollama._client._client.headers, "connection", "close")  # nobody closes this client
    answer = {"model": "llama3.2", "response": "Hi.", "done": True, "prompt_eval_count": 3, "eval_count": 5}
    provider_for(ollama).wrap(ollama, meter)
    simulator.replay(body=json.dumps(answer).encode())
    assert ollama.generate("llama3.2", "Hello.").response == "Hi."
    provider_for(ollama).unwrap(ollama)
    assert meter.call.usage.counts() == {"input_tokens": 3, "output_tokens": 5}
    simulator.replay(body=json.dumps(answer).encode())
    ollama.generate("llama3.2", "Hello.")
    assert len(meter.calls) == 1


def test_cohere_embeds_for_whom_it_was_asked(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """`Client.embed` sends its batches from threads of its own; each is its caller's, and within his budget."""
    calc: AiCostCalc = make_calc(budgets=[Budget("200", per="day", unit="tokens", each="customer")])
    with without_certificates(httpx) as http:
        client = calc.wrap(cohere.Client("any", base_url=simulator.url, httpx_client=http))
        answer = {"id": "e1", "embeddings": [[0.5]], "texts": ["a"], "response_type": "embeddings_floats",
                  "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 96}}}  # fmt: skip
        for _ in range(2):
            simulator.replay(body=json.dumps(answer).encode())
        with calc.attribute("acme"):
            client.embed(texts=["a"] * 97, model="embed-v4.0", input_type="search_document")
        with calc.attribute("acme"), pytest.raises(BudgetExceeded):
            client.embed(texts=["a"], model="embed-v4.0", input_type="search_document")
        calc.unwrap(client)
    (row,) = calc.report(by="customer")
    assert (row.customer, row.calls) == ("acme", 2)


def test_the_public_surface(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """A metered HTTP client books what it spends, for whom the code around it says."""
    calc: AiCostCalc = make_calc()
    with calc.metered_http_client(base_url=simulator.openai_base_url, verify=False) as http:
        assert isinstance(http, httpx2.Client)
        with calc.attribute("acme"):
            http.post("/chat/completions", json=CHAT).raise_for_status()
    session = requests.Session()
    with calc.metered(session, customer_id="globex"):
        session.post(f"{simulator.openai_base_url}/chat/completions", json=CHAT).raise_for_status()
    session.post(f"{simulator.openai_base_url}/chat/completions", json=CHAT).raise_for_status()
    session.close()
    rows = calc.report(by="customer")
    assert sorted((row.customer, row.calls) for row in rows) == [("acme", 1), ("globex", 1)]
    assert all(row.cost > 0 for row in rows)


async def test_the_public_surface_for_asyncio(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """So does its asynchronous twin, which refuses like it."""
    calc: AiCostCalc = make_calc(budgets=[Budget("1", per="day", unit="calls")])
    async with calc.metered_async_http_client(verify=False) as http:
        url = f"{simulator.openai_base_url}/chat/completions"
        (await http.post(url, json=CHAT)).raise_for_status()
        with pytest.raises(BudgetExceeded):
            await http.post(url, json=CHAT)
    assert len(simulator.requests) == 1
