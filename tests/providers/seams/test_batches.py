"""Batches: recorded once, when their usage appears, from whichever place and however often it is looked at."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import CHAT_COUNTS, CHAT_USAGE, MESSAGE_COUNTS, chat, counts, json_lines, message
from tests.providers.seams.conformance import done, each
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.test_sdk_conformance import opening
from tests.providers.seams.waiting import forget

pytestmark = pytest.mark.usefixtures("nothing_waits")

BATCH_USAGE: Final = {
    "input_tokens": 2_234,
    "input_tokens_details": {"cached_tokens": 2_048},
    "output_tokens": 92,
    "output_tokens_details": {"reasoning_tokens": 60},
    "total_tokens": 2_326,
}
NOTHING_YET: Final = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
TWICE: Final = {name: 2 * count for name, count in CHAT_COUNTS.items()}
LINES: Final = json_lines(
    *(
        {
            "id": f"batch_req_{number}",
            "custom_id": str(number),
            "response": {"status_code": 200, "request_id": "r", "body": chat(CHAT_USAGE)},
            "error": None,
        }
        for number in range(2)
    )
)
"""An output file of two answers."""


def batch(status: str, *, usage: dict[str, Any] | None = None, output: str | None = None, **more: Any) -> bytes:
    """A batch as OpenAI's API reference describes it."""
    completed = 2 if output else 0
    body = {
        "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "errors": None,
        "input_file_id": "file-in", "completion_window": "24h", "status": status, "output_file_id": output,
        "error_file_id": None, "created_at": 1, "metadata": None, "model": "gpt-4.1-2025-04-14",
        "request_counts": {"total": 2, "completed": completed, "failed": 0}, "usage": usage, **more,
    }  # fmt: skip
    return json.dumps(body).encode()


NEW: Final = batch("validating", usage=NOTHING_YET, model=None)
RUNNING: Final = batch("in_progress", usage=NOTHING_YET)
FINISHED: Final = batch("completed", usage=BATCH_USAGE, output="file-out")
SILENT: Final = batch("completed", output="file-out")
"""A finished batch of a provider that reports no usage on it."""

CLIENTS: Final = {
    name: opening(module, name, path, **options)
    for module, name, path, options in (
        ("openai", "OpenAI", "/v1", {}),
        ("openai", "AsyncOpenAI", "/v1", {}),
        ("openai", "AzureOpenAI", "", {"api_version": "2025-04-01-preview"}),
        ("openai", "AsyncAzureOpenAI", "", {"api_version": "2025-04-01-preview"}),
        ("groq", "Groq", "", {}),
        ("groq", "AsyncGroq", "", {}),
        ("together", "Together", "", {}),
        ("together", "AsyncTogether", "", {}),
        ("anthropic", "Anthropic", "", {}),
        ("anthropic", "AsyncAnthropic", "", {}),
    )
}
MODULES: Final = {"Groq": "groq", "Together": "together", "Anthropic": "anthropic"}
OPENAI_LIKE: Final = [name for name in CLIENTS if "Anthropic" not in name]
REPORTING: Final = [name for name in CLIENTS if "OpenAI" in name]
"""Clients whose batches report usage themselves."""


def module_of(name: str) -> str:
    """The SDK that a client belongs to."""
    return MODULES.get(name.removeprefix("Async"), "openai")


def provider_id(name: str) -> str:
    """Who bills the calls of a client."""
    return "azure" if "Azure" in name else module_of(name)


@pytest.fixture
async def client(name: str, simulator: ProviderSimulator, meter: RecordingMeter) -> AsyncIterator[Any]:
    """A wrapped client."""
    pytest.importorskip(module_of(name))
    opened = CLIENTS[name](simulator.url)
    provider_for(opened).wrap(opened, meter)
    yield opened
    await done(opened.close())


@pytest.fixture
def asks(name: str, client: Any, simulator: ProviderSimulator) -> dict[str, Callable[..., Any]]:
    """What an application asks about a batch, each answered with the body given."""

    def asking(ask: Callable[[], Any], content_type: str = "application/json") -> Callable[[bytes], Any]:
        async def answered(body: bytes) -> Any:
            simulator.replay(body=body, content_type=content_type)
            return await done(ask())

        return answered

    new = {"endpoint": "/v1/chat/completions", "input_file_id": "file-in", "completion_window": "24h"}
    content = client.files.content
    return {
        "create": asking(lambda: client.batches.create(**new)),
        "retrieve": asking(lambda: client.batches.retrieve("batch_1")),
        "cancel": asking(lambda: client.batches.cancel("batch_1")),
        "content": asking(lambda: content("file-out"), "application/octet-stream"),
    }


@pytest.mark.parametrize("name", REPORTING)
async def test_the_finished_batch_is_seen_first(name: str, asks: dict[str, Any], meter: RecordingMeter) -> None:
    """The call that made the batch stays open until it is over; its file and later looks add nothing."""
    await asks["create"](NEW)
    assert meter.call.ends == []
    await asks["retrieve"](RUNNING)
    assert (meter.call.ends, meter.call.beats) == ([], 1)
    for _ in range(2):
        await asks["retrieve"](FINISHED)
        await asks["content"](LINES)
    assert meter.call.usage.counts() == TWICE
    reading = meter.call.reading
    assert (reading.provider, reading.model) == (provider_id(name), "gpt-4.1-2025-04-14")
    assert (reading.service_tier, reading.calls) == ("batch", 2)
    assert meter.call.tokens == [f"{provider_id(name)}:file-out"]
    assert meter.call.ended
    assert meter.recorded == []


@pytest.mark.parametrize("name", OPENAI_LIKE)
async def test_the_file_is_seen_first(name: str, asks: dict[str, Any], meter: RecordingMeter) -> None:
    """Where the batch reports nothing its file does; it is the same record, and the batch's call's."""
    made = NEW if "Together" not in name else json.dumps({"job": {"id": "batch_1", "status": "VALIDATING"}}).encode()
    await asks["create"](made)
    await asks["retrieve"](SILENT)
    assert meter.call.ends == []
    for _ in range(2):
        await asks["content"](LINES)
        await asks["retrieve"](FINISHED)
    assert meter.call.usage.counts() == TWICE
    assert (meter.call.reading.service_tier, meter.call.reading.calls) == ("batch", 2)
    assert meter.call.tokens == [f"{provider_id(name)}:file-out"]
    assert meter.call.ended
    assert meter.recorded == []


@pytest.mark.parametrize("name", REPORTING)
async def test_other_processes_come_to_the_same_record(name: str, asks: dict[str, Any], meter: RecordingMeter) -> None:
    """Whatever a process sees of a batch that another one made, it is recorded under the same id."""
    for seen in ("retrieve", "content"):
        forget()
        await asks[seen](FINISHED if seen == "retrieve" else LINES)
        await asks[seen](FINISHED if seen == "retrieve" else LINES)
    (first, first_id), (second, second_id) = meter.recorded
    assert first_id == second_id == f"{provider_id(name)}:file-out"
    assert first.usage == second.usage
    assert meter.calls == []


@pytest.mark.parametrize("name", OPENAI_LIKE)
async def test_ordinary_files_record_nothing(
    name: str, asks: dict[str, Any], client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Neither a picture, nor what a batch was made from, nor lines of answers that somebody stored."""
    asked = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4.1"}}
    failed = {"custom_id": "1", "response": {"status_code": 400, "body": {"error": {"message": "No."}}}}
    stored = {"response": chat(CHAT_USAGE)}
    for body in (b"\x89PNG\r\n", b"", json_lines(asked), json_lines(failed), json_lines(stored, stored), b"{}\n[1]\n"):
        await asks["content"](body)
    if "OpenAI" in name:
        simulator.replay(body=LINES, content_type="application/octet-stream")
        await done(client.containers.files.content.retrieve("file-out", container_id="cntr_1"))
    assert meter.recorded == []
    assert meter.calls == []


@pytest.mark.parametrize("name", ["OpenAI", "AsyncOpenAI"])
async def test_a_batch_of_files_is_none_of_answers(
    name: str, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Files that are put into a vector store together ask no model: nothing is held for them."""
    del name
    counts = {"in_progress": 1, "completed": 0, "failed": 0, "cancelled": 0, "total": 1}
    files = {"id": "vsfb_1", "object": "vector_store.file_batch", "created_at": 1, "vector_store_id": "vs_1",
             "status": "in_progress", "file_counts": counts}  # fmt: skip
    simulator.replay(body=json.dumps(files).encode())
    await done(client.vector_stores.file_batches.create("vs_1", file_ids=["file-1"]))
    assert (meter.calls, meter.recorded) == ([], [])


@pytest.mark.parametrize("name", REPORTING)
@pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
async def test_a_batch_in_vain_ends_its_call(
    name: str, status: str, asks: dict[str, Any], meter: RecordingMeter
) -> None:
    """A batch that is over without any answer costs nothing: what was held for it is released."""
    del name
    await asks["create"](NEW)
    await asks["cancel"](batch("cancelling", usage=NOTHING_YET))
    assert meter.call.ends == []
    await asks["retrieve"](batch(status, usage=NOTHING_YET))
    assert meter.call.ended
    assert meter.call.readings == []


@pytest.mark.parametrize("name", OPENAI_LIKE)
async def test_a_refused_batch_is_not_made(
    name: str, asks: dict[str, Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Making one is what a budget can refuse; looking at one never is."""
    del name
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded):
        await asks["create"](NEW)
    assert simulator.requests == []
    simulator.reset()
    await asks["retrieve"](RUNNING)
    await asks["content"](LINES)
    assert len(simulator.requests) == 2
    assert len(meter.recorded) == 1


# Anthropic.

ANSWERS: Final = json_lines(
    *({"custom_id": str(number), "result": {"type": "succeeded", "message": message()}} for number in range(2)),
    {"custom_id": "3", "result": {"type": "errored", "error": {"type": "invalid_request_error"}}},
)
MESSAGES: Final[list[Any]] = [{"role": "user", "content": "Describe the fjord."}]
DOUBLED: Final = {name: 2 * count for name, count in MESSAGE_COUNTS.items()}
ANTHROPIC: Final = ["Anthropic", "AsyncAnthropic"]


def message_batch(url: str, status: str = "in_progress", succeeded: int = 0) -> bytes:
    """A batch as Anthropic's API reference describes it."""
    counts = {"processing": 0, "succeeded": succeeded, "errored": 1, "canceled": 0, "expired": 0}
    body = {
        "id": "msgbatch_1", "type": "message_batch", "processing_status": status, "request_counts": counts,
        "ended_at": None, "created_at": "2026-11-24T00:00:00Z", "expires_at": "2026-11-25T00:00:00Z",
        "archived_at": None, "cancel_initiated_at": None,
        "results_url": f"{url}/v1/messages/batches/msgbatch_1/results" if status == "ended" else None,
    }  # fmt: skip
    return json.dumps(body).encode()


async def make(client: Any, simulator: ProviderSimulator, *, beta: bool = False) -> None:
    """Make a batch of two requests."""
    params = {"model": "claude-opus-4-8", "max_tokens": 400, "messages": MESSAGES}
    requests = [{"custom_id": str(number), "params": {**params, "max_tokens": 100 + number}} for number in range(2)]
    simulator.replay(body=message_batch(simulator.url))
    batches = client.beta.messages.batches if beta else client.messages.batches
    await done(batches.create(requests=requests))


async def results(client: Any, simulator: ProviderSimulator, *, beta: bool = False) -> Any:
    """Ask for the answers of a batch that has ended; the SDK asks how it stands before that."""
    simulator.replay(body=message_batch(simulator.url, "ended", 2))
    simulator.replay(body=ANSWERS, content_type="application/x-jsonl")
    batches = client.beta.messages.batches if beta else client.messages.batches
    return await done(batches.results("msgbatch_1"))


@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("name", ANTHROPIC)
async def test_results_are_recorded_once(
    name: str, client: Any, meter: RecordingMeter, simulator: ProviderSimulator, *, beta: bool
) -> None:
    """The call that made the batch ends with its results; reading them again adds nothing."""
    del name
    await make(client, simulator, beta=beta)
    request = meter.call.request
    assert (request.model, request.max_output_tokens, request.choices, request.batch) == (
        "claude-opus-4-8", 101, 2, True,
    )  # fmt: skip
    assert meter.call.input_bytes > 2 * len("Describe the fjord.")
    for _ in range(2):
        assert len([line async for line in each(await results(client, simulator, beta=beta))]) == 3
    assert meter.call.usage.counts() == DOUBLED
    assert (meter.call.reading.service_tier, meter.call.reading.calls) == ("batch", 2)
    assert meter.call.tokens == ["anthropic:msgbatch_1"]
    assert meter.call.ended
    assert meter.recorded == []


@pytest.mark.parametrize("name", ANTHROPIC)
async def test_results_that_are_left_are_read_later(
    name: str, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Part of the results says nothing of the rest: the batch is recorded when they are read to their end."""
    await make(client, simulator)
    stream = await results(client, simulator)
    async for _ in each(stream):
        break
    await done(stream.close())
    assert meter.call.ends == []
    forget()
    async for _ in each(await results(client, simulator)):
        pass
    ((reading, recorded_as),) = meter.recorded
    assert reading.usage is not None
    assert reading.usage.counts() == DOUBLED
    assert recorded_as == "anthropic:msgbatch_1"
    meter.calls.clear()


@pytest.mark.parametrize("name", ANTHROPIC)
async def test_a_batch_without_any_answer(
    name: str, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Nothing is billed for requests that failed, and nothing stays held for them."""
    del name
    await make(client, simulator)
    simulator.replay(body=message_batch(simulator.url, "ended", 0))
    await done(client.messages.batches.retrieve("msgbatch_1"))
    assert meter.call.ended
    assert meter.call.readings == []


@pytest.mark.parametrize("name", ["Anthropic"])
async def test_a_batch_of_several_models(
    name: str, client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Answers of different models, or of sizes that pay different rates, are kept apart."""
    del name
    sizes = {"input_tokens": 60_000, "output_tokens": 10}, {"input_tokens": 150_000, "output_tokens": 10}
    bodies = [message(sizes[0]), message(sizes[0]), message(sizes[1]), message(sizes[0], model="claude-haiku-5-5")]
    lines = json_lines(*({"custom_id": "1", "result": {"type": "succeeded", "message": body}} for body in bodies))
    simulator.replay(body=message_batch(simulator.url, "ended", 4))
    simulator.replay(body=lines, content_type="application/x-jsonl")
    for _ in client.messages.batches.results("msgbatch_1"):
        pass
    ((reading, _),) = meter.recorded
    assert [(part.model, part.calls, counts(part)["input_tokens"]) for part in (reading, *reading.also)] == [
        ("claude-sonnet-4-5-20250929", 2, 120_000),
        ("claude-sonnet-4-5-20250929", 1, 150_000),
        ("claude-haiku-5-5", 1, 60_000),
    ]


def test_every_client_is_covered() -> None:
    """Both kinds of each SDK that has batches are asked."""
    assert {name.removeprefix("Async") for name in CLIENTS} == {
        "Anthropic", "AzureOpenAI", "Groq", "OpenAI", "Together",
    }  # fmt: skip
    assert all(inspect.isfunction(opened) for opened in CLIENTS.values())
