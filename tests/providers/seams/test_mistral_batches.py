"""Mistral's batches, made and looked at through its own SDK: refused or held, and recorded once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mistralai.client.models import ChatCompletionRequest, ChatCompletionResponse
from mistralai.extra.batch import BatchClient

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import PLAIN, PLAIN_COUNTS, chat, json_lines
from tests.providers.seams.conformance import done, each, left, side_by_side
from tests.providers.seams.mistral_jobs import (
    ANSWER,
    ANSWERED,
    BROKEN,
    FAILED,
    FILE,
    IN_A_FILE,
    INLINE,
    JOB,
    LINES,
    OF_A_FILE,
    OUTPUTS,
    QUEUED,
    REQUESTS,
    RUNNING,
    SMALL,
    TEXT,
    TWICE,
    Asks,
    job,
    line,
)
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.test_http_sdks import close_mistral, mistral
from tests.providers.seams.waiting import forget

pytestmark = pytest.mark.usefixtures("nothing_waits")


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> str:
    """Which methods of the client are called."""
    return str(request.param)


@pytest.fixture
async def asks(way: str, simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[Asks]:
    """A wrapped client of Mistral's, and what it asks."""
    client = mistral(simulator.url)
    provider_for(client).wrap(client, meter)
    yield Asks(client, simulator, way)
    await close_mistral(client)


async def test_a_refused_batch_is_not_made(asks: Asks, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Making one is what a budget can refuse: the refusal itself, at once; looking at one never is."""
    meter.refusal = budget_exceeded()
    for options in (INLINE, OF_A_FILE):
        with pytest.raises(BudgetExceeded) as caught:
            await asks.create(**options)
        assert caught.value is meter.refusal
        assert caught.value.__cause__ is None
    assert simulator.requests == []
    simulator.reset()
    await asks.get(RUNNING)
    assert await asks.taken() == LINES
    assert len(simulator.requests) == 2
    assert len(meter.recorded) == 1


async def test_what_a_batch_holds(asks: Asks, meter: RecordingMeter) -> None:
    """Requests that stand in a batch are measured; one of a file holds as much as one call."""
    await asks.create(job("FAILED"), **INLINE)
    await asks.get(job("FAILED"))
    await asks.create(**OF_A_FILE)
    await asks.get(job("FAILED"))
    inline, of_a_file = meter.calls
    for call in (inline, of_a_file):
        request = call.request
        assert (request.provider, request.api, request.model, request.batch) == ("mistral", "batches", SMALL, True)
    assert (inline.request.choices, inline.request.max_output_tokens) == (2, 101)
    assert inline.input_bytes > 2 * len(TEXT)
    assert (of_a_file.request.choices, of_a_file.request.max_output_tokens) == (1, None)


async def test_a_request_without_a_limit_or_of_another_model(asks: Asks, meter: RecordingMeter) -> None:
    """The dearest request of a batch may be the one that sets no limit; models that differ are not one model."""
    other = {"custom_id": "3", "body": {"model": "mistral-large-latest", "messages": [], "n": 3}}
    await asks.create(**{**INLINE, "requests": [*REQUESTS, other]})
    await asks.get(job("FAILED"))
    request = meter.call.request
    assert (request.choices, request.max_output_tokens, request.model) == (5, None, None)


@pytest.mark.parametrize("inline", [None, True])
async def test_answers_that_stand_in_the_batch(asks: Asks, meter: RecordingMeter, *, inline: bool | None) -> None:
    """The call that made the batch stays open until its answers are seen; seeing them again adds nothing."""
    await asks.create()
    assert meter.call.ends == []
    await asks.get(RUNNING)
    assert (meter.call.ends, meter.call.beats) == ([], 1)
    for _ in range(2):
        seen = await asks.get(ANSWERED, **({} if inline is None else {"inline": inline}))
        assert seen.outputs == OUTPUTS
    assert meter.call.usage.counts() == TWICE
    reading = meter.call.reading
    assert (reading.provider, reading.model, reading.service_tier, reading.calls) == ("mistral", SMALL, "batch", 2)
    assert meter.call.tokens == [f"mistral:{JOB}"]
    assert meter.call.ended
    assert meter.recorded == []


async def test_answers_in_a_file(asks: Asks, meter: RecordingMeter) -> None:
    """A batch that is over waits for its file, which is recorded when it has been read; failed lines cost nothing."""
    await asks.create(**OF_A_FILE)
    await asks.get(IN_A_FILE)
    assert meter.call.ends == []
    for _ in range(2):
        assert await asks.taken() == LINES
        await asks.get(IN_A_FILE)
    assert meter.call.usage.counts() == TWICE
    assert (meter.call.reading.service_tier, meter.call.reading.calls) == ("batch", 2)
    assert meter.call.tokens == [f"mistral:{FILE}"]
    assert meter.call.ended
    assert meter.recorded == []


async def test_a_batch_that_the_sdk_runs_by_itself(
    simulator: ProviderSimulator, meter: RecordingMeter, asks: Asks
) -> None:
    """`BatchClient` makes a batch, waits for it, fetches its files and deletes them: one call, and its answers."""
    client: Any = BatchClient(asks.client, endpoint="/v1/chat/completions", response_body_type=ChatCompletionResponse)
    simulator.replay(body=QUEUED)
    simulator.replay(body=job("SUCCESS", succeeded=2, output_file=FILE, error_file="file-err"))
    for fetched in (json_lines(ANSWER, {**ANSWER, "custom_id": "2"}), json_lines(FAILED)):
        simulator.replay(body=fetched, content_type="application/octet-stream")
    for deleted in (FILE, "file-err"):
        simulator.replay(body=json.dumps({"id": deleted, "object": "file", "deleted": True}).encode())
    asked: Any = ChatCompletionRequest(model=SMALL, messages=REQUESTS[0]["body"]["messages"], max_tokens=40)
    result = await client.run({"1": asked, "2": asked}, model=SMALL)
    assert len(result.by_id()) == 2
    assert (meter.call.request.choices, meter.call.request.max_output_tokens) == (2, 40)
    assert meter.call.usage.counts() == TWICE
    assert meter.call.tokens == [f"mistral:{FILE}"]
    assert meter.call.ended
    assert meter.recorded == []


async def test_other_processes_come_to_the_same_record(asks: Asks, meter: RecordingMeter) -> None:
    """Whether a process asks for the answers or for their file, it records them under the same id."""
    await asks.get(job("SUCCESS", succeeded=2, output_file=FILE, outputs=OUTPUTS), inline=True)
    forget()
    await asks.taken()
    (first, first_id), (second, second_id) = meter.recorded
    assert first_id == second_id == f"mistral:{FILE}"
    assert first.usage == second.usage
    assert meter.calls == []


async def test_a_file_that_is_told_of_later(asks: Asks, meter: RecordingMeter) -> None:
    """Answers that were recorded as the batch's are not once more when a file is found to have them too."""
    await asks.create()
    await asks.get(ANSWERED)
    await asks.get(IN_A_FILE)
    await asks.taken()
    assert meter.call.tokens == [f"mistral:{JOB}"]
    assert meter.call.ended
    assert meter.recorded == []


async def test_results_that_are_left_are_read_later(asks: Asks, meter: RecordingMeter) -> None:
    """Part of a file says nothing of the rest: the batch is recorded when it is read to its end."""
    await asks.create(**OF_A_FILE)
    await asks.get(IN_A_FILE)
    response = await asks.download()
    lines = asks.lines(response)
    async for _ in each(lines):
        break
    await left(lines)
    await asks.leave(response)
    assert (meter.call.readings, meter.call.ends) == ([], [])
    assert [text async for text in each(asks.lines(await asks.download()))] == LINES.decode().splitlines()
    assert meter.call.usage.counts() == TWICE
    assert meter.call.ended


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMEOUT_EXCEEDED", "SUCCESS"])
async def test_a_batch_in_vain_ends_its_call(status: str, asks: Asks, meter: RecordingMeter) -> None:
    """A batch that is over without any answer costs nothing: what was held for it is released."""
    await asks.create()
    await asks.cancel(job("CANCELLATION_REQUESTED"))
    assert (meter.call.ends, meter.call.beats) == ([], 1)
    await asks.get(job(status, error_file="file-err"))
    assert meter.call.ended
    assert meter.call.readings == []


async def test_a_batch_that_was_cancelled_halfway(asks: Asks, meter: RecordingMeter) -> None:
    """What was answered until then is billed, and found in its file."""
    await asks.create()
    await asks.get(job("CANCELLED", succeeded=1, output_file=FILE))
    assert meter.call.ends == []
    await asks.taken(json_lines(ANSWER))
    assert meter.call.usage.counts() == PLAIN_COUNTS
    assert meter.call.ended


async def test_answers_that_are_not_over_are_not_all(asks: Asks, meter: RecordingMeter) -> None:
    """What a batch under way has answered so far is not recorded for all of it."""
    await asks.create()
    await asks.get(job("RUNNING", succeeded=1, outputs=[ANSWER]))
    assert (meter.call.readings, meter.call.ends) == ([], [])
    await asks.get(ANSWERED)
    assert meter.call.usage.counts() == TWICE


async def test_many_answers_that_stand_in_the_batch(asks: Asks, meter: RecordingMeter) -> None:
    """However long the batch is that has its answers inside, it tells that it is over."""
    long = line(chat(PLAIN, model=SMALL, metadata="x" * 1_000))
    await asks.create()
    await asks.get(job("SUCCESS", succeeded=2_000, outputs=[long] * 2_000))
    assert meter.call.reading.calls == 2_000
    assert meter.call.ended


@pytest.mark.parametrize("endpoint", ["/v1/moderations", "/v1/chat/classifications"])
async def test_answers_without_usage(endpoint: str, asks: Asks, meter: RecordingMeter) -> None:
    """What reports no usage has an unknown cost in a batch as well, not none; its file adds nothing."""
    await asks.create(endpoint=endpoint, model="mistral-moderation-latest", input_files=["file-in"])
    model = "mistral-moderation-latest"
    await asks.get(job("SUCCESS", succeeded=2, output_file=FILE, endpoint=endpoint, model=model))
    assert (meter.call.reading.usage, meter.call.reading.complete) == (None, False)
    assert (meter.call.reading.model, meter.call.tokens) == (model, [f"mistral:{FILE}"])
    assert meter.call.ended
    await asks.taken(json_lines(line({"id": "m1", "model": model, "results": []})))
    assert meter.recorded == []


async def test_what_a_batch_may_ask_for(asks: Asks, meter: RecordingMeter) -> None:
    """Answers of each endpoint are told by their look: pages, seconds of audio, conversations, embeddings."""
    pages = {"pages": [], "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 29}}
    heard = {"model": "voxtral", "text": "", "usage": PLAIN | {"prompt_audio_seconds": 13}}
    talked = {"conversation_id": "c1", "outputs": [], "usage": PLAIN | {"connector_tokens": 15}}
    embedded = {"id": "e1", "model": "mistral-embed", "data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    await asks.taken(json_lines(*map(line, (pages, heard, talked, embedded))))
    ((reading, _),) = meter.recorded
    used = [part.usage.counts() for part in (reading, *reading.also) if part.usage is not None]
    assert used == [
        {"input_document_pages": 29},
        PLAIN_COUNTS | {"audio_seconds": 13},
        {"input_tokens": 45, "output_tokens": 7, "input_tool_tokens": 15},
        {"input_tokens": 5},
    ]


async def test_what_fails_when_a_batch_is_made(asks: Asks, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """An attempt that fails holds nothing any more; the one that succeeds waits for the answers."""
    simulator.next(status=500, retry_after=0)
    await asks.create()
    failed, made = meter.calls
    assert (failed.readings, failed.ended, made.ends) == ([], True, [])
    await asks.get(ANSWERED)
    assert made.usage.counts() == TWICE


async def test_ordinary_files_record_nothing(asks: Asks, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Neither a document, nor what a batch was made from, nor a file of errors; listing is not looking at a batch."""
    for body in (b"%PDF-1.7\n", b"", json_lines(*REQUESTS), json_lines(FAILED, BROKEN)):
        assert await asks.taken(body) == body
    simulator.replay(body=b'{"object": "list", "total": 1, "data": [' + ANSWERED + b"]}")
    assert (await done(asks.method(asks.client.batch.jobs, "list")())).total == 1
    assert (meter.calls, meter.recorded) == ([], [])


async def test_a_wrapped_client_gives_what_a_bare_one_gives(way: str, simulator: ProviderSimulator, asks: Asks) -> None:
    """The same batches, the same bytes, the same errors."""
    bare = Asks(mistral(simulator.url), simulator, way)
    calls: list[Callable[[Asks], Any]] = [
        lambda ask: ask.create(**INLINE),
        lambda ask: ask.get(ANSWERED, inline=True),
        lambda ask: ask.cancel(job("CANCELLED")),
        lambda ask: ask.taken(),
        lambda ask: ask.get(b'{"id": 1}'),
        lambda ask: ask.create(b"not json", **OF_A_FILE),
    ]
    for call in calls:
        first, second = await side_by_side((bare, asks), call, lambda: None)
        assert first == second
    for part, name in ((bare.client.batch.jobs, "get"), (asks.client.batch.jobs, "get")):
        simulator.replay(body=b'{"detail": "Not found."}', status=404)
        with pytest.raises(Exception, match="Status 404"):
            await done(asks.method(part, name)(job_id=JOB))
    await asks.get(ANSWERED)
    await close_mistral(bare.client)
