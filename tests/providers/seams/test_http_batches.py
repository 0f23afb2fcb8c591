"""Batches over plain HTTP, of hosts that are known to have them: refused, held and recorded as through an SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx2
import openai
import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers._http_request import Body, sending_of
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import CHAT_USAGE, chat, json_lines
from tests.providers.seams import mistral_jobs as mistrals
from tests.providers.seams import test_batches as openais
from tests.providers.seams.conformance import done
from tests.providers.seams.http_clients import OPEN, ask, close, get
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.waiting import forget

pytestmark = pytest.mark.usefixtures("nothing_waits")

OPENAI: Final = "http://api.openai.com/v1"
NEW: Final = {"endpoint": "/v1/chat/completions", "input_file_id": "file-in", "completion_window": "24h"}
FILE: Final = "application/octet-stream"
UNREAD: Final = Body(unseen_bytes=8_000)


@pytest.fixture(params=OPEN)
async def client(
    request: pytest.FixtureRequest, simulator: ProviderSimulator, meter: RecordingMeter
) -> AsyncIterator[Any]:
    """A wrapped HTTP client of each library."""
    opened = OPEN[request.param](simulator.url)
    if hasattr(opened, "__await__"):
        opened = await opened
    provider_for(opened).wrap(opened, meter)
    yield opened
    await done(close(opened))


@pytest.fixture
def http(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Any]:
    """A wrapped client of httpx2."""
    with OPEN["httpx2.Client"](simulator.url) as opened:
        provider_for(opened).wrap(opened, meter)
        yield opened


async def test_a_batch_of_any_http_client(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """It is the call of whoever made it, until its file has been read; seeing that again adds nothing."""
    simulator.replay(body=openais.NEW)
    await done(ask(client, NEW, f"{OPENAI}/batches"))
    beats = meter.call.beats
    simulator.replay(body=openais.RUNNING)
    await get(client, f"{OPENAI}/batches/batch_1")
    assert (meter.call.ends, meter.call.beats) == ([], beats + 1)
    simulator.replay(body=openais.SILENT)
    await get(client, f"{OPENAI}/batches/batch_1")
    for _ in range(2):
        simulator.replay(body=openais.LINES, content_type=FILE)
        await get(client, f"{OPENAI}/files/file-out/content")
    request, reading = meter.call.request, meter.call.reading
    assert (request.provider, request.api, request.batch) == ("openai", "batches", True)
    assert meter.call.usage.counts() == openais.TWICE
    assert (reading.service_tier, reading.calls, meter.call.tokens) == ("batch", 2, ["openai:file-out"])
    assert meter.call.ended
    assert meter.recorded == []


async def test_a_refused_batch_is_not_sent(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """The refusal comes from the request that makes one; looking is never refused."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as caught:
        await done(ask(client, NEW, f"{OPENAI}/batches"))
    assert caught.value is meter.refusal
    assert simulator.requests == []
    simulator.replay(body=openais.FINISHED)
    await get(client, f"{OPENAI}/batches/batch_1")
    assert [recorded_as for _, recorded_as in meter.recorded] == ["openai:file-out"]


GROQ_LINES: Final = json_lines(
    {"custom_id": "1", "response": {"status_code": 200, "body": chat(CHAT_USAGE, model="llama-3.3-70b-versatile")}}
)


FETCHED: Final = [
    (f"{OPENAI}/files/file-1/content", openais.LINES, "openai:file-1"),
    ("http://r.openai.azure.com/openai/files/file-1/content?api-version=1", openais.LINES, "azure:file-1"),
    ("http://api.groq.com/openai/v1/files/file-1/content", GROQ_LINES, "groq:file-1"),
    ("http://api.mistral.ai/v1/files/file-1/content", mistrals.LINES, "mistral:file-1"),
    ("http://api.mistral.ai/v1/batch/jobs/job-1?inline=true", mistrals.ANSWERED, "mistral:job-1"),
    ("http://api.anthropic.com/v1/messages/batches/b1/results", openais.ANSWERS, "anthropic:b1"),
]
"""A URL, what it answers with, and what that is recorded as."""


@pytest.mark.parametrize("fetched", FETCHED, ids=lambda fetched: fetched[0])
def test_results_that_another_process_fetches(
    fetched: tuple[str, bytes, str], http: httpx2.Client, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Whoever's batch it is, what is fetched of it is on record once, at the batch rate, under the SDKs' own id."""
    url, body, expected = fetched
    for _ in range(2):
        simulator.replay(body=body, content_type=FILE if body.count(b"\n") else "application/json")
        assert http.get(url).content == body
    ((reading, recorded_as),) = meter.recorded
    assert (reading.provider, reading.service_tier, recorded_as) == (expected.partition(":")[0], "batch", expected)
    assert reading.usage


def test_a_long_batch_that_is_read_piece_by_piece(
    http: httpx2.Client, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """A batch with its answers inside may be long, and is known once all of it has passed."""
    answer = mistrals.line(chat(CHAT_USAGE, model=mistrals.SMALL, metadata="x" * 1_000))
    body = mistrals.job("SUCCESS", succeeded=2_000, outputs=[answer] * 2_000)
    simulator.replay(body=body)
    with http.stream("GET", "http://api.mistral.ai/v1/batch/jobs/job-1?inline=true") as response:
        assert sum(map(len, response.iter_bytes(10_000))) == len(body) > 2**21
    ((reading, recorded_as),) = meter.recorded
    assert (reading.calls, recorded_as) == (2_000, "mistral:job-1")


def test_results_that_are_left(http: httpx2.Client, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A file that is not read to its end says nothing yet."""
    simulator.replay(body=openais.LINES, content_type=FILE)
    with http.stream("GET", f"{OPENAI}/files/file-1/content") as response:
        next(response.iter_lines())
    assert meter.recorded == []
    simulator.replay(body=openais.LINES, content_type=FILE)
    with http.stream("GET", f"{OPENAI}/files/file-1/content") as response:
        assert len(list(response.iter_lines())) == 2
    assert len(meter.recorded) == 1


ANTHROPIC: Final = {"requests": [{"custom_id": "1", "params": {"model": "claude-opus-4-8", "max_tokens": 9}}] * 3}


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        (f"https://{OPENAI[7:]}/batches", Body(NEW), ("openai", None, None, 1)),
        ("https://api.mistral.ai/v1/batch/jobs", Body(mistrals.INLINE), ("mistral", mistrals.SMALL, 101, 2)),
        ("https://api.mistral.ai/v1/batch/jobs", Body(mistrals.OF_A_FILE), ("mistral", mistrals.SMALL, None, 1)),
        ("https://api.anthropic.com/v1/messages/batches", Body(ANTHROPIC), ("anthropic", "claude-opus-4-8", 9, 3)),
        ("https://api.mistral.ai/v1/batch/jobs", UNREAD, ("mistral", None, None, 1)),
    ],
)
def test_what_is_known_of_a_batch(url: str, body: Body, expected: tuple[Any, ...]) -> None:
    """Requests that stand in a batch are measured; of a body that cannot be looked at all may be text."""
    sending: Any = sending_of("POST", url, lambda: body)
    request = sending.request
    assert (request.provider, request.model, request.max_output_tokens, request.choices) == expected
    assert (request.api, request.batch, sending.background) == ("batches", True, True)
    assert request.input_bytes >= body.unseen_bytes


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "https://jobs.example.com/v1/batches"),
        ("POST", "http://localhost:8000/v1/batches"),
        ("GET", "https://drive.example.com/files/f1/content"),
        ("GET", "http://localhost:8000/files/f1/content"),
        ("GET", f"{OPENAI}/batches"),
        ("GET", "https://api.mistral.ai/v1/batch/jobs"),
        ("DELETE", "https://api.mistral.ai/v1/batch/jobs/job-1"),
        ("GET", f"{OPENAI}/containers/c1/files/f1/content"),
        ("POST", f"{OPENAI}/vector_stores/vs_1/file_batches"),
        ("GET", f"{OPENAI}/vector_stores/vs_1/file_batches/vsfb_1"),
        ("GET", "https://generativelanguage.googleapis.com/v1beta/batches/b1"),
        ("POST", "https://api.cohere.com/v2/batches"),
    ],
)
def test_what_is_no_batch_is_left_alone(method: str, url: str) -> None:
    """Hosts that are no model's, or may be anything, lists of batches, batches of files, and who tells otherwise."""

    def body() -> Body:
        raise AssertionError("nobody asked for the body")

    assert sending_of(method, url, body) is None


def test_an_sdk_with_a_metered_http_client(meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """What an SDK sends through it is one record, whether the SDK's client is wrapped as well or not."""
    library = "httpx2" if issubclass(openai.DefaultHttpxClient, httpx2.Client) else "httpx"
    for wrapped in (False, True):
        forget()
        with OPEN[f"{library}.Client"](simulator.url) as http:
            provider_for(http).wrap(http, meter)
            sdk = openai.OpenAI(api_key="any", base_url=OPENAI, http_client=http)
            if wrapped:
                provider_for(sdk).wrap(sdk, meter)
            simulator.replay(body=openais.FINISHED)
            sdk.batches.retrieve("batch_1")
    assert [recorded_as for _, recorded_as in meter.recorded] == ["openai:file-out"] * 2
