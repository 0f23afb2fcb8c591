"""Recorded exchanges of OpenAI and Azure, replayed from loopback through the real SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import MakeClient
from tests.providers.seams.exchanges import Ask, check, load, names, needs_recordings, outcome, plan
from tests.providers.seams.recording import RecordingMeter

if TYPE_CHECKING:
    import openai

pytestmark = [pytest.mark.recorded, needs_recordings]

ASKED: Any = {"include_usage": True}
HELLO: Any = [{"role": "user", "content": "Hello."}]

APIS: dict[str, Ask] = {
    "chat": lambda c, s: c.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=s, **({"stream_options": ASKED} if s else {})
    ),
    "completions": lambda c, s: c.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="Hello.", stream=s, **({"stream_options": ASKED} if s else {})
    ),
    "responses": lambda c, s: c.responses.create(model="gpt-4o", input="Hello.", stream=s),
    "embeddings": lambda c, _: c.embeddings.create(model="text-embedding-3-small", input="Hello."),
}
OPENAI_ONLY: dict[str, Ask] = {
    "responses_compact": lambda c, _: c.responses.compact(model="gpt-5", input="Hello."),
    "images": lambda c, _: c.images.generate(model="gpt-image-1", prompt="A fjord."),
    "transcriptions": lambda c, _: c.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"ID3")),
    "moderations": lambda c, _: c.moderations.create(input="Hello."),
}
BILLED = {api: ask for api, ask in (APIS | OPENAI_ONLY).items() if api != "moderations"}


@pytest.fixture
def azure_client(make_azure: MakeClient, meter: RecordingMeter) -> Any:
    """A wrapped client of an Azure resource."""
    client = make_azure(max_retries=0)
    provider_for(client).wrap(client, meter)
    return client


@pytest.mark.parametrize("name", names("openai", BILLED))
def test_openai(name: str, openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """What the tap reads of an exchange of OpenAI is what is read of its whole body."""
    exchange = load(name)
    check(simulator, meter, exchange, BILLED[exchange["api"]], openai_client.with_options(max_retries=0))


@pytest.mark.parametrize("name", names("azure", APIS))
def test_azure(name: str, azure_client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """What the tap reads of an exchange of Azure is what is read of its whole body."""
    exchange = load(name)
    check(simulator, meter, exchange, APIS[exchange["api"]], azure_client)


@pytest.mark.parametrize("name", names("openai", APIS | OPENAI_ONLY))
def test_the_caller_gets_what_the_bare_client_gives(
    name: str, openai_client: openai.OpenAI, make_client: MakeClient, simulator: ProviderSimulator
) -> None:
    """Field by field, chunk by chunk and error by error, a wrapped client answers like a bare one."""
    exchange = load(name)
    ask = (APIS | OPENAI_ONLY)[exchange["api"]]
    outcomes = []
    for client in (make_client(max_retries=0), openai_client.with_options(max_retries=0)):
        plan(simulator, exchange)
        outcomes.append(outcome(ask, client, exchange))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", [name for name in names("openai", {"chat": APIS["chat"]}) if load(name)["streaming"]])
def test_an_unasked_caller_sees_no_usage(name: str, openai_client: openai.OpenAI, simulator: ProviderSimulator) -> None:
    """Whatever a recorded stream says of usage stays hidden from a caller who did not ask for it."""
    exchange = load(name)
    if exchange["status"] >= 400:
        exchange = {**exchange, "body": "data: [DONE]\n\n", "status": 200}
    plan(simulator, exchange)
    chunks = list(openai_client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert not any(chunk.usage for chunk in chunks)
