"""Mistral's batches, made and looked at through its own SDK: refused or held, and recorded once at half the price."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from ai_cost_calc import Budget
from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.readers.bodies import PLAIN, PLAIN_COUNTS, chat, json_lines
from tests.providers.seams.conformance import done, each, left, side_by_side
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.test_http_sdks import close_mistral, mistral
from tests.providers.seams.waiting import forget

pytestmark = pytest.mark.usefixtures("nothing_waits")

SMALL: Final = "mistral-small-latest"
JOB: Final = "job-1"
FILE: Final = "file-out"
TWICE: Final = {name: 2 * count for name, count in PLAIN_COUNTS.items()}
TEXT: Final = "Describe the fjord."
REQUESTS: Final[Any] = [
    {"custom_id": str(n), "body": {"max_tokens": 100 + n, "messages": [{"role": "user", "content": TEXT}]}}
    for n in range(2)
]
INLINE: Final[dict[str, Any]] = {"endpoint": "/v1/chat/completions", "model": SMALL, "requests": REQUESTS}
OF_A_FILE: Final[dict[str, Any]] = {"endpoint": "/v1/chat/completions", "model": SMALL, "input_files": ["file-in"]}


def line(body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """A line of an output file."""
    return {"id": "b1", "custom_id": "1", "response": {"status_code": status, "body": body}, "error": None}


ANSWER: Final = line(chat(PLAIN, model=SMALL))
FAILED: Final = line({"object": "error", "message": "No such model.", "type": "invalid_model"}, 400)
BROKEN: Final = {"id": "b1", "custom_id": "4", "response": None, "error": {"message": "Timed out."}}
OUTPUTS: Final = [ANSWER, FAILED, ANSWER, BROKEN]
LINES: Final = json_lines(*OUTPUTS)


def job(status: str, *, succeeded: int = 0, **more: Any) -> bytes:
    """A batch as mistralai 3.7 has it (`models/batchjob.py`)."""
    body = {
        "id": JOB, "object": "batch", "input_files": [], "endpoint": "/v1/chat/completions", "errors": [],
        "status": status, "created_at": 1, "total_requests": 4, "completed_requests": succeeded,
        "succeeded_requests": succeeded, "failed_requests": 0, "model": SMALL, "output_file": None,
        "error_file": None, "outputs": None, "metadata": None, **more,
    }  # fmt: skip
    return json.dumps(body).encode()


QUEUED: Final = job("QUEUED")
RUNNING: Final = job("RUNNING", succeeded=1)
IN_A_FILE: Final = job("SUCCESS", succeeded=2, output_file=FILE)
ANSWERED: Final = job("SUCCESS", succeeded=2, outputs=OUTPUTS)


class Asks:
    """What an application asks about a batch, each answered with the body given."""

    def __init__(self, client: Any, simulator: ProviderSimulator, way: str) -> None:
        self.client = client
        self._simulator = simulator
        self._suffix = "_async" if way == "async" else ""

    def method(self, part: Any, name: str) -> Callable[..., Any]:
        """A method of this way of calling."""
        found: Callable[..., Any] = getattr(part, name + self._suffix)
        return found

    async def create(self, body: bytes = QUEUED, **options: Any) -> Any:
        """Make a batch."""
        self._simulator.replay(body=body)
        return await done(self.method(self.client.batch.jobs, "create")(**(options or INLINE)))

    async def get(self, body: bytes, **options: Any) -> Any:
        """Look at it."""
        self._simulator.replay(body=body)
        return await done(self.method(self.client.batch.jobs, "get")(job_id=JOB, **options))

    async def cancel(self, body: bytes) -> Any:
        """Give it up."""
        self._simulator.replay(body=body)
        return await done(self.method(self.client.batch.jobs, "cancel")(job_id=JOB))

    async def download(self, body: bytes = LINES) -> Any:
        """Ask for a file, which is read as it is taken."""
        self._simulator.replay(body=body, content_type="application/octet-stream")
        return await done(self.method(self.client.files, "download")(file_id=FILE))

    async def taken(self, body: bytes = LINES) -> bytes:
        """Fetch a whole file."""
        response = await self.download(body)
        content: bytes = await done(response.aread() if self._suffix else response.read())
        return content

    async def leave(self, response: Any) -> None:
        """Close a file that was not read to its end."""
        await done(response.aclose() if self._suffix else response.close())

    def lines(self, response: Any) -> Any:
        """Take a file line by line."""
        return response.aiter_lines() if self._suffix else response.iter_lines()


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


async def test_other_processes_come_to_the_same_record(asks: Asks, meter: RecordingMeter) -> None:
    """Whether a process asks for the answers or for their file, it records them under the same id."""
    await asks.get(job("SUCCESS", succeeded=2, output_file=FILE, outputs=OUTPUTS), inline=True)
    forget()
    await asks.taken()
    (first, first_id), (second, second_id) = meter.recorded
    assert first_id == second_id == f"mistral:{FILE}"
    assert first.usage == second.usage
    assert meter.calls == []


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


# In the books.

COST: Final = 2 * (30 * Decimal("0.15") + 7 * Decimal("0.6")) / 10**6 / 2
"""Two answers at half of what Mistral Small 4 costs, $0.15 and $0.60 per million tokens (mistral.ai/pricing)."""


def test_a_batch_is_its_makers_at_half_the_price(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """Made for a customer, found by whoever polls, in this process or another: the cost is on record once."""
    calc, another = make_calc(), make_calc()
    clients: list[Any] = [each_calc.wrap(mistral(simulator.url)) for each_calc in (calc, another)]
    first, second = clients
    simulator.replay(body=QUEUED)
    with calc.attribute(customer_id="acme"):
        first.batch.jobs.create(**OF_A_FILE)
    for client in (first, second, first):
        simulator.replay(body=IN_A_FILE)
        found = client.batch.jobs.get(job_id=JOB)
        simulator.replay(body=LINES, content_type="application/octet-stream")
        assert client.files.download(file_id=found.output_file).read() == LINES
        for each_calc in (calc, another):
            each_calc.flush(5)
        forget()
    (row,) = calc.report(by="customer").rows
    assert (row.customer, row.cost, row.calls) == ("acme", COST, 1)
    for client in clients:
        client.sdk_configuration.client.close()


def test_what_a_batch_holds_is_released(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """A budget holds what a batch may cost until it is over, and refuses the next one that would not fit."""
    calc = make_calc(budgets=[Budget("0.002", per="day", estimate="strict")])
    client: Any = calc.wrap(mistral(simulator.url))
    many = {**INLINE, "requests": [{"body": {**REQUESTS[0]["body"], "max_tokens": 1_000}}] * 2}
    simulator.replay(body=QUEUED)
    client.batch.jobs.create(**many)
    (status,) = calc.budgets.status()
    assert status.held > 0
    with pytest.raises(BudgetExceeded):
        client.batch.jobs.create(**many)
    assert len(simulator.requests) == 1
    simulator.replay(body=job("CANCELLED"))
    client.batch.jobs.cancel(job_id=JOB)
    (status,) = calc.budgets.status()
    assert status.held == status.spent == 0
    client.sdk_configuration.client.close()
