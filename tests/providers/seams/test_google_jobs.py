"""What Google works on by itself, in the background or in batches, is recorded once, for whoever began it."""

from __future__ import annotations

import json
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.seams.conformance import done
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

genai = pytest.importorskip("google.genai")

from google.genai import types  # noqa: E402 - once it is known to be there

from tests.providers.seams import gemini as google  # noqa: E402

pytestmark = [google.QUIET, pytest.mark.usefixtures("nothing_waits")]

Side = Callable[[Any], Any]
INTERACTION: Final[dict[str, Any]] = {"model": google.MODEL, "input": "How deep is the fjord?"}
UNDER_WAY: Final = {
    "name": "batches/b1",
    "metadata": {"model": f"models/{google.MODEL}", "state": "BATCH_STATE_PENDING"},
}
TWICE: Final = {name: 2 * count for name, count in google.COUNTS.items()}


def batch(state: str, **output: Any) -> dict[str, Any]:
    """A batch in this state, with its answers or where they are."""
    told = {"model": f"models/{google.MODEL}", "state": f"BATCH_STATE_{state}"}
    return {"name": "batches/b1", "metadata": told | ({"output": output} if output else {})}


SUCCEEDED: Final = batch(
    "SUCCEEDED", inlinedResponses={"inlinedResponses": [{"response": google.answer()}, {"response": google.answer()}]}
)
IN_A_FILE: Final = batch("SUCCEEDED", responsesFile="files/batch-b1")
LINES: Final = b"".join(json.dumps({"key": str(n), "response": google.answer()}).encode() + b"\n" for n in range(2))


@pytest.fixture(params=["sync", "aio", "aio-httpx2"])
async def used(
    request: pytest.FixtureRequest, simulator: ProviderSimulator, meter: RecordingMeter
) -> AsyncIterator[Any]:
    """One side of a wrapped client of the Gemini API."""
    side, _, transport = request.param.partition("-")
    client = google.gemini(simulator.url, transport=transport or "aiohttp")
    provider_for(client).wrap(client, meter)
    yield client if side == "sync" else client.aio
    client.close()
    await client.aio.aclose()


def replies(simulator: ProviderSimulator, *bodies: Any) -> None:
    """Answer the next requests with these bodies."""
    for body in bodies:
        simulator.replay(body=json.dumps(body).encode())


async def begun(used: Any, simulator: ProviderSimulator) -> None:
    """Begin a batch of two requests."""
    replies(simulator, UNDER_WAY)
    requests: Any = [{"contents": [{"parts": [{"text": text}]}]} for text in ("How deep?", "How wide?")]
    await done(used.batches.create(model=google.MODEL, src=requests))


async def test_an_interaction_in_the_background_waits_for_its_usage(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """The call goes on until a later look finds usage; looking again records nothing more."""
    replies(simulator, google.interaction(status="in_progress"))
    await done(used.interactions.create(**INTERACTION, background=True))
    assert (meter.call.readings, meter.call.ends) == ([], [])
    replies(simulator, google.interaction(status="in_progress"))
    await done(used.interactions.get("v1_1"))
    assert (meter.call.ends, meter.call.beats) == ([], 1)
    replies(simulator, google.interaction(), google.interaction())
    for _ in range(2):
        await done(used.interactions.get("v1_1"))
    assert meter.call.usage.counts() == google.INTERACTION_COUNTS
    assert meter.call.tokens == ["google:v1_1"]
    assert meter.call.ended
    assert meter.recorded == []


async def test_a_cancelled_interaction_is_billed_as_far_as_it_came(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Giving an interaction up says what it used until then."""
    replies(simulator, google.interaction(status="in_progress"))
    await done(used.interactions.create(**INTERACTION, background=True))
    replies(simulator, google.interaction(status="cancelled"))
    await done(used.interactions.cancel("v1_1"))
    assert meter.call.usage.counts() == google.INTERACTION_COUNTS
    assert meter.call.ended


async def test_a_background_stream_that_is_left_is_not_over(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """The provider works on: what the stream said so far is not all, and the id leads to the rest."""
    so_far = google.interaction_events()[:3]
    simulator.replay(body=google.sse(*so_far), content_type="text/event-stream")
    stream = await done(used.interactions.create(**INTERACTION, background=True, stream=True))
    if hasattr(stream, "__aiter__"):
        assert [event async for event in stream]
    else:
        assert list(stream)
    assert (meter.call.readings, meter.call.ends) == ([], [])
    replies(simulator, google.interaction())
    await done(used.interactions.get("v1_1"))
    assert meter.call.usage.counts() == google.INTERACTION_COUNTS
    assert meter.call.ended


async def test_what_another_process_began_is_recorded_where_it_is_found(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """An interaction or a batch that this process did not begin is on record here, under a name that makes it one."""
    replies(simulator, google.interaction("v1_9"), SUCCEEDED, google.interaction("v1_9"), SUCCEEDED)
    for _ in range(2):
        await done(used.interactions.get("v1_9"))
        await done(used.batches.get(name="batches/b1"))
    assert [token for _, token in meter.recorded] == ["google:v1_9", "google:batches/b1"]
    assert [reading.usage.counts() for reading, _ in meter.recorded if reading.usage] == [
        google.INTERACTION_COUNTS, TWICE,
    ]  # fmt: skip
    assert meter.calls == []


async def test_an_interaction_that_was_recorded_is_not_when_it_is_read_again(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """Fetching a plain interaction later, to look at it, costs nothing and records nothing."""
    replies(simulator, google.interaction(), google.interaction())
    await done(used.interactions.create(**INTERACTION))
    await done(used.interactions.get("v1_1"))
    assert meter.call.ended
    assert meter.recorded == []


async def test_a_batch_is_recorded_once_when_it_is_done(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter
) -> None:
    """A batch is one call of whoever began it, at the batch rate, for all of its answers."""
    await begun(used, simulator)
    request = meter.call.request
    assert (request.api, request.model, request.choices, request.service_tier) == ("batches", google.MODEL, 2, "batch")
    assert len("How deep?How wide?") <= meter.call.input_bytes
    replies(simulator, UNDER_WAY, SUCCEEDED, SUCCEEDED)
    await done(used.batches.get(name="batches/b1"))
    assert (meter.call.ends, meter.call.beats) == ([], 1)
    for _ in range(2):
        job = await done(used.batches.get(name="batches/b1"))
        assert len(job.dest.inlined_responses) == 2
    assert meter.call.usage.counts() == TWICE
    assert (meter.call.reading.service_tier, meter.call.reading.model) == ("batch", google.MODEL)
    assert meter.call.tokens == ["google:batches/b1"]
    assert meter.call.ended
    assert meter.recorded == []


@pytest.mark.parametrize("into", ["memory", "file"])
async def test_answers_in_a_file_are_read_when_it_is_fetched(
    used: Any, simulator: ProviderSimulator, meter: RecordingMeter, into: str, tmp_path: Any
) -> None:
    """A large batch leaves its answers in a file: its call waits for the download, whole or to disk."""
    await begun(used, simulator)
    replies(simulator, IN_A_FILE)
    job = await done(used.batches.get(name="batches/b1"))
    assert meter.call.ends == []
    simulator.replay(body=LINES, content_type="application/octet-stream")
    options = {} if into == "memory" else {"destination": tmp_path / "answers.jsonl"}
    content = await done(used.files.download(file=job.dest.file_name, **options))
    assert (content if into == "memory" else (tmp_path / "answers.jsonl").read_bytes()) == LINES
    assert meter.call.usage.counts() == TWICE
    assert meter.call.reading.service_tier == "batch"
    assert meter.call.tokens == ["google:files/batch-b1"]
    assert meter.call.ended


async def test_other_files_are_no_calls(used: Any, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Fetching a video, or looking at a file, is free."""
    simulator.replay(body=b"\0\0\0\x18ftypmp42" + bytes(5_000), content_type="video/mp4")
    assert len(await done(used.files.download(file="files/video"))) > 5_000
    replies(simulator, {"name": "files/video"})
    await done(used.files.get(name="files/video"))
    assert (meter.calls, meter.recorded) == ([], [])


async def test_a_failed_batch_costs_nothing(used: Any, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """What a batch held is given back when it is found to have failed."""
    await begun(used, simulator)
    replies(simulator, batch("FAILED"))
    await done(used.batches.get(name="batches/b1"))
    assert meter.call.readings == []
    assert meter.call.ended


async def test_a_refused_batch_is_not_begun(used: Any, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Over budget, nothing is sent; looking at what was begun earlier is never refused."""
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded) as caught:
        await begun(used, simulator)
    assert caught.value is meter.refusal
    simulator.reset()
    replies(simulator, SUCCEEDED)
    await done(used.batches.get(name="batches/b1"))
    assert len(meter.recorded) == 1


async def test_a_batch_of_embeddings(used: Any, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Embeddings in a batch have counts of their own."""
    replies(simulator, UNDER_WAY)
    source: Any = {"inlined_requests": {"contents": [{"parts": [{"text": "A fjord"}]}]}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK says that it is experimental
        await done(used.batches.create_embeddings(model="gemini-embedding-2", src=source))
    answers = [{"response": {"embedding": {"values": [0.1]}, "tokenCount": 7}}]
    replies(simulator, batch("SUCCEEDED", inlinedEmbedContentResponses={"inlinedResponses": answers}))
    await done(used.batches.get(name="batches/b1"))
    assert meter.call.usage.counts() == {"input_tokens": 7}
    assert meter.call.ended


async def test_what_a_batch_on_vertex_came_to_is_not_known(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Its answers are in a bucket that nobody looks at here: a call of unknown cost, not one of none."""
    client = google.vertex(simulator.url)
    provider_for(client).wrap(client, meter)
    name = "projects/1/locations/europe-west4/batchPredictionJobs/"
    for state in ("SUCCEEDED", "FAILED"):
        job = f"{name}{state}"
        replies(simulator, *({"name": job, "state": f"JOB_STATE_{each}"} for each in ("PENDING", "RUNNING", state)))
        client.batches.create(model=google.MODEL, src="gs://bucket/in.jsonl", config={"dest": "gs://bucket/out"})
        client.batches.get(name=job.replace("projects/1/", "projects/p/"))
        assert (meter.calls[-1].ends, meter.calls[-1].beats) == ([], 1)
        client.batches.get(name=job)
    succeeded, failed = meter.calls
    assert (succeeded.reading.usage, succeeded.reading.complete) == (None, False)
    assert failed.readings == []
    assert all(call.ended for call in meter.calls)
    client.close()


def test_a_batch_is_on_record_at_the_batch_rate(simulator: ProviderSimulator, make_calc: MakeCalc) -> None:
    """Whoever began the batch pays for it, half of what the same answers cost at once, however often it is seen."""
    calc = make_calc()
    client = google.gemini(simulator.url)
    calc.wrap(client)
    plain = google.answer(metadata={"promptTokenCount": 300, "candidatesTokenCount": 40})
    replies(simulator, plain, plain)
    with calc.attribute(customer_id="globex"):
        for _ in range(2):
            client.models.generate_content(model=google.MODEL, contents="How deep?")
    over = batch("SUCCEEDED", inlinedResponses={"inlinedResponses": [{"response": plain}] * 2})
    replies(simulator, UNDER_WAY, over, over)
    with calc.attribute(customer_id="acme"):
        client.batches.create(model=google.MODEL, src=[types.InlinedRequest(contents="How deep?")])
    for _ in range(2):
        client.batches.get(name="batches/b1")
    rows = {row.customer: row for row in calc.report(by=["customer"])}
    assert rows["acme"].calls == 1
    assert rows["acme"].usage == rows["globex"].usage
    assert rows["acme"].cost * 2 == rows["globex"].cost > 0
    client.close()
